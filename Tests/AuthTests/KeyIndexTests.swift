// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import Support
import Synchronization
import Testing

@testable import Auth

@Suite struct KeyIndexTests {
    private let now = WallTime(milliseconds: 1_800_000_000_000)
    private let tenant = TenantID("ten_1")
    private let index: KeyIndex

    init() throws {
        index = KeyIndex(peppers: try #require(Peppers([1: SecretBytes(randomCount: 32)])))
    }

    private func request(_ name: String = "test", expiresAt: WallTime? = nil) -> KeyRequest {
        KeyRequest(tenant: tenant, name: name, scopes: Scopes([.chat]), models: ["fast"], expiresAt: expiresAt)
    }

    private func mint(expiresAt: WallTime? = nil) -> (text: String, record: KeyRecord) {
        let (key, record) = index.issue(request(expiresAt: expiresAt), at: now)
        #expect(index.add(record))
        return (key.text, record)
    }

    @Test func `lets in who has the key, as what the key is`() {
        let (text, record) = mint()
        guard case .valid(let principal) = index.authenticate(text, at: now) else {
            Issue.record("refused a valid key")
            return
        }
        #expect(principal.kind == .key(record.id, prefix: String(text.prefix(12))))
        #expect(principal.tenant == tenant && principal.keyID == record.id && principal.scopes == Scopes([.chat]))
        #expect(principal.mayUse(model: "fast") && !principal.mayUse(model: "slow"))
    }

    @Test func `knows no key that was not added, and none of another pepper`() throws {
        let (key, _) = index.issue(request(), at: now)
        #expect(index.authenticate(key.text, at: now).isUnknown(isKey: true))
        #expect(index.authenticate("sk-not-ours", at: now).isUnknown(isKey: false))
        let (text, record) = mint()
        let other = KeyIndex(peppers: try #require(Peppers([1: SecretBytes(randomCount: 32)])))
        #expect(other.add(record))
        #expect(other.authenticate(text, at: now).isUnknown(isKey: true))
    }

    @Test func `tells two keys of one prefix apart`() throws {
        let first = APIKey(random: [UInt8](repeating: 7, count: 32))
        let second = APIKey(random: [UInt8](repeating: 7, count: 31) + [8])
        #expect(first.prefix == second.prefix && first.text != second.text)
        let peppers = try #require(Peppers([1: SecretBytes(copying: [UInt8](repeating: 1, count: 32).span)]))
        let index = KeyIndex(peppers: peppers)
        for (key, name) in [(first, "first"), (second, "second")] {
            #expect(index.add(record(of: key, peppers, name)))
        }
        for (key, name) in [(first, "first"), (second, "second")] {
            guard case .valid(let found) = index.authenticate(key.text, at: now) else {
                Issue.record("refused \(name)")
                continue
            }
            #expect(found.keyID == KeyID(name))
        }
        let third = APIKey(random: [UInt8](repeating: 7, count: 31) + [9])
        #expect(index.authenticate(third.text, at: now).isUnknown(isKey: true))
    }

    private func record(of key: APIKey, _ peppers: Peppers, _ name: String) -> KeyRecord {
        let (digest, generation) = peppers.digest(of: key)
        return KeyRecord(
            id: KeyID(name), tenant: tenant, name: name, prefix: key.prefix, digest: digest,
            pepperGeneration: generation,
            scopes: Scopes([.chat]), models: nil, createdAt: now, expiresAt: nil, revokedAt: nil, lastUsedAt: nil)
    }

    @Test func `refuses at the moment of expiry`() {
        let expiry = now + .seconds(60)
        let (text, record) = mint(expiresAt: expiry)
        if case .valid = index.authenticate(text, at: WallTime(milliseconds: expiry.milliseconds - 1)) {
        } else {
            Issue.record("expired too early")
        }
        guard case .expired(let found) = index.authenticate(text, at: expiry) else {
            Issue.record("did not expire")
            return
        }
        #expect(found == record.id)
    }

    @Test func `refuses from the moment of revocation, and keeps its time`() {
        let (text, record) = mint()
        let (other, _) = mint()
        #expect(index.revoke(record.id, at: now)?.revokedAt == now)
        let stranger = KeyRecord(
            id: KeyID("key_none"), tenant: tenant, name: "x", prefix: record.prefix, digest: record.digest,
            pepperGeneration: 1, scopes: record.scopes, createdAt: now)
        #expect(!index.replace(with: stranger))
        if case .revoked(let found) = index.authenticate(text, at: now) {
            #expect(found == record.id)
        } else {
            Issue.record("a revoked key was not refused as such")
        }
        if case .valid = index.authenticate(other, at: now) {} else { Issue.record("revoked another key too") }
    }

    @Test func `a change that comes late changes nothing`() {
        let (text, record) = mint()
        var (first, second) = (record, record)
        (first.name, first.version) = ("first", 2)
        (second.name, second.version, second.revokedAt) = ("second", 3, now)
        #expect(index.replace(with: second) && index.replace(with: first))
        #expect(index.record(record.id)?.name == "second")
        if case .revoked = index.authenticate(text, at: now) {} else { Issue.record("a late change revived a key") }
    }

    @Test func `both texts of a rotated key open it until the grace is over, and it is one key`() {
        let (oldText, record) = mint()
        let (key, digest, generation) = index.makeText()
        var rotated = record
        rotated.former = FormerKey(
            prefix: record.prefix, digest: record.digest, pepperGeneration: record.pepperGeneration,
            until: now + .seconds(60))
        (rotated.prefix, rotated.digest, rotated.pepperGeneration) = (key.prefix, digest, generation)
        rotated.version += 1
        #expect(index.replace(with: rotated) && index.count == 1)
        for (text, prefix) in [(oldText, record.prefix), (key.text, key.prefix)] {
            guard case .valid(let principal) = index.authenticate(text, at: now) else {
                Issue.record("refused \(prefix)")
                continue
            }
            #expect(principal.kind == .key(record.id, prefix: prefix))
        }
        if case .revoked = index.authenticate(oldText, at: now + .seconds(60)) {
        } else {
            Issue.record("the old text outlived its grace")
        }
        if case .valid = index.authenticate(key.text, at: now + .seconds(60)) {
        } else {
            Issue.record("lost the new one")
        }
        index.revoke(record.id, at: now)
        for text in [oldText, key.text] {
            if case .revoked = index.authenticate(text, at: now) {} else { Issue.record("a text outlived its key") }
        }
    }

    @Test func `a blocked key is refused as such, and let in again`() {
        let (text, record) = mint()
        var blocked = record
        (blocked.blockedAt, blocked.version) = (now, 2)
        index.replace(with: blocked)
        if case .blocked(record.id) = index.authenticate(text, at: now) {} else { Issue.record("let a blocked key in") }
        (blocked.blockedAt, blocked.version) = (nil, 3)
        index.replace(with: blocked)
        if case .valid = index.authenticate(text, at: now) {} else { Issue.record("kept a key out") }
    }

    @Test func `what a key's streams hang on ends with it, with a block and with a suspension`() {
        func lifeline(_ text: String) -> Lifeline? {
            guard case .valid(let principal) = index.authenticate(text, at: now) else { return nil }
            return principal.lifeline
        }
        let (text, record) = mint()
        let first = lifeline(text)
        #expect(first?.isEnded == false)
        index.setStreams(.suspended, of: tenant)
        #expect(first?.isEnded == true)
        index.setStreams(.active, of: tenant)
        let second = lifeline(text)
        #expect(second?.isEnded == false)
        index.revoke(record.id, at: now)
        #expect(second?.isEnded == true)
        let (other, _) = mint()
        let third = lifeline(other)
        index.removeAll(of: tenant)
        #expect(third?.isEnded == true)
    }

    @Test func `still knows keys of an older pepper`() throws {
        let old = SecretBytes(randomCount: 32)
        let before = KeyIndex(peppers: try #require(Peppers([1: old])))
        let (oldKey, oldRecord) = before.issue(request(), at: now)
        let after = KeyIndex(peppers: try #require(Peppers([1: old, 2: SecretBytes(randomCount: 32)])))
        let (newKey, newRecord) = after.issue(request(), at: now)
        #expect(oldRecord.pepperGeneration == 1 && newRecord.pepperGeneration == 2)
        for record in [oldRecord, newRecord] { #expect(after.add(record)) }
        for key in [oldKey, newKey] {
            if case .valid = after.authenticate(key.text, at: now) {} else { Issue.record("refused a key") }
        }
    }

    @Test func `refuses peppers that are none`() {
        #expect(Peppers([:]) == nil)
        #expect(Peppers([1: SecretBytes(randomCount: 31)]) == nil)
        let many = Dictionary(
            uniqueKeysWithValues: (0...Peppers.generationsMax).map { ($0, SecretBytes(randomCount: 32)) })
        #expect(Peppers(many) == nil)
    }

    @Test func `adds no key twice and none without a prefix`() {
        let (_, record) = mint()
        #expect(!index.add(record) && index.count == 1)
        let bad = KeyRecord(
            id: KeyID("key_2"), tenant: tenant, name: "", prefix: "ghk_short", digest: record.digest,
            pepperGeneration: 1,
            scopes: Scopes(), models: nil, createdAt: now, expiresAt: nil, revokedAt: nil, lastUsedAt: nil)
        #expect(!index.add(bad) && index.count == 1)
    }

    @Test func `gives each use once, with its last time`() {
        let (text, record) = mint()
        let (second, secondRecord) = mint()
        _ = mint()
        _ = index.authenticate(text, at: now)
        _ = index.authenticate(text, at: now + .seconds(1))
        _ = index.authenticate(second, at: now)
        #expect(index.takeUses() == [record.id: now + .seconds(1), secondRecord.id: now])
        #expect(index.takeUses() == [:])
        _ = index.authenticate(text, at: now + .seconds(2))
        #expect(index.takeUses() == [record.id: now + .seconds(2)])
    }

    @Test func `is seen the same on every thread, a revocation at once`() throws {
        let minted = (0..<64).map { _ in mint() }
        let (index, now) = (index, now)
        let revoked = Atomic(-1)
        let wrong = Atomic(0)
        try withThreads(4) { thread in
            if thread == 0 {
                for number in minted.indices {
                    index.revoke(minted[number].record.id, at: now)
                    revoked.store(number, ordering: .sequentiallyConsistent)
                }
                return
            }
            for round in 0..<4 * minted.count {
                let number = round % minted.count
                let isRevoked = number <= revoked.load(ordering: .sequentiallyConsistent)
                let result = index.authenticate(minted[number].text, at: now)
                if isRevoked, case .valid = result { wrong.add(1, ordering: .relaxed) }
                if case .unknown = result { wrong.add(1, ordering: .relaxed) }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
        #expect(index.takeUses().count <= minted.count)
    }

    @Test func `says what is wrong with a request`() {
        var bad: [KeyRequest] = [
            request(""), request(String(repeating: "x", count: 201)), request("a\nb"), request("a\u{202E}b"),
        ]
        bad.append(request(expiresAt: now))
        bad.append(KeyRequest(tenant: tenant, name: "x", scopes: Scopes()))
        bad.append(KeyRequest(tenant: tenant, name: "x", scopes: Scopes([.chat]), models: []))
        bad.append(KeyRequest(tenant: tenant, name: "x", scopes: Scopes([.chat]), models: ["a\nb"]))
        bad.append(
            KeyRequest(tenant: tenant, name: "x", scopes: Scopes([.chat]), models: Set((0...256).map(String.init))))
        func wrong(_ alter: (inout KeyRequest) -> Void) {
            var request = request()
            alter(&request)
            bad.append(request)
        }
        wrong { $0.nodes = [] }
        wrong { $0.origins = ["https://app.example.org"] }
        wrong { ($0.nodes, $0.scopes) = (["desk"], Scopes([.chat, .threadsRead])) }
        wrong { ($0.nodes, $0.scopes) = (["desk"], Scopes([.keysWrite])) }
        wrong { ($0.kind, $0.nodes, $0.models) = (.publishable, ["desk"], nil) }
        wrong { ($0.kind, $0.origins, $0.models) = (.publishable, ["https://a.example"], nil) }
        wrong { ($0.kind, $0.nodes, $0.origins) = (.publishable, ["desk"], ["https://a.example"]) }
        wrong {
            ($0.kind, $0.nodes, $0.origins, $0.models) = (.publishable, ["desk"], ["https://a.example"], nil)
            $0.scopes = Scopes([.chat, .files])
        }
        wrong { $0.metadata = String(repeating: "x", count: AuthLimits.metadataBytesMax + 1) }
        var page = request()
        (page.kind, page.nodes, page.origins, page.models) = (.publishable, ["desk"], ["https://a.example"], nil)
        #expect(page.problem(at: now) == nil)
        for request in bad { #expect(request.problem(at: now) != nil, "\(request)") }
        #expect(request("Laptop of Zoë 🦊", expiresAt: now + .seconds(1)).problem(at: now) == nil)
    }
}

extension KeyIndex {
    @discardableResult
    fileprivate func revoke(_ id: KeyID, at now: WallTime) -> KeyRecord? {
        guard var record = record(id) else { return nil }
        (record.revokedAt, record.version) = (now, record.version + 1)
        replace(with: record)
        return self.record(id)
    }

    fileprivate func authenticate(_ text: String, at now: WallTime) -> Authentication {
        authenticate(text.utf8.span, at: now)
    }
}

extension Authentication {
    fileprivate func isUnknown(isKey: Bool) -> Bool {
        if case .unknown(isKey) = self { true } else { false }
    }
}
