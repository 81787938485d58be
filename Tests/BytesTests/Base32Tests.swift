// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

struct Base32Tests {
    @Test func `writes and reads what RFC 4648 says`() {
        let cases = [
            ("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ]
        for (plain, text) in cases {
            #expect(Base32.encode(Array(plain.utf8).span) == text)
            #expect(Base32.decode(text) == Array(plain.utf8))
            #expect(Base32.decode(text.lowercased()) == Array(plain.utf8))
        }
    }

    @Test(arguments: ["A", "MZX", "M1", "M8", "MY=", " MY", "MZ", "MZXR"])
    func `refuses what it would not write`(text: String) {
        #expect(Base32.decode(text) == nil)
    }
}
