// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Sets of ASCII characters as 128 bits, so that a test is a shift. They are written as numbers, which costs nothing at
/// run time; a test compares them with the characters.
struct CharacterSet128: Equatable {
    private let low: UInt64
    private let high: UInt64

    @inline(__always)
    init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        guard byte < 128 else { return false }
        return (byte < 64 ? low : high) &>> UInt64(byte & 63) & 1 == 1
    }

    /// `tchar` (RFC 9110 §5.6.2).
    static let token = CharacterSet128(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    /// `pchar` and `/`, without `%` (RFC 3986 §3.3).
    static let path = CharacterSet128(low: 0x2FFF_FFD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFF)
    /// `query`, without `%` (RFC 3986 §3.4).
    static let query = CharacterSet128(low: 0xAFFF_FFD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFF)
    /// The characters of a registered name or IPv4 address that we accept as a host: no `%`, no sub-delims. Every name
    /// that DNS or a hosts file can hold is made of these.
    static let hostName = CharacterSet128(low: 0x03FF_6000_0000_0000, high: 0x07FF_FFFE_87FF_FFFE)
    /// The inside of `[…]`, without a zone (RFC 3986 §3.2.2).
    static let ipLiteral = CharacterSet128(low: 0x07FF_4000_0000_0000, high: 0x0000_007E_0000_007E)
}

/// Bytes of the grammar.
enum Octet {
    static let tab = UInt8(ascii: "\t")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")
    static let colon = UInt8(ascii: ":")
    static let semicolon = UInt8(ascii: ";")
    static let comma = UInt8(ascii: ",")
    static let slash = UInt8(ascii: "/")
    static let percent = UInt8(ascii: "%")
    static let question = UInt8(ascii: "?")
}

extension UInt8 {
    /// What may stand in a field's value: visible characters, space, tab and `obs-text` (RFC 9110 §5.5).
    @inline(__always)
    var isFieldContent: Bool { self >= 0x20 && self != 0x7F || self == Octet.tab }
}

extension SIMD16<Int8> {
    // All of it as vectors: with a number beside them the compiler would compare lane by lane.

    /// Colons.
    @inline(__always)
    var colons: SIMDMask<Self> { self .== Self(repeating: Int8(bitPattern: Octet.colon)) }

    /// Control characters, the tab among them.
    @inline(__always)
    var controls: SIMDMask<Self> {
        // With the top bit turned over, signed numbers are in the order of the bytes.
        ((self ^ Self(repeating: .min)) .< Self(repeating: .min + 0x20)) .| (self .== Self(repeating: 0x7F))
    }
}

extension Span where Element == UInt8 {
    /// The first byte at or behind `start` that `fits`. nil if there is none, or not before the last bytes, fewer than sixteen.
    @inline(__always)
    func firstInBlocks(from start: Int, _ fits: (SIMD16<Int8>) -> SIMDMask<SIMD16<Int8>>) -> Int? {
        guard start >= 0 else { return nil }
        return unsafe withUnsafeBytes { bytes in
            var start = start
            while bytes.count &- start >= 16 {
                // SAFETY: sixteen bytes from `start` on, which is not negative, were found to be in bounds just now.
                let block = unsafe bytes.loadUnaligned(fromByteOffset: start, as: SIMD16<Int8>.self)
                // Two numbers of eight bytes each, which are 0xFF for what fits, and otherwise 0.
                let found = unsafe unsafeBitCast(fits(block), to: SIMD2<UInt64>.self)
                if found[0] != 0 { return start &+ found[0].trailingZeroBitCount &>> 3 }
                if found[1] != 0 { return start &+ 8 &+ found[1].trailingZeroBitCount &>> 3 }
                start &+= 16
            }
            return nil
        }
    }

    /// One or more token characters.
    var isToken: Bool {
        guard !isEmpty else { return false }
        // Nearly all names are of letters, digits and `-`.
        let isPlain = allWords { word in
            ByteWord.areAll(
                word.letters | word.bytes(in: UInt8(ascii: "0"), UInt8(ascii: "9"))
                    | word.bytes(in: UInt8(ascii: "-"), UInt8(ascii: "-")))
        }
        return isPlain || tokenPrefixCount == count
    }

    /// The number of token characters in front of anything else.
    var tokenPrefixCount: Int {
        var index = 0
        while index < count, CharacterSet128.token.contains(self[index]) { index &+= 1 }
        return index
    }

    /// Nothing but what may stand in a field's value.
    var isFieldContent: Bool {
        if allWords({ $0.bytes(in: 0, 0x1F) | $0.bytes(in: 0x7F, 0x7F) == 0 }) { return true }
        for index in 0..<count where !self[index].isFieldContent { return false }
        return true
    }

    /// `range` without spaces and tabs at both ends (`OWS`, RFC 9110 §5.6.3).
    func trimming(_ range: Range<Int>) -> Range<Int> {
        var lower = range.lowerBound
        var upper = range.upperBound
        while lower < upper, self[lower] == Octet.space || self[lower] == Octet.tab { lower += 1 }
        while upper > lower, self[upper - 1] == Octet.space || self[upper - 1] == Octet.tab { upper -= 1 }
        return lower..<upper
    }

    /// Calls `body` with the range of each element of a comma-separated list, trimmed; empty ones are left out
    /// (RFC 9110 §5.6.1).
    func forEachListElement(_ body: (Range<Int>) -> Void) {
        var start = 0
        while start <= count {
            let end = start < count ? firstIndex(of: Octet.comma, from: start) ?? count : count
            let element = trimming(start..<end)
            if !element.isEmpty { body(element) }
            start = end + 1
        }
    }
}
