// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// The uploads under way in this process: what is half uploaded and not among them is nobody's, and is swept.
final class Uploads: Sendable {
    /// Guards the ids of the files, and whose they are.
    private let ids = Mutex<[String: TenantID]>([:])

    /// - Throws: `overloaded` where too many are under way, of this tenant (one must not take every other's place) or in
    ///   all.
    func begin(_ id: String, of tenant: TenantID) throws(Failure) {
        let isIn = ids.withLock { ids in
            guard ids.count < NodesLimits.uploadsMax,
                ids.values.count(where: { $0 == tenant }) < NodesLimits.uploadsPerTenantMax
            else { return false }
            ids[id] = tenant
            return true
        }
        guard isIn else {
            throw Failure(.overloaded, "too many uploads are under way; try again").retrying(after: .seconds(1))
        }
    }

    func end(_ id: String) {
        ids.withLock { _ = $0.removeValue(forKey: id) }
    }

    /// The files of a tenant that are being uploaded.
    func underWay(of tenant: TenantID) -> Set<String> {
        ids.withLock { ids in Set(ids.filter { $0.value == tenant }.keys) }
    }
}
