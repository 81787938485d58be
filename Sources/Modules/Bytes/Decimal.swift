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
    private var bytes: [20 of UInt8] = .init(repeating: 0)
    private var start = 20

    package init(magnitude: UInt) {
        var rest = magnitude
        repeat {
            start -= 1
            bytes[start] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
    }

    package init(_ number: Int) {
        self.init(magnitude: number.magnitude)
        guard number < 0 else { return }
        start -= 1
        bytes[start] = UInt8(ascii: "-")
    }

    /// Lends the digits for the length of `body`.
    package func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(bytes.span.extracting(start..<20))
    }
}
