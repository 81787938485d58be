// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@Suite struct `Texts of bytes` {
    @Test(
        arguments: [
            ([], ""), ([0], "00"), ([0xDE, 0xAD, 0xBE, 0xEF], "deadbeef"), ([255, 1, 16], "ff0110"),
        ] as [([UInt8], String)])
    func `hexadecimal goes both ways`(bytes: [UInt8], text: String) {
        #expect(Hex.encode(bytes) == text)
        #expect(Hex.decode(text) == bytes)
        #expect(Hex.decode(text.uppercased()) == bytes)
    }

    @Test(arguments: ["0", "abc", "0g", "0x", " 00", "００"])
    func `refuses what is not hexadecimal`(text: String) {
        #expect(Hex.decode(text) == nil)
    }

    /// RFC 4648 §10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `base 64 goes both ways`(plain: String, text: String) {
        let unpadded = String(text.prefix { $0 != "=" })
        #expect(Base64.encode(Array(plain.utf8)) == text)
        #expect(Base64.encode(Array(plain.utf8), isPadded: false) == unpadded)
        #expect(Base64.decode(text) == Array(plain.utf8))
        #expect(Base64.decode(unpadded, alphabet: .url, isPadded: false) == Array(plain.utf8))
        #expect((Base64.decode(unpadded) == nil) == (text != unpadded))
        #expect((Base64.decode(text, isPadded: false) == nil) == (text != unpadded))
    }

    @Test func `every byte survives base 64`() {
        for count in 0..<300 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            for alphabet in [Base64.Alphabet.standard, .url] {
                for isPadded in [true, false] {
                    let text = Base64.encode(bytes, alphabet: alphabet, isPadded: isPadded)
                    #expect(Base64.decode(text, alphabet: alphabet, isPadded: isPadded) == bytes)
                }
            }
        }
    }

    @Test(arguments: [
        "Zg", "Zg=", "Zg===", "Z", "Z===", "====", "=", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "Zm9v=", "Zg==Zg==", "-_==",
    ])
    func `refuses base 64 that it would not write`(text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test func `the two alphabets differ in two characters`() {
        #expect(Base64.encode([0xFB, 0xFF]) == "+/8=")
        #expect(Base64.encode([0xFB, 0xFF], alphabet: .url) == "-_8=")
        #expect(Base64.decode("+/8=", alphabet: .url) == nil)
        #expect(Base64.decode("-_8=", alphabet: .standard) == nil)
    }

    @Test(arguments: [
        ("a b/c", "a%20b%2Fc"), ("~-._", "~-._"), ("é", "%C3%A9"), ("%", "%25"), ("a+b", "a%2Bb"), ("", ""),
    ])
    func `percent-encoding goes both ways`(plain: String, text: String) {
        #expect(Percent.encode(plain) == text)
        #expect(Percent.decode(text) == plain)
        #expect(Percent.decode(text, plusIsSpace: true) == plain)
    }

    @Test func `plus is a space only where forms say so`() {
        #expect(Percent.decode("a+b%2B", plusIsSpace: true) == "a b+")
        #expect(Percent.decode("a+b%2B") == "a+b+")
    }

    @Test(arguments: ["%", "%1", "a%2", "%zz", "%1g", "%ff", "%C3", "%ED%A0%80"])
    func `refuses what percent-encoding cannot mean`(text: String) {
        #expect(Percent.decode(text) == nil)
    }

    @Test(arguments: [
        0, 1, 9, 10, 99, 100, -1, -10, 1_234_567_890, Int.max, Int.min,
    ])
    func `decimal goes both ways`(number: Int) {
        var bytes: [UInt8] = []
        appendDecimal(number, to: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == String(number))
        #expect(bytes.spanned { $0.decimal } == (number < 0 ? nil : number))
    }

    @Test(arguments: ["", " 1", "1 ", "+1", "-1", "0x1", "9223372036854775808", "99999999999999999999999", "1.0", "１"])
    func `refuses what is not a decimal count`(text: String) {
        let bytes = Array(text.utf8)
        #expect(bytes.spanned { $0.decimal } == nil)
    }

    @Test(
        arguments: [
            ("0", 0), ("fF", 255), ("7fffffffffffffff", Int.max), ("00000000000000001", 1), ("", nil), ("0x1", nil),
            ("8000000000000000", nil), ("g", nil), ("-1", nil), ("10000000000000000", nil),
        ] as [(String, Int?)])
    func `reads hexadecimal counts`(text: String, number: Int?) {
        let bytes = Array(text.utf8)
        #expect(bytes.spanned { $0.hexadecimal } == number)
    }

    @Test func `ASCII case knows no other letters`() {
        #expect("ÀBC-x1".asciiLowercased == "Àbc-x1")
        #expect("Content-Type".equalsIgnoringASCIICase("content-tYPE"))
        #expect(!"Content-Type".equalsIgnoringASCIICase("content-typ"))
        #expect(!"K".equalsIgnoringASCIICase("\u{212A}"))  // U+212A, the Kelvin sign.
        #expect(!"[".equalsIgnoringASCIICase("{"))
        #expect(!"@".equalsIgnoringASCIICase("`"))
        for byte in UInt8.min...UInt8.max {
            let scalar = Unicode.Scalar(byte)
            let isASCII = byte < 0x80
            #expect(byte.isASCIILetter == (isASCII && scalar.properties.isAlphabetic))
            #expect(byte.isASCIIDigit == (isASCII && scalar.properties.numericType != nil))
            #expect(byte.hexDigitValue.map { Int($0) } == (isASCII ? Character(scalar).hexDigitValue : nil))
            #expect(byte.isHTTPToken == "!#$%&'*+-.^_`|~0123456789".utf8.contains(byte) || byte.isASCIILetter)
        }
    }
}
