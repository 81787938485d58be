// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// The turns that are being answered now and whose senders gave them an id: the same one sent again meanwhile must not be
/// answered, and paid for, twice. As many as there are requests under way.
final class TurnsUnderWay: Sendable {
    /// What a turn is known by.
    struct Name: Hashable, Sendable {
        let tenant: TenantID
        /// Its id.
        let node: String
        /// Its id; for one that is still to come the correlation id, if it will have one.
        let thread: String
        let clientID: String
        /// Among whose threads: a key's, or a person's own.
        var owner = ""
    }

    /// Guards the turns, each with the asynchronous run that answers it, if one does.
    private let turns = Mutex<[Name: String?]>([:])

    /// - Returns: false if the turn is being answered already, with the run that does.
    func begin(_ name: Name, run: String?) -> (isNew: Bool, run: String?) {
        turns.withLock { turns in
            if let other = turns[name] { return (false, other) }
            turns[name] = .some(run)
            return (true, run)
        }
    }

    func end(_ name: Name) {
        turns.withLock { _ = $0.removeValue(forKey: name) }
    }
}
