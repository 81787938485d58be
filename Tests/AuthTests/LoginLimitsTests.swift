// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import HTTP
import Platform
import Testing

@testable import Auth

@Suite struct LoginLimitsTests {
    private let start = Instant(nanoseconds: 1_000_000_000_000)
    private let account = SHA256.digest(Array("victim".utf8))

    private func place(_ text: String) throws -> PeerBlock {
        let address = try #require(SocketAddress(text))
        return try #require(PeerBlock(.address(address)))
    }

    /// Makes a try that is wrong; the code with which it was refused before it was one.
    private func guess(_ limits: LoginLimits, _ place: PeerBlock, _ account: Digest, at now: Instant) -> ErrorCode? {
        do throws(Failure) {
            try limits.begin(place, account, at: now)
        } catch { return error.code }
        limits.end(place, account, isHarmless: false)
        return nil
    }

    @Test func `five wrong tries from one place are enough, and elsewhere begins anew`() throws {
        let limits = LoginLimits()
        let thief = try place("192.0.2.1:9")
        let tries = (0..<7).map { _ in guess(limits, thief, account, at: start) }
        #expect(tries == [nil, nil, nil, nil, nil, .rateLimitExceeded, .rateLimitExceeded])
        #expect(guess(limits, try place("192.0.2.2:9"), account, at: start) == nil)
        #expect(guess(limits, thief, SHA256.digest([1]), at: start) == nil)
        #expect(guess(limits, thief, account, at: start + LoginLimits.pair.window) == nil)
    }

    @Test func `a place that tries many accounts is stopped, and a /64 is one place`() throws {
        let limits = LoginLimits()
        var refused = 0
        for number in 0..<40 {
            let place = try place("[2001:db8::\(number + 1)]:9")
            if guess(limits, place, SHA256.digest([UInt8(number)]), at: start) != nil { refused += 1 }
        }
        #expect(refused == 10)
    }

    /// The owner is never locked out: also of an account that is attacked from everywhere, each place has some tries.
    @Test func `an account under attack from everywhere still lets its owner try`() throws {
        let limits = LoginLimits()
        for number in 0..<200 {
            _ = guess(limits, try place("198.51.100.\(number):9"), account, at: start)
        }
        let owner = try place("203.0.113.1:9")
        #expect(guess(limits, owner, account, at: start) == nil)
        #expect(guess(limits, owner, account, at: start) == nil)
        #expect(guess(limits, owner, account, at: start) == .rateLimitExceeded)
    }

    @Test func `a try that was right costs nothing, and many at once are counted before they end`() throws {
        let limits = LoginLimits()
        let place = try place("192.0.2.3:9")
        for _ in 0..<50 {
            try limits.begin(place, account, at: start)
            limits.end(place, account, isHarmless: true)
        }
        for _ in 0..<5 { try limits.begin(place, account, at: start) }
        #expect(throws: Failure.self) { try limits.begin(place, account, at: start) }
    }

    @Test func `five wrong codes lock an account's codes, from wherever they come`() throws {
        let limits = LoginLimits()
        let user = UserID("usr_1")
        for _ in 0..<5 { try limits.beginCode(of: user, at: start) }
        func code(at now: Instant) -> ErrorCode? {
            do throws(Failure) { try limits.beginCode(of: user, at: now) } catch { return error.code }
            return nil
        }
        #expect(code(at: start) == .locked)
        #expect(code(at: start + LoginLimits.codes.window) == nil)
        limits.clearCodes(of: user)
        #expect(code(at: start) == nil)
    }

    @Test func `cookies are read by their whole name, and two of one name are none`() {
        let name = SessionCookie.access
        for (line, value) in [
            ("\(name)=abc", "abc"), ("a=1; \(name)=abc; b=2", "abc"), ("\(name)x=abc", nil), ("x\(name)=abc", nil),
            ("\(name)=a; \(name)=b", nil), ("", nil), (name, nil), ("\(name)=", ""),
        ] as [(String, String?)] {
            #expect(Cookies.value(name, in: ["cookie": line]) == value, "\(line)")
        }
    }
}
