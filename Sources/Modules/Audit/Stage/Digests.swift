// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import EventLoop
import Platform
import Synchronization

/// The keyed digests that stand in records for what must not be read there: addresses, end users, ids of what can be erased,
/// what an act was asked with.
///
/// What is about a tenant is digested under a salt of its own, which dies with it: then nobody can try guesses against the
/// records that stay. The rest is under the house's.
final class Digests: Sendable {
    /// Bytes of a digest: enough that no two things meet, and half of what a hash would take.
    static let byteCount = 16
    /// Tenants whose salts are kept at hand.
    private static let keptMax = 4096
    private static let label: StaticString = "audit record"

    private let house: HMACSHA256
    private let salts: any TenantSalts
    private let kept = Mutex<[TenantID: HMACSHA256]>([:])
    private let worker: Worker

    init(house: SecretBytes, salts: any TenantSalts) throws(Errno) {
        self.house = HMACSHA256(key: house)
        self.salts = salts
        worker = try Worker(name: "audit-salts", queueMax: 4096)
    }

    func stop() {
        worker.stop()
        worker.join()
    }

    /// What is about no tenant.
    var ofHouse: Digester { Digester(code: house) }

    /// Forgets a tenant that is being deleted.
    func forget(_ tenant: TenantID) { kept.withLock { _ = $0.removeValue(forKey: tenant) } }

    /// The digests of a tenant, or of the house for `nil`; `nil` where they have to be looked up first.
    func cached(_ tenant: TenantID?) -> Digester? {
        guard let tenant else { return ofHouse }
        return kept.withLock { $0[tenant] }.map { Digester(code: $0) }
    }

    /// The same, looked up where it has to be. A tenant that is gone has the house's.
    func digester(of tenant: TenantID?) async -> Digester {
        if let digester = cached(tenant) { return digester }
        guard let tenant else { return ofHouse }
        let found = try? await worker.run { [self] in load(tenant) }
        return found ?? ofHouse
    }

    /// The same for a thread that may block.
    func load(_ tenant: TenantID) -> Digester {
        if let digester = cached(tenant) { return digester }
        guard let salt = try? salts.salt(Self.label, of: tenant) else { return ofHouse }
        let code = HMACSHA256(key: salt)
        kept.withLock { kept in
            if kept.count >= Self.keptMax { kept.removeAll(keepingCapacity: true) }
            kept[tenant] = code
        }
        return Digester(code: code)
    }
}

/// Digests under one salt. Equal things of one kind have equal digests.
struct Digester: Sendable {
    let code: HMACSHA256

    func digest(_ kind: String, _ bytes: some Sequence<UInt8>) -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(64)
        message.append(contentsOf: kind.utf8)
        message.append(0)
        message.append(contentsOf: bytes)
        return Array(code.code(of: message).bytes.prefix(Digests.byteCount))
    }

    func digest(_ kind: String, _ text: String) -> [UInt8] { digest(kind, text.utf8) }

    /// Of the person behind a key, by the name that the caller has for them.
    func endUser(_ name: String) -> [UInt8] { digest("end user", name) }
}
