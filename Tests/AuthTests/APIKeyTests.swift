// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform
import Support
import Testing

@testable import Auth

@Suite struct APIKeyTests {
    @Test func `looks as the contract says`() throws {
        for _ in 0..<200 {
            let key = APIKey.random()
            #expect(key.text.utf8.count == 53 && key.text.hasPrefix("ghk_") && key.text.hasPrefix(key.prefix))
            #expect(key.prefix.utf8.count == 12)
            #expect(
                key.text.dropFirst(4).utf8.allSatisfy { ($0 >= 48 && $0 <= 57) || ($0 | 32 >= 97 && $0 | 32 <= 122) })
            #expect(APIKey(key.text)?.text == key.text)
        }
        #expect(Set((0..<200).map { _ in APIKey.random().prefix }).count == 200)
    }

    /// Computed once with another program: base 62 of the number, then of zlib's crc32.
    @Test(
        arguments: [
            (0, "ghk_00000000000000000000000000000000000000000001UYnUp"),
            (1, "ghk_0El6XFXwsUFD8J2vGxsaboW7rZYnQRBP5d9erwRwd292FFfK0"),
            (255, "ghk_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp14Ztot9"),
        ] as [(UInt8, String)])
    func `writes the number and the checksum as other programs do`(byte: UInt8, text: String) {
        #expect(APIKey(random: [UInt8](repeating: byte, count: 32)).text == text)
    }

    @Test func `refuses every text that differs in one place`() {
        let text = Array(APIKey.random().text.utf8)
        for index in text.indices {
            for byte in UInt8.min...UInt8.max where byte != text[index] {
                var other = text
                other[index] = byte
                let key = APIKey(other.span)
                #expect(key == nil, "byte \(byte) at \(index)")
            }
        }
    }

    @Test func `refuses what is longer, shorter, swapped or padded`() {
        let text = APIKey.random().text
        for other in [
            "", "ghk_", " \(text)", "\(text) ", "\(text)\n", String(text.dropLast()), text + "0", text.lowercased(),
            text.uppercased(), "Bearer \(text)", String(text.reversed()), String(repeating: "é", count: 26) + "a",
            "undefined", "null",
        ] { #expect(APIKey(other) == nil, "\(other)") }
        var swapped = Array(text.utf8)
        if swapped[20] != swapped[21] {
            swapped.swapAt(20, 21)
            #expect(APIKey(String(decoding: swapped, as: UTF8.self)) == nil)
        }
    }

    @Test func `shows itself as its prefix`() {
        let key = APIKey.random()
        var dumped = "\(key) \(String(reflecting: key)) \(String(describing: Optional(key)))"
        dump(key, to: &dumped)
        #expect(dumped.contains(key.prefix) && !dumped.contains(key.text.dropFirst(12).prefix(8)))
    }

    @Test func `its digest depends on every character and on the pepper`() {
        let pepper = HMACSHA256(key: SecretBytes(randomCount: 32))
        let key = APIKey.random()
        #expect(key.digest(under: pepper) == pepper.code(of: Array(key.text.utf8)))
        #expect(key.digest(under: pepper) != key.digest(under: HMACSHA256(key: SecretBytes(randomCount: 32))))
    }
}
