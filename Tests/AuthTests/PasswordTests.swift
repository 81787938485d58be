// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import EventLoop
import Platform
import Support
import Synchronization
import Testing

@testable import Auth

@Suite struct PasswordTests {
    private static let cheap = try? Scrypt(cost: 1 << 10, blockSize: 8, parallelism: 1)

    @Test func `a hash is read as it was written, and knows its password`() throws {
        let scrypt = try #require(Self.cheap)
        let hash = try PasswordHash.make("seven brown otters sing", scrypt)
        #expect(hash.text.hasPrefix("$scrypt$ln=10,r=8,p=1$"))
        let again = try #require(PasswordHash(hash.text))
        #expect(again == hash)
        #expect(try again.matches("seven brown otters sing"))
        #expect(try !again.matches("seven brown otters sing "))
        #expect(try PasswordHash.make("seven brown otters sing", scrypt).text != hash.text)
        // What RFC 7914 §12 computes, as PHC text.
        let known = try #require(PasswordHash("$scrypt$ln=10,r=8,p=16$TmFDbAAAAAA$" + "AAAAAAAAAAAAAAAAAAAAAA"))
        #expect(try !known.matches("password"))
    }

    @Test func `passwords are hashed at the cost that OWASP asks for`() {
        #expect(Scrypt.passwords == (try? Scrypt(cost: 1 << 17, blockSize: 8, parallelism: 1)))
    }

    @Test(arguments: [
        "", "$scrypt$", "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ",
        "$argon2id$ln=10,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=60,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=24,r=64,p=64$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=10,r=8$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$r=8,ln=10,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ=$AAAAAAAAAAAAAAAAAAAAAA", "$scrypt$ln=10,r=8,p=1$$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ$AAAA", "$scrypt$ln=-1,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
    ])
    func `refuses what is no hash, or would take the machine's memory`(text: String) {
        #expect(PasswordHash(text) == nil)
    }

    /// However many come, so many are at work or wait, and the others are told to come again.
    @Test func `of 500 at once those beyond the queue are told to come again`() throws {
        let scrypt = try Scrypt(cost: 1 << 14, blockSize: 8, parallelism: 1)
        let hasher = try PasswordHasher(scrypt: scrypt, threads: 2)
        defer { hasher.stop() }
        #expect(hasher.memoryBytesMax < 2 * (17 << 20))
        let codes = try onLoop(within: .seconds(120)) { _ in
            await withTaskGroup(of: ErrorCode?.self) { group in
                for _ in 0..<500 {
                    group.addTask {
                        do throws(Failure) {
                            return try await hasher.verify("x", against: nil) ? .internal : nil
                        } catch { return error.code }
                    }
                }
                var codes: [ErrorCode?] = []
                for await code in group { codes.append(code) }
                return codes
            }
        }
        #expect(codes.count == 500 && codes.allSatisfy { $0 == nil || $0 == .concurrencyExceeded })
        let done = codes.count { $0 == nil }
        #expect(done >= PasswordHasher.waitingMax && done < 500)
    }

    // MARK: Common passwords

    @Test func `the list is what it was made of`() {
        let words = CommonPasswords()
        #expect(words.count == CommonPasswords.wordCount && words.count > 29_000)
    }

    @Test(arguments: [
        "P@ssw0rd", "password", "PASSWORD1!", "p4$$w0rd", "123456", "qwerty", "Qwerty123", "letmein", "dr4g0n",
        "iloveyou",
        "trustno1", "TrustNo1!!", "monkey99", "passw0rd2024",
    ])
    func `knows common passwords in whatever dress`(password: String) {
        #expect(CommonPasswords().contains(password))
    }

    @Test(arguments: [
        "seven brown otters sing", "kX9#vQ2!mZ7@", "", "correct-horse-battery-staple-not", "passwort-verwalter-17",
        "aVeryLongPasswordThatNobodyElseHas", "monkey2348923749",
    ])
    func `lets others be`(password: String) {
        #expect(!CommonPasswords().contains(password))
    }

    @Test func `reads a range, and passes over its padding`() {
        let lines = Array("0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:0\r\n".utf8)
        func has(_ text: String) -> Bool { LeakedPasswords.contains(Array(text.utf8)[...], in: lines) }
        #expect(has("0018A45C4D1DEF81644B54AB7F969B88D65"))
        #expect(!has("00D4F6E8FA6EECAD2A3AA415EEC418D38EC"))
        #expect(!has("0018A45C4D1DEF81644B54AB7F969B88D66"))
        #expect(!has("0018A45C"))
        #expect(!LeakedPasswords.contains(Array("AB".utf8)[...], in: Array(":::\n\nAB\nAB:\n:AB:1".utf8)))
    }

    @Test func `asks for length and against the obvious, not for kinds of characters`() throws {
        let rule = PasswordRule(charactersMin: 12)
        let email = try #require(EmailAddress("Ada.Lovelace@example.org"))
        func code(_ password: String) -> ErrorCode? {
            do throws(Failure) { try rule.check(password, of: email) } catch { return error.code }
            return nil
        }
        for good in ["all small letters", "ünïcödé zählt", String(repeating: "abcd", count: 256)] {
            #expect(code(good) == nil, "\(good)")
        }
        for bad in [
            "short", "aaaaaaaaaaaaaaaaa", "ada.lovelace@EXAMPLE.org", "ada.lovelace1",
            String(repeating: "abcde", count: 300),
        ] { #expect(code(bad) == .invalidParameter, "\(bad)") }
    }
}
