// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// The uploads under way in this process: what is half uploaded and not among them is nobody's, and is swept.
final class Uploads: Sendable {
    /// Guards the ids of the files.
    private let ids = Mutex<Set<String>>([])

    /// - Throws: `overloaded` where too many are under way.
    func begin(_ id: String) throws(Failure) {
        let isIn = ids.withLock { ids in
            guard ids.count < NodesLimits.uploadsMax else { return false }
            return ids.insert(id).inserted
        }
        guard isIn else {
            throw Failure(.overloaded, "too many uploads are under way; try again").retrying(after: .seconds(1))
        }
    }

    func end(_ id: String) {
        ids.withLock { _ = $0.remove(id) }
    }

    var underWay: Set<String> { ids.withLock { $0 } }
}
