// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A number as it was written: its text is kept, so that nothing is lost between reading and writing it.
///
/// Two numbers are equal if their texts are: 1, 1.0 and 1e0 are three.
package struct JSONNumber: Hashable, Sendable {
    /// The number in the grammar of RFC 8259 §6.
    package let text: String

    package init(_ number: Int) { text = String(number) }

    /// The shortest text that reads back as `number`. JSON has no infinities and no NaN (RFC 8259 §6): infinities
    /// become the largest finite numbers, NaN becomes 0.
    package init(_ number: Double) {
        let finite = min(max(number, -.greatestFiniteMagnitude), .greatestFiniteMagnitude)
        text = number.isNaN ? "0" : finite.description
    }

    /// Bytes that the scanner has accepted as a number.
    init(scanned bytes: Span<UInt8>) { text = String(decoding: bytes) }

    /// The number if it is written as an integer (no fraction, no exponent) and fits; else nil. `1.0` is not an
    /// integer here, as some readers take it for one and others do not.
    package var int: Int? { Int(text) }

    /// The nearest double; nil if the number is beyond the range of one.
    package var double: Double? { Double(text).flatMap { $0.isFinite ? $0 : nil } }

    /// The nearest double of a number that the scanner has accepted; nil if it is beyond the range of one.
    static func double(_ bytes: Span<UInt8>) -> Double? {
        if let double = short(bytes) { return double }
        return Double(String(decoding: bytes)).flatMap { $0.isFinite ? $0 : nil }
    }

    /// The nearest double of a number of few digits and without an exponent, as people write them: digits below 2^53 and a
    /// power of ten up to 10^22 are both doubles, and their quotient is rounded once (Clinger, "How to Read Floating Point
    /// Numbers Accurately", 1990). nil for any other.
    private static func short(_ bytes: Span<UInt8>) -> Double? {
        guard bytes.count <= 16 else { return nil }
        var (digits, fraction, isFraction) = (0, 0, false)
        let isNegative = bytes.count > 0 && bytes[0] == UInt8(ascii: "-")
        for index in (isNegative ? 1 : 0)..<bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: ".") {
                isFraction = true
            } else if byte.isASCIIDigit {
                // Fifteen digits at most, with the point.
                digits = digits &* 10 &+ Int(byte &- 0x30)
                if isFraction { fraction &+= 1 }
            } else {
                return nil
            }
        }
        guard digits < 1 << 53, fraction < powersOfTen.count else { return nil }
        let double = Double(digits) / powersOfTen[fraction]
        return isNegative ? -double : double
    }

    private static let powersOfTen: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ]

    /// The number of an entry that is an integer; nil if it does not fit.
    static func int(_ bytes: Span<UInt8>) -> Int? {
        let isNegative = bytes.count > 0 && bytes[0] == UInt8(ascii: "-")
        // Counts: eighteen digits always fit.
        if bytes.count <= 18 {
            var number = 0
            for index in (isNegative ? 1 : 0)..<bytes.count { number = number &* 10 &+ Int(bytes[index] &- 0x30) }
            return isNegative ? -number : number
        }
        return longInt(bytes, isNegative: isNegative)
    }

    @inline(never)
    private static func longInt(_ bytes: Span<UInt8>, isNegative: Bool) -> Int? {
        var number = 0
        for index in (isNegative ? 1 : 0)..<bytes.count {
            let digit = Int(bytes[index] &- 0x30)
            let (tens, tooMany) = number.multipliedReportingOverflow(by: 10)
            let (sum, tooLarge) =
                isNegative ? tens.subtractingReportingOverflow(digit) : tens.addingReportingOverflow(digit)
            guard !tooMany, !tooLarge else { return nil }
            number = sum
        }
        return number
    }
}

extension JSONNumber: CustomStringConvertible {
    package var description: String { text }
}
