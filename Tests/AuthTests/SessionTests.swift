// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import Testing

@testable import Auth

/// Families of refresh tokens, without a server: the step is a function of the session, the token and the time.
@Suite struct SessionTests {
    private static let start = WallTime(seconds: 1_800_000_000)
    private static let idle: Duration = .seconds(3600)
    private let key = HMACSHA256(key: SecretBytes(randomCount: 32))

    private func session(generation: Int = 3, id: String = "ses_01JD0000000000000000000000") -> SessionRecord {
        SessionRecord(
            id: SessionID(id), user: UserID("usr_1"), home: .tenant(TenantID("ten_1")), standing: .role(.member),
            mustEnroll: false, seed: Random.bytes(32), generation: generation, createdAt: Self.start,
            refreshedAt: Self.start, endsAt: Self.start + .seconds(7200))
    }

    @Test func `says of each token what it is`() {
        let cases: [(generation: Int, after: Int, verdict: SessionRecord.RefreshVerdict)] = [
            (3, 0, .advance), (3, 3599, .advance), (2, 0, .again), (2, 10, .again), (2, 11, .reuse), (1, 0, .reuse),
            (0, 1, .reuse), (4, 0, .unknown), (.max, 0, .unknown), (3, 3600, .ended), (2, 3600, .ended),
            (3, 7200, .ended),
        ]
        for (generation, seconds, verdict) in cases {
            var record = session()
            let found = record.refresh(generation, idle: Self.idle, at: Self.start + .seconds(seconds))
            #expect(found == verdict, "generation \(generation) after \(seconds) s")
            #expect(record.generation == (verdict == .advance ? 4 : 3))
        }
    }

    @Test func `a token is its session's, its generation's and its key's`() throws {
        let record = session()
        let text = RefreshToken(record, generation: 3, under: key).text
        let token = try #require(RefreshToken(text))
        #expect(token.session == record.id && token.generation == 3)
        #expect(token.isGenuine(of: record, under: key))
        // Another seed, as after a log-in of the same name; another key; another number on the same code.
        #expect(!token.isGenuine(of: session(), under: key))
        #expect(!token.isGenuine(of: record, under: HMACSHA256(key: SecretBytes(randomCount: 32))))
        let raised = try #require(RefreshToken(text.replacing("_3_", with: "_4_")))
        #expect(!raised.isGenuine(of: record, under: key))
    }

    @Test(arguments: [
        "", "ghr_", "ghr_x_1_y", "ghk_01JD0000000000000000000000_1_", "ghr_01JD0000000000000000000000_-1_A",
    ])
    func `what is no token is none`(text: String) {
        #expect(RefreshToken(text) == nil)
    }

    @Test func `the index ends what it is told, at once and whole`() {
        let index = SessionIndex(idle: Self.idle)
        let first = session(id: "ses_01JD000000000000000000000A")
        let second = session(id: "ses_01JD000000000000000000000B")
        for record in [first, second] { #expect(index.add(record) == []) }
        let principal = index.principal(of: first.id, at: Self.start)
        #expect(principal?.userID == first.user && principal?.session == first.id)
        #expect(index.principal(of: first.id, at: Self.start + Self.idle) == nil)
        #expect(index.end(first.id, of: UserID("usr_2")) == false)
        #expect(index.end(of: first.user, keeping: second.id) == [first.id])
        #expect(index.principal(of: first.id, at: Self.start) == nil)
        #expect(principal?.lifeline?.isEnded == true)
        #expect(index.principal(of: second.id, at: Self.start)?.lifeline?.isEnded == false)
        index.removeAll(of: TenantID("ten_1"))
        #expect(index.count == 0)
    }

    @Test func `a used token that comes back ends the family, and a made-up one does not`() {
        let index = SessionIndex(idle: Self.idle)
        let record = session()
        _ = index.add(record)
        #expect(index.refresh(record.id, isGenuine: { _ in false }, generation: 0, isOpen: true, at: Self.start) == nil)
        #expect(index.principal(of: record.id, at: Self.start) != nil)
        let step = index.refresh(record.id, isGenuine: { _ in true }, generation: 0, isOpen: true, at: Self.start)
        #expect(step?.verdict == .reuse)
        #expect(index.principal(of: record.id, at: Self.start) == nil)
    }

    /// What is refused for a suspension must not use a token up: it would come back as a used one, and the session would die.
    @Test func `a refresh during a suspension uses nothing up, and a stolen token ends the session all the same`() {
        let index = SessionIndex(idle: Self.idle)
        let record = session()
        _ = index.add(record)
        func step(_ generation: Int, isOpen: Bool, after seconds: Int) -> SessionRecord.RefreshVerdict? {
            index.refresh(
                record.id, isGenuine: { _ in true }, generation: generation, isOpen: isOpen,
                at: Self.start + .seconds(seconds))?.verdict
        }
        for second in 0..<3 { #expect(step(3, isOpen: false, after: second) == .waiting) }
        #expect(step(2, isOpen: false, after: 3) == .waiting)
        // Over: the token that was sent three times is the valid one.
        #expect(step(3, isOpen: true, after: 60) == .advance)
        #expect(step(3, isOpen: false, after: 61) == .waiting)
        #expect(step(0, isOpen: false, after: 62) == .reuse)
        #expect(index.principal(of: record.id, at: Self.start) == nil)
    }

    @Test func `a person has so many sessions, and the oldest gives way`() {
        let index = SessionIndex(idle: Self.idle)
        var ended: [SessionID] = []
        for number in 0..<SessionIndex.perPersonMax + 3 { ended += index.add(session(id: "ses_\(number)")) ?? [] }
        #expect(ended == ["ses_0", "ses_1", "ses_2"].map(SessionID.init))
        #expect(index.count == SessionIndex.perPersonMax)
    }
}
