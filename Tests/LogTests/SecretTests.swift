// SPDX-License-Identifier: Apache-2.0

import Bytes
import Log
import Platform
import Support
import Testing

private let key = "sk-proj-9aZ/b+Xq7\"Lk_2mN%4pQrStUvWx~"

private func registry(_ secrets: String...) -> SecretRegistry {
    let registry = SecretRegistry()
    for secret in secrets { registry.register(SecretBytes(copying: Array(secret.utf8).span)) }
    return registry
}

/// Ways in which an upstream may write a text.
private enum Spelling: CaseIterable {
    case plain, hex, capitalHex, base64, base64URL, bearerBase64, userBase64, percent, smallPercent, everyPercent
    case json, jsonSlash, unicode, capitalUnicode, jsonInJSON, base64InJSON, base64Percent

    func write(_ text: String) -> String {
        let bytes = Array(text.utf8)
        switch self {
        case .plain: return text
        case .hex: return Hex.encode(bytes)
        case .capitalHex: return Hex.encode(bytes).uppercased()
        case .base64: return Base64.encode(bytes)
        case .base64URL: return Base64.encode(bytes, alphabet: .url, isPadded: false)
        case .bearerBase64: return Base64.encode(Array("Bearer ".utf8) + bytes)
        case .userBase64: return Base64.encode(Array("x:".utf8) + bytes + Array("\n".utf8), alphabet: .url)
        case .percent: return Percent.encode(text)
        case .smallPercent: return Spelling.everyPercent.write(text).lowercased()
        case .everyPercent: return bytes.map { "%" + Hex.encode([$0]).uppercased() }.joined()
        case .json: return text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        case .jsonSlash: return Spelling.json.write(text).replacing("/", with: "\\/")
        case .unicode: return bytes.map { "\\u00" + Hex.encode([$0]) }.joined()
        case .capitalUnicode: return bytes.map { "\\u00" + Hex.encode([$0]).uppercased() }.joined()
        case .jsonInJSON: return Spelling.json.write(Spelling.jsonSlash.write(text))
        case .base64InJSON: return Spelling.base64.write(text).replacing("/", with: "\\/")
        case .base64Percent: return Percent.encode(Spelling.base64.write(text))
        }
    }
}

@Suite struct SecretTests {
    @Test(arguments: Spelling.allCases)
    fileprivate func `finds a secret in every spelling, however the stream is cut`(spelling: Spelling) {
        let written = spelling.write(key)
        let text = Array("{\"error\":\"bad key \(written) given\"}\n".utf8)
        let secrets = registry(key)
        #expect(secrets.scrubbed(written).contains("[redacted]"), "\(written)")
        let whole = secrets.scrubbed(text)
        expectClean(whole, spelling)
        for cut in 0...text.count {
            var scrubber = secrets.scrubber()
            let first = scrubber.feed(Array(text[..<cut]))
            let output = first + scrubber.feed(Array(text[cut...])) + scrubber.flush()
            #expect(output == whole, "cut at \(cut)")
            #expect(scrubber.redactions == 1)
        }
        var scrubber = secrets.scrubber()
        var output: [UInt8] = []
        for byte in text { output += scrubber.feed([byte]) }
        #expect(output + scrubber.flush() == whole)
    }

    /// A text is judged in blocks of eight places: a secret is found wherever in one it begins, and in whichever of the first
    /// characters it is escaped.
    @Test(arguments: Spelling.allCases)
    fileprivate func `finds a secret at every distance from the beginning and the end of a text`(spelling: Spelling) {
        let secrets = registry(key)
        let written = spelling.write(key)
        for before in 0..<40 {
            for after in [0, 1, 7, 8, 23, 24, 40] {
                let (head, tail) = (String(repeating: "x", count: before), String(repeating: "y", count: after))
                let scrubbed = secrets.scrubbed(head + " " + written + " " + tail)
                #expect(scrubbed.contains("[redacted]") && scrubbed.hasPrefix(head) && scrubbed.hasSuffix(tail))
            }
        }
    }

    @Test func `finds a secret of which any one character is escaped, wherever it begins`() {
        let plain = "sk-proj-9aZb0Xq7Lk2m"
        let secrets = registry(plain)
        let bytes = Array(plain.utf8)
        for before in 0..<40 {
            for place in bytes.indices {
                for escape in ["%" + Hex.encode([bytes[place]]), "\\u00" + Hex.encode([bytes[place]])] {
                    var text = Array(repeating: UInt8(ascii: "x"), count: before)
                    text += bytes[..<place] + Array(escape.utf8) + bytes[(place + 1)...]
                    text += Array(repeating: UInt8(ascii: "y"), count: 40)
                    let left = Array(repeating: UInt8(ascii: "x"), count: before)
                    let right = Array(repeating: UInt8(ascii: "y"), count: 40)
                    #expect(secrets.scrubbed(text) == left + SecretTests.redacted + right, "\(before) \(place)")
                }
            }
        }
    }

    /// The frame stands, and at most the few characters of base64 that mix with their neighbours are left between.
    private func expectClean(_ bytes: [UInt8], _ spelling: Spelling) {
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.hasPrefix("{\"error\":\"bad key ") && text.hasSuffix(" given\"}\n"), "\(text)")
        let middle = text.dropFirst(18).dropLast(9)
        #expect(middle.contains("[redacted]"))
        let left = middle.replacing("[redacted]", with: "")
        let bound =
            switch spelling {
            case .bearerBase64, .userBase64: 18
            case .base64, .base64URL, .base64InJSON, .base64Percent: 6
            default: 0
            }
        #expect(left.utf8.count <= bound, "\(text)")
    }

    @Test func `leaves everything else alone, and passes it on without a copy`() {
        let secrets = registry(key)
        let texts = [
            "", "s", "sk", "sk-proj", "sk-proj-9aZ/b+Xq", "\\", "\\\\", "\\u00", "%", "%7", "\\u0073k-proj-",
            "a\\n\\n\"b\"",
            "data: {\"choices\":[{\"delta\":{\"content\":\"task sky sk-proj-other\"}}]}\n\n",
            "\\u4e2d\\u6587 %E4%B8%AD 100%",
            String(repeating: "s", count: 1000), String(repeating: "\\", count: 1000),
            String(repeating: "%73", count: 100),
        ]
        for text in texts {
            let bytes = Array(text.utf8)
            #expect(secrets.scrubbed(bytes) == bytes)
            var scrubber = secrets.scrubber()
            #expect(scrubber.feed(bytes) + scrubber.flush() == bytes)
            var single = secrets.scrubber()
            #expect(bytes.flatMap { single.feed([$0]) } + single.flush() == bytes)
        }
        let long = [UInt8](repeating: 65, count: 100_000)
        let same = unsafe long.withUnsafeBufferPointer { before in
            unsafe secrets.scrubbed(long).withUnsafeBufferPointer { unsafe $0.baseAddress == before.baseAddress }
        }
        #expect(same)
    }

    @Test func `finds several secrets, beside each other and one in another`() {
        let secrets = registry("sk-one-0123456789", "sk-two-0123456789", "sk-one-0123456789-and-more")
        #expect(
            secrets.scrubbed("sk-one-0123456789sk-two-0123456789,sk-one-0123456789-and-more!")
                == "[redacted][redacted],[redacted]!")
        var scrubber = secrets.scrubber()
        let first = scrubber.feed(Array("x sk-one-0123456789".utf8))
        // It may yet become the longer one.
        #expect(first == Array("x ".utf8))
        #expect(scrubber.feed(Array("-and-more".utf8)) == SecretTests.redacted)
    }

    private static let redacted = Array("[redacted]".utf8)

    @Test func `finds what an upstream has cut, once it is half of the secret`() {
        let secrets = registry("sk-live-0123456789abcdefghijklmnopqrstuv")
        #expect(secrets.scrubbed("key sk-live-0123456789ab... is wrong") == "key [redacted]... is wrong")
        #expect(secrets.scrubbed("sk-live-0123456789ab") == "[redacted]")
        #expect(secrets.scrubbed("sk-live-01234567... is wrong") == "sk-live-01234567... is wrong")
    }

    @Test func `looks for no secret that would stand in ordinary text`() {
        let secrets = SecretRegistry()
        #expect(!secrets.register(SecretBytes(copying: Array("EMPTY".utf8).span)))
        #expect(!secrets.register(SecretBytes(randomCount: SecretNeedles.secretBytesMax + 1)))
        #expect(secrets.register(SecretBytes(copying: Array("12345678".utf8).span)))
        #expect(secrets.scrubbed("EMPTY 12345678") == "EMPTY [redacted]")
    }

    /// Each reload of the configuration brings all keys again.
    @Test func `a secret that comes again takes no further place`() {
        let secrets = SecretRegistry()
        for _ in 0...SecretRegistry.secretsMax {
            #expect(secrets.register(SecretBytes(copying: Array("the first secret".utf8).span)))
        }
        #expect(secrets.register(SecretBytes(copying: Array("another one".utf8).span)))
        #expect(secrets.scrubbed("the first secret, another one") == "[redacted], [redacted]")
    }

    /// What is not counted any more is not what cannot change.
    @Test func `the registry of a process takes secrets that come later`() {
        let secrets = registry("the first secret")
        secrets.isForever()
        #expect(secrets.register(SecretBytes(copying: Array("another one".utf8).span)))
        #expect(secrets.scrubbed("the first secret, another one") == "[redacted], [redacted]")
    }

    @Test func `finds binary secrets and the longest one`() {
        let secrets = SecretRegistry()
        let binary = Random.bytes(32)
        // With what looks like escapes, and is not.
        let long = Array(#"\\\ %41 \n \u0041 \"#.utf8) + Random.bytes(SecretNeedles.secretBytesMax - 22)
        #expect(
            secrets.register(SecretBytes(copying: binary.span)) && secrets.register(SecretBytes(copying: long.span)))
        #expect(secrets.scrubbed([1] + binary + [2] + long) == [1] + SecretTests.redacted + [2] + SecretTests.redacted)
        #expect(secrets.scrubbed("k=\(Hex.encode(long)).") == "k=[redacted].")
    }

    /// The same events to the scrubber and to a search that is simple enough to be right.
    @Test func `agrees with a plain search on random streams`() {
        let seed = SeededGenerator.seed
        print("scrubber: seed \(seed)")
        var random = SeededGenerator(seed)
        // Three letters, so that beginnings of secrets are everywhere.
        let secrets = ["abcabcab", "abcabcac", "cabbacab"]
        let registry = registry(secrets[0], secrets[1], secrets[2])
        for round in 0..<3000 {
            // Some in pieces of many blocks, and some in crumbs.
            let (textMax, pieceMax) = round % 2 == 0 ? (120, 20) : (600, 300)
            let text = (0..<random.below(textMax)).map { _ in UInt8(97 + random.below(3)) }
            var scrubber = registry.scrubber()
            var output: [UInt8] = []
            var rest = text[...]
            while !rest.isEmpty {
                let piece = rest.prefix(1 + random.below(pieceMax))
                output += scrubber.feed(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            output += scrubber.flush()
            #expect(output == plainly(text, secrets), "seed \(seed)")
        }
    }

    /// The same where any character may be escaped, with secrets of the least length and of just above it, of which the pairs of
    /// bytes by which a text is judged are the fewest.
    @Test func `agrees with a plain search where some characters are escaped`() {
        let seed = SeededGenerator.seed
        print("scrubber, escapes: seed \(seed)")
        var random = SeededGenerator(seed)
        let secrets = ["abcabcab", "bbcabcabc", "cabbacabcaab", "accbabcabcabacba"].map { Array($0.utf8) }
        let registry = SecretRegistry()
        for secret in secrets { #expect(registry.register(SecretBytes(copying: secret.span))) }
        var found = 0
        for round in 0..<3000 {
            // From none to every second one.
            let escaped = [0, 1, 5, 50][round % 4]
            var letters: [UInt8] = []
            while letters.count < 20 + random.below(400) {
                letters += random.below(8) == 0 ? secrets[random.below(4)] : [UInt8(97 + random.below(4))]
            }
            let units = letters.map { letter in
                guard random.below(100) < escaped else { return [letter] }
                return Array(((random.below(2) == 0 ? "%" : "\\u00") + Hex.encode([letter])).utf8)
            }
            var (expected, place) = ([UInt8](), 0)
            while place < units.count {
                let longest = secrets.filter { letters[place...].starts(with: $0) }.map(\.count).max()
                if longest != nil { found += 1 }
                expected += longest == nil ? units[place] : SecretTests.redacted
                place += longest ?? 1
            }
            #expect(registry.scrubbed(units.flatMap(\.self)) == expected, "seed \(seed), round \(round)")
        }
        #expect(found > 1000)
    }

    private func plainly(_ text: [UInt8], _ secrets: [String]) -> [UInt8] {
        var output: [UInt8] = []
        var index = 0
        while index < text.count {
            if let secret = secrets.first(where: { text[index...].starts(with: $0.utf8) }) {
                output += SecretTests.redacted
                index += secret.utf8.count
            } else {
                output.append(text[index])
                index += 1
            }
        }
        return output
    }
}
