// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Synchronization

/// An account, and where its row is.
struct Login: Hashable, Sendable {
    let user: UserID
    let home: Home
}

/// Which accounts an address has: one in a tenant, possibly in several tenants, possibly an operator's too. In memory, so
/// that whoever guesses addresses asks no disk, and by keyed digest, so that it holds no address.
final class LoginIndex: Sendable {
    private struct State {
        var logins: [Digest: [Login]] = [:]
        var digests: [UserID: Digest] = [:]
    }

    /// People in one appliance.
    static let peopleMax = 1_000_000

    private let key: HMACSHA256
    // Guards the tables.
    private let state = Mutex(State())

    init(key: HMACSHA256) { self.key = key }

    func digest(of email: EmailAddress) -> Digest { key.code(of: email.text.utf8.span) }

    /// False where there is no room, or the address is known in this home.
    func add(_ login: Login, _ digest: Digest) -> Bool {
        state.withLock { state in
            guard state.digests.count < Self.peopleMax, state.digests[login.user] == nil,
                state.logins[digest]?.contains(where: { $0.home == login.home }) != true
            else { return false }
            state.logins[digest, default: []].append(login)
            state.digests[login.user] = digest
            return true
        }
    }

    func remove(_ user: UserID) {
        state.withLock { state in
            guard let digest = state.digests.removeValue(forKey: user) else { return }
            state.logins[digest]?.removeAll { $0.user == user }
            if state.logins[digest]?.isEmpty == true { state.logins[digest] = nil }
        }
    }

    func removeAll(of tenant: TenantID) {
        for user in users(of: tenant) { remove(user) }
    }

    /// The account meant by an address: the one in `home`; where none is said, an operator's before a tenant's, and the
    /// oldest of those.
    func login(_ digest: Digest, in home: Home?) -> Login? {
        let logins = state.withLock { $0.logins[digest] ?? [] }
        guard let home else { return logins.first { $0.home == .appliance } ?? logins.first }
        return logins.first { $0.home == home }
    }

    private func users(of tenant: TenantID) -> [UserID] {
        state.withLock { state in state.logins.values.joined().filter { $0.home == .tenant(tenant) }.map(\.user) }
    }
}
