// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A JSON number as an exact decimal: ± digits × 10^exponent, with neither leading nor trailing zeros among the digits.
/// `1`, `1.0` and `10e-1` are one value here, and no double rounds on the way.
struct JSONDecimal: Hashable, Sendable {
    let isNegative: Bool
    /// 0…9 each, the most significant first; empty for zero.
    let digits: [UInt8]
    let exponent: Int

    /// Exponents beyond this are taken for it: no two numbers that anybody wrote on purpose come together so.
    private static let exponentMax = 1 << 40

    /// - Parameter number: its text is in the grammar of JSON, or zero is read.
    init(_ number: JSONNumber) {
        var digits: [UInt8] = []
        var exponent = 0
        var isNegative = false
        var isBehindPoint = false
        var rest = number.text.utf8[...]
        if rest.first == UInt8(ascii: "-") {
            isNegative = true
            rest.removeFirst()
        }
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: ".") {
                isBehindPoint = true
            } else if byte | 0x20 == UInt8(ascii: "e") {
                exponent += JSONDecimal.exponent(rest)
                break
            } else {
                if isBehindPoint { exponent -= 1 }
                if byte != 0x30 || !digits.isEmpty { digits.append(byte &- 0x30) }
            }
        }
        while digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        self.isNegative = isNegative && !digits.isEmpty
        self.exponent = digits.isEmpty ? 0 : exponent
        self.digits = digits
    }

    private static func exponent(_ text: Substring.UTF8View) -> Int {
        let isNegative = text.first == UInt8(ascii: "-")
        var number = 0
        for byte in text where byte.isASCIIDigit { number = min(number * 10 + Int(byte &- 0x30), exponentMax) }
        return isNegative ? -number : number
    }

    /// True if there is nothing behind the decimal point.
    var isInteger: Bool { exponent >= 0 }

    /// The number, if it is an integer that fits.
    var int: Int? {
        guard isInteger, digits.count + exponent <= 19 else { return nil }
        let text = digits.map { String($0) }.joined() + String(repeating: "0", count: exponent)
        return digits.isEmpty ? 0 : Int((isNegative ? "-" : "") + text)
    }

    /// True if the number is `divisor` times an integer, computed without rounding.
    ///
    /// - Parameter divisor: its digits fit 18 places; else the answer is false.
    func isMultiple(of divisor: JSONDecimal) -> Bool {
        guard !digits.isEmpty else { return true }
        // Digits do not end in zero, so a divisor with more zeros behind them cannot divide.
        guard let modulus = divisor.modulus, exponent >= divisor.exponent else { return false }
        var rest: UInt64 = 0
        for digit in digits { rest = (JSONDecimal.product(rest, 10, modulo: modulus) + UInt64(digit)) % modulus }
        return JSONDecimal.product(
            rest, JSONDecimal.powerOfTen(exponent - divisor.exponent, modulo: modulus), modulo: modulus) == 0
    }

    /// The digits as a number of at most 18 places; nil for zero and for more.
    var modulus: UInt64? {
        guard (1...18).contains(digits.count) else { return nil }
        return digits.reduce(0) { $0 * 10 + UInt64($1) }
    }

    private static func product(_ first: UInt64, _ second: UInt64, modulo modulus: UInt64) -> UInt64 {
        // The high half is below the modulus, as both factors are reduced.
        let full = (first % modulus).multipliedFullWidth(by: second % modulus)
        return modulus.dividingFullWidth(full).remainder
    }

    private static func powerOfTen(_ exponent: Int, modulo modulus: UInt64) -> UInt64 {
        var power = 1 % modulus
        var base = 10 % modulus
        var rest = exponent
        while rest > 0 {
            if rest & 1 == 1 { power = product(power, base, modulo: modulus) }
            base = product(base, base, modulo: modulus)
            rest >>= 1
        }
        return power
    }
}

extension JSONDecimal: Comparable {
    static func < (first: JSONDecimal, second: JSONDecimal) -> Bool {
        if first.isNegative != second.isNegative { return first.isNegative }
        return first.isNegative
            ? isSmaller(magnitude: second, than: first) : isSmaller(magnitude: first, than: second)
    }

    private static func isSmaller(magnitude first: JSONDecimal, than second: JSONDecimal) -> Bool {
        if first.digits.isEmpty || second.digits.isEmpty { return first.digits.isEmpty && !second.digits.isEmpty }
        let (firstPlaces, secondPlaces) = (first.digits.count + first.exponent, second.digits.count + second.exponent)
        guard firstPlaces == secondPlaces else { return firstPlaces < secondPlaces }
        // Neither ends in zero, so of two beginnings alike the longer is the larger.
        return first.digits.lexicographicallyPrecedes(second.digits)
    }
}
