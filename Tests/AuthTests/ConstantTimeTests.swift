// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Platform
import Support
import Testing

/// Secrets are compared in constant time by construction: there is one function for it, digests have it as their `==`, a
/// secret's bytes have no `==` at all, and no line of the modules that hold credentials compares a secret in another way.
@Suite struct ConstantTimeTests {
    private static let sources = String(
        #filePath.prefix { _ in true }.split(separator: "/").dropLast(3).joined(separator: "/"))

    /// Names that a secret, or what is derived of one, has in these modules.
    private static let names: Set<String> = [
        "secret", "signature", "digest", "code", "codes", "token", "password", "proof", "hash", "pepper", "salt",
        "seed",
        "given", "key", "text", "bytes", "recovery", "confirm",
    ]

    /// Comparisons that look like one of a secret, and why each is none.
    private static let known: [String: String] = [
        "person.password == password": "both are the stored hash: whether somebody changed it meanwhile",
        "origin.description == text": "an address of the web, as it was written",
        "index == digest": "two digests, whose == takes constant time (Crypto)",
        "principal.userID == token.user": "an id, behind a signature that was checked",
    ]

    /// What stands on both sides of each `==` and `!=` of a line, where both sides are values and one is named like a secret.
    private static func comparisons(in line: String) -> [String] {
        let words = line.split { " (){}[],;!&|".contains($0) && $0 != "!" }.map(String.init)
        return words.indices.compactMap { place in
            guard ["==", "!="].contains(words[place]), place > 0, place + 1 < words.count else { return nil }
            let sides = [words[place - 1], words[place + 1]]
            // A number of bytes, nothing at all, a literal, and a case of a closed list are no secrets.
            let isPlain = sides.contains { side in
                side == "nil" || side.hasPrefix(".") || side.hasPrefix("\"") || side.first?.isNumber == true
                    || side.hasSuffix(".count") || side.hasPrefix("UInt8")
            }
            let isSecret = sides.contains { side in
                side.split(separator: ".").contains { names.contains($0.lowercased()) }
            }
            return isSecret && !isPlain ? sides.joined(separator: " \(words[place]) ") : nil
        }
    }

    private static func files(below folder: String) throws -> [String] {
        try TestFile.names(in: folder).flatMap { name -> [String] in
            let path = "\(folder)/\(name)"
            guard try FileStatus(path: path).kind == .directory else { return name.hasSuffix(".swift") ? [path] : [] }
            return try files(below: path)
        }
    }

    @Test func `no line compares a secret but in constant time`() throws {
        var (lines, found): (Int, [String]) = (0, [])
        for path in try Self.files(below: "/\(Self.sources)/Sources/Modules/Auth") where !path.hasSuffix("+List.swift")
        {
            for line in try TestFile.lines(path) {
                lines += 1
                for comparison in Self.comparisons(in: line) where Self.known[comparison] == nil {
                    found.append("\(path.split(separator: "/").last ?? ""): \(comparison)")
                }
            }
        }
        #expect(found == [])
        #expect(lines > 3000)
    }

    @Test(arguments: [
        "guard proof == given else { throw }", "if token.digest != stored.digest { return }",
        "return signature == expected", "code.text == person.secret",
    ])
    func `a line that does is found`(line: String) { #expect(Self.comparisons(in: line).count == 1) }

    /// The work of a comparison does not depend on where the difference is: as many bytes are looked at for the first as for
    /// the last. (That libcrypto's CRYPTO_memcmp keeps to it is its own promise.)
    @Test func `a difference anywhere is found, and lengths alone decide early`() {
        func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool { constantTimeEquals(left.span, right.span) }
        let bytes = (0..<64).map { UInt8($0) }
        for place in bytes.indices {
            var other = bytes
            other[place] ^= 1
            #expect(!equal(bytes, other))
        }
        #expect(equal(bytes, bytes) && equal([], []) && !equal(bytes, Array(bytes.dropLast())))
    }

    /// A type that could be compared with `==` would be, some day.
    @Test func `a secret's bytes have no comparison`() {
        #expect(!((SecretBytes.self as Any) is any Equatable.Type))
    }
}
