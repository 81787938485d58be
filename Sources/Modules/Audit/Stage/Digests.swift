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
    private let kept = Mutex(Kept())
    private let endUsers: KnownEndUsers
    private let worker: Worker

    private struct Kept {
        var codes: [TenantID: HMACSHA256] = [:]
        /// How often a tenant was forgotten: a salt that was being read meanwhile is not kept.
        var forgettings = 0
    }

    /// - Parameter endUsers: filled here, and emptied with what is forgotten here.
    init(house: SecretBytes, salts: any TenantSalts, endUsers: KnownEndUsers) throws(Errno) {
        self.house = HMACSHA256(key: house)
        (self.salts, self.endUsers) = (salts, endUsers)
        worker = try Worker(name: "audit-salts", queueMax: 4096)
    }

    func stop() {
        worker.stop()
        worker.join()
        endUsers.forgetAll()
    }

    /// What is about no tenant.
    var ofHouse: Digester { Digester(code: house) }

    /// Forgets a tenant that is being deleted.
    func forget(_ tenant: TenantID) {
        kept.withLock { kept in
            kept.codes[tenant] = nil
            kept.forgettings += 1
        }
        // Behind the salt: what is made of it until now is not kept.
        endUsers.forget(tenant)
    }

    /// The digests of a tenant, or of the house for `nil`; `nil` where they have to be looked up first.
    func cached(_ tenant: TenantID?) -> Digester? {
        guard let tenant else { return ofHouse }
        return kept.withLock { $0.codes[tenant] }.map { Digester(code: $0) }
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
        let forgettings = kept.withLock { $0.forgettings }
        guard let salt = try? salts.salt(Self.label, of: tenant) else { return ofHouse }
        let code = HMACSHA256(key: salt)
        kept.withLock { kept in
            guard kept.forgettings == forgettings else { return }
            if kept.codes.count >= Self.keptMax { kept.codes.removeAll(keepingCapacity: true) }
            kept.codes[tenant] = code
        }
        return Digester(code: code)
    }

    // MARK: End users

    /// The digest of a person behind a key; `nil` where the tenant's salt has to be looked up first.
    func knownEndUser(_ name: String, of tenant: TenantID) -> EndUserDigest? {
        let moment = endUsers.now
        guard let digester = cached(tenant) else { return nil }
        let digest = digester.endUser(name)
        endUsers.keep(digest, of: name, tenant, since: moment)
        return digest
    }

    /// The same, looked up where it has to be.
    func endUser(_ name: String, of tenant: TenantID?) async -> EndUserDigest {
        await digester(of: tenant).endUser(name)
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
    func endUser(_ name: String) -> EndUserDigest {
        let (kind, text) = (Self.endUserKind.utf8.span, name.utf8.span)
        guard text.count <= Self.shortNameBytes else {
            return EndUserDigest(digest(Self.endUserKind, name).span)
        }
        // In place: a call that names somebody may need it.
        var message: [128 of UInt8] = .init(repeating: 0)
        for index in 0..<kind.count { message[index] = kind[index] }
        for index in 0..<text.count { message[kind.count + 1 + index] = text[index] }
        let code = code.code(of: message.span.extracting(first: kind.count + 1 + text.count))
        return code.withBytes { EndUserDigest($0) }
    }

    private static let endUserKind = "end user"
    /// Of a name that has room in place behind its kind.
    private static let shortNameBytes = 96
}
