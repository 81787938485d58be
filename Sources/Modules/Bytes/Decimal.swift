// SPDX-License-Identifier: Apache-2.0

extension Array where Element == UInt8 {
    /// Appends `number` in decimal digits, with `-` before a negative one.
    package mutating func append(decimal number: Int) {
        if number < 0 { append(UInt8(ascii: "-")) }
        append(decimal: number.magnitude)
    }

    /// Appends `number` in decimal digits.
    package mutating func append(decimal number: UInt) {
        DecimalDigits(magnitude: number).withSpan { append($0) }
    }
}

extension OutputSpan where Element == UInt8 {
    /// Appends `number` in decimal digits; stops the process if there is no room for them.
    package mutating func append(decimal number: Int) {
        let digits = DecimalDigits(number)
        digits.withSpan { append($0) }
    }
}

/// Appends `number` in decimal digits, with `-` before a negative one.
package func appendDecimal(_ number: Int, to bytes: inout [UInt8]) { bytes.append(decimal: number) }

extension Span where Element == UInt8 {
    /// The number these bytes write in decimal digits alone: no sign, no space, at least one digit, leading zeros
    /// allowed (as in `content-length`, RFC 9110 §8.6). Nil for anything else and for what does not fit an `Int`.
    @inlinable package var decimal: Int? {
        guard !isEmpty else { return nil }
        var number = 0
        for index in 0..<count {
            let byte = self[index]
            guard byte.isASCIIDigit else { return nil }
            let (tens, tooMany) = number.multipliedReportingOverflow(by: 10)
            let (sum, tooLarge) = tens.addingReportingOverflow(Int(byte &- 0x30))
            guard !tooMany, !tooLarge else { return nil }
            number = sum
        }
        return number
    }

    /// The number these bytes write in hexadecimal digits alone, of either case and without prefix (as in the size of a
    /// chunk, RFC 9112 §7.1). Nil for anything else and for what does not fit an `Int`.
    @inlinable package var hexadecimal: Int? {
        guard !isEmpty else { return nil }
        var number = 0
        for index in 0..<count {
            guard let digit = self[index].hexDigitValue, number >> 59 == 0 else { return nil }
            number = number << 4 | Int(digit)
        }
        return number
    }
}

/// The digits of a number, with its sign, without a `String` of them.
package struct DecimalDigits {
    // Eight characters each, as they stand in memory. No number has more than 20 digits: there is always room for a sign.
    private var words: [3 of UInt64]
    // The first character that belongs to it.
    private var start: Int

    package init(magnitude: UInt) {
        var (rest, last) = UInt64(magnitude).quotientAndRemainder(dividingBy: 100_000_000)
        words = .init(repeating: 0)
        start = 16
        words[2] = Self.eightDigits(of: last)
        while rest > 0 {
            (rest, last) = rest.quotientAndRemainder(dividingBy: 100_000_000)
            start -= 8
            words[start / 8] = Self.eightDigits(of: last)
        }
        // Without the zeros before it, and with one where it is zero.
        let zeros = (words[start / 8] ^ Self.zeros).trailingZeroBitCount / 8
        start += min(zeros, 7)
    }

    package init(_ number: Int) {
        self.init(magnitude: number.magnitude)
        guard number < 0 else { return }
        start -= 1
        let place = UInt64(start % 8 * 8)
        words[start / 8] = words[start / 8] & ~(0xFF << place) | UInt64(UInt8(ascii: "-")) << place
    }

    private static let zeros: UInt64 = 0x3030_3030_3030_3030

    /// A number below 10^8 in eight digits, the first of them in the lowest byte.
    ///
    /// In three steps, of which each divides all parts of the word at once, multiplying by a fraction whose error is too small
    /// to matter for parts of their size.
    @inline(__always)
    private static func eightDigits(of number: UInt64) -> UInt64 {
        // Two parts below 10,000 in 32 bits each, four below 100 in 16, eight below 10 in 8.
        let fours = number / 10_000 | (number % 10_000) << 32
        let hundreds = (fours &* 10_486) >> 20 & 0x7F_0000_007F
        let twos = hundreds | (fours &- hundreds &* 100) << 16
        let tens = (twos &* 103) >> 10 & 0x000F_000F_000F_000F
        return (tens | (twos &- tens &* 10) << 8) | zeros
    }

    /// Lends the digits for the length of `body`.
    @inline(__always)
    package func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        // Three words of eight bytes lie without gaps.
        body(unsafe Span<UInt8>(_bytes: words.span.bytes).extracting(start..<24))
    }
}
