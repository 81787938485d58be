// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@Suite struct ByteWordTests {
    /// Each byte at each place of runs of each length around a word, among bytes that fit.
    private func forEachPlacement(_ body: (_ bytes: [UInt8], _ byte: UInt8) -> Void) {
        for count in 1...20 {
            for place in 0..<count {
                for byte in UInt8.min...UInt8.max {
                    var bytes = [UInt8](repeating: UInt8(ascii: "m"), count: count)
                    bytes[place] = byte
                    body(bytes, byte)
                }
            }
        }
    }

    @Test func `finds a byte outside of a range at every place`() {
        forEachPlacement { bytes, byte in
            let areInside = bytes.span.allWords { ByteWord.areAll($0.bytes(in: UInt8(ascii: "a"), UInt8(ascii: "z"))) }
            #expect(areInside == (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte))
            let areNoControls = bytes.span.allWords { $0.bytes(in: 0, 0x1F) | $0.bytes(in: 0x7F, 0x7F) == 0 }
            #expect(areNoControls == (byte >= 0x20 && byte != 0x7F))
        }
    }

    @Test(arguments: ["mmmmmmmm", "m-7z-0aa"]) func `compares with small letters, digits and hyphens`(_ text: String) {
        let small = Array(text.utf8)
        for place in small.indices {
            for byte in UInt8.min...UInt8.max {
                var bytes = small
                bytes[place] = byte
                let isSame = unsafe bytes.withUnsafeBytes { left in
                    unsafe small.withUnsafeBytes { unsafe ByteWord(upTo8: left).isSame(asSmall: ByteWord(upTo8: $0)) }
                }
                #expect(isSame == (byte.asciiLowercased == small[place]))
            }
        }
    }

    @Test func `compares without case as byte by byte`() {
        forEachPlacement { bytes, byte in
            for other in [bytes.map(\.asciiUppercased), bytes.map(\.asciiLowercased), bytes.map { $0 ^ 0x20 }] {
                let expected = zip(bytes, other).allSatisfy { $0.asciiLowercased == $1.asciiLowercased }
                let areEqual = bytes.span.equalsIgnoringASCIICase(other.span)
                #expect(areEqual == expected)
            }
            let shorter = Array(bytes.dropLast())
            let areEqual = bytes.span.equalsIgnoringASCIICase(shorter.span)
            #expect(!areEqual)
        }
        let nothing: [UInt8] = []
        let areEqual = nothing.span.equalsIgnoringASCIICase(nothing.span)
        let holdsForNone = nothing.span.allWords { _ in false }
        #expect(areEqual && holdsForNone)
    }
}
