// SPDX-License-Identifier: Apache-2.0

import Bytes
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
        // Not the usual cost: what hashes stands behind everybody else, and on a busy machine waits for minutes.
        let scrypt = try Scrypt(cost: 1 << 12, blockSize: 8, parallelism: 1)
        let hasher = try PasswordHasher(scrypt: scrypt, threads: 2)
        defer { hasher.stop() }
        #expect(hasher.memoryBytesMax < 2 * (5 << 20))
        let codes = try onLoop(within: .seconds(300)) { _ in
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

/// The whole list in a file, made of range files. With two digits of prefix in the place of five, so that there are 256.
@Suite struct LeakedRangesTests {
    private static let words = (0..<900).map { "leaked password \($0)" }
    private let directory: TemporaryDirectory

    /// Writes the range files of the words, as the service gives them: each with padding, and every other one with `.txt`.
    init() throws {
        directory = try TemporaryDirectory()
        try AtomicFile.makeDirectory(path: directory("ranges"), mode: 0o700)
        var lines: [String: [String]] = [:]
        for (number, word) in Self.words.enumerated() {
            let hex = Hex.encode(try SHA1.digest(word.utf8.span)).uppercased()
            lines[String(hex.prefix(2)), default: []].append("\(hex.dropFirst(2)):\(number % 5 + 1)")
        }
        for prefix in 0..<256 {
            let name = Self.name(prefix)
            let text = (lines[name, default: []] + ["\(String(repeating: "0", count: 38)):0"]).joined(separator: "\r\n")
            try write(name + (prefix % 2 == 0 ? ".txt" : ""), text)
        }
    }

    private static func name(_ prefix: Int) -> String {
        let text = String(prefix, radix: 16, uppercase: true)
        return text.utf8.count == 1 ? "0" + text : text
    }

    private func write(_ name: String, _ text: String) throws {
        try AtomicFile.write(path: directory("ranges/\(name)"), bytes: Array(text.utf8), mode: 0o600)
    }

    private func work(leastCount: UInt32 = 1, digits: Int = 2) -> LeakedRangesImport {
        LeakedRangesImport(
            folder: directory("ranges"), target: directory("leaked"),
            LeakedRangesLayout(digits: digits, leastCount: leastCount), rangesPerStep: 16)
    }

    private func knows(_ word: String) throws -> Bool {
        try LeakedRanges(path: directory("leaked")).look(for: SHA1.digest(word.utf8.span))
    }

    @Test func `knows every word of the ranges and none besides`() throws {
        let summary = try work().run { _, _ in }
        #expect(summary == LeakedRangesImport.Summary(ranges: 256, passwords: 900))
        let file = try LeakedRanges(path: directory("leaked"))
        defer { file.stop() }
        for word in Self.words { #expect(try file.look(for: SHA1.digest(word.utf8.span)), "\(word)") }
        for number in 0..<900 { #expect(try !file.look(for: SHA1.digest("another \(number)".utf8.span))) }
        // The padding is nobody's password.
        #expect(try !file.look(for: [0x11] + [UInt8](repeating: 0, count: 19)))
        #expect(throws: Errno.invalidArgument) { try file.look(for: [1, 2, 3]) }
    }

    @Test func `leaves out what was seen too seldom`() throws {
        #expect(try work(leastCount: 4).run { _, _ in }.passwords == 360)
        #expect(try knows(Self.words[3]) && knows(Self.words[4]) && !knows(Self.words[2]))
    }

    /// Ends at each range in turn, as a download with a hole or a power cut would end it.
    @Test func `goes on where it was ended, and comes to the same file`() throws {
        _ = try work().run { _, _ in }
        let whole = try AtomicFile.read(path: directory("leaked"), bytesMax: 1 << 20)
        for prefix in [0, 1, 15, 16, 17, 100, 255] {
            let path = directory("ranges/\(Self.name(prefix))\(prefix % 2 == 0 ? ".txt" : "")")
            let text = try AtomicFile.read(path: path, bytesMax: 1 << 20)
            try AtomicFile.destroy(path: path)
            #expect(throws: LeakedRangesFailure.missing(Self.name(prefix))) { try work().run { _, _ in } }
            #expect(throws: LeakedRangesFailure.notWhole(directory("leaked.partial"))) {
                try LeakedRanges(path: directory("leaked.partial"))
            }
            // What came behind the last flush may be anything.
            let partial = try AtomicFile.read(path: directory("leaked.partial"), bytesMax: 1 << 20)
            try AtomicFile.write(
                path: directory("leaked.partial"), bytes: partial + Array("half a range".utf8), mode: 0o600)
            try AtomicFile.write(path: path, bytes: text, mode: 0o600)
            var first: Int?
            _ = try work().run { done, _ in first = first ?? done }
            #expect(first == prefix / 16 * 16)
            #expect(try AtomicFile.read(path: directory("leaked"), bytesMax: 1 << 20) == whole)
        }
    }

    @Test func `refuses what is no range, and names its line`() throws {
        let good = "\(String(repeating: "A", count: 38)):1"
        let cases: [(text: String, line: Int)] = [
            ("", 0), ("<html>", 1), ("\(good)\n\(good):1", 2), ("\(good)\n\(String(repeating: "A", count: 37)):1", 2),
            ("\(String(repeating: "G", count: 38)):1", 1), ("\(String(repeating: "A", count: 38)):", 1),
            ("\(String(repeating: "A", count: 38)):-1", 1), ("\(good)\n\(good)\n\u{0}", 3),
            ("\(String(repeating: "A", count: 38)):99999999999", 1),
        ]
        for (text, line) in cases {
            try write("07", text)
            #expect(throws: LeakedRangesFailure.damaged("07", line: line), "\(text)") { try work().run { _, _ in } }
        }
    }

    @Test func `what was begun otherwise is not gone on with, and what is no such file is not read`() throws {
        try AtomicFile.destroy(path: directory("ranges/81"))
        #expect(throws: LeakedRangesFailure.missing("81")) { try work().run { _, _ in } }
        #expect(throws: LeakedRangesFailure.begun(directory("leaked.partial"))) {
            try work(leastCount: 2).run { _, _ in }
        }
        for text in ["", "GHLEAK01", String(repeating: "x", count: 4096)] {
            try AtomicFile.write(path: directory("leaked"), bytes: Array(text.utf8), mode: 0o600)
            #expect(throws: LeakedRangesFailure.self) { try LeakedRanges(path: directory("leaked")) }
        }
    }

    /// Whatever one byte of the file becomes: an answer or an error, and no more memory than a range has.
    @Test func `a damaged file is an error or a wrong answer, and nothing worse`() throws {
        _ = try work().run { _, _ in }
        let whole = try AtomicFile.read(path: directory("leaked"), bytesMax: 1 << 20)
        let digest = try SHA1.digest(Self.words[0].utf8.span)
        for place in stride(from: 0, to: whole.count, by: 61) {
            var bytes = whole
            bytes[place] ^= 0xFF
            try AtomicFile.write(path: directory("damaged"), bytes: bytes, mode: 0o600)
            guard let file = try? LeakedRanges(path: directory("damaged")) else { continue }
            _ = try? file.look(for: digest)
            file.stop()
        }
    }
}
