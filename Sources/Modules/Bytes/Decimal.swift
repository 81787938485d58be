// SPDX-License-Identifier: Apache-2.0

extension Array where Element == UInt8 {
    /// Appends `number` in decimal digits, with `-` before a negative one.
    @inlinable package mutating func append(decimal number: Int) {
        if number < 0 { append(UInt8(ascii: "-")) }
        append(decimal: number.magnitude)
    }

    /// Appends `number` in decimal digits.
    @inlinable package mutating func append(decimal number: UInt) {
        guard number >= 10 else { return append(0x30 &+ UInt8(truncatingIfNeeded: number)) }
        let first = count
        var rest = number
        while rest > 0 {
            append(0x30 &+ UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        }
        self[first...].reverse()
    }
}

/// Appends `number` in decimal digits, with `-` before a negative one.
@inlinable package func appendDecimal(_ number: Int, to bytes: inout [UInt8]) { bytes.append(decimal: number) }

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
