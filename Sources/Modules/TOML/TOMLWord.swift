// SPDX-License-Identifier: Apache-2.0

/// A boolean, a number, a date or a time, from its bytes alone.
struct TOMLWord {
    private let bytes: [UInt8]
    private let first: UInt8

    /// `bytes` are not empty, and at most `numberBytesMax`.
    init(_ bytes: [UInt8], _ first: UInt8) {
        self.bytes = bytes
        self.first = first
    }

    func read() throws(TOMLError.Reason) -> TOMLValue.Content {
        switch first {
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            if let dateTime = try TOMLDateTime(bytes) { return .dateTime(dateTime) }
            return try readNumber(sign: nil, digits: bytes[...])
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            return try readNumber(sign: first, digits: bytes.dropFirst())
        default:
            return try readName()
        }
    }

    private func readName() throws(TOMLError.Reason) -> TOMLValue.Content {
        switch String(decoding: bytes, as: UTF8.self) {
        case "true": .boolean(true)
        case "false": .boolean(false)
        case "inf": .float(.infinity)
        case "nan": .float(.nan)
        case let name where ["true", "false", "yes", "no", "on", "off"].contains(name.lowercased()):
            throw .booleanMisspelled
        default: throw .wordUnknown
        }
    }

    private func readNumber(sign: UInt8?, digits: ArraySlice<UInt8>) throws(TOMLError.Reason) -> TOMLValue.Content {
        let isNegative = sign == UInt8(ascii: "-")
        if digits.elementsEqual("inf".utf8) { return .float(isNegative ? -.infinity : .infinity) }
        if digits.elementsEqual("nan".utf8) { return .float(.nan) }
        if sign == nil, digits.count > 1, digits.first == UInt8(ascii: "0"), let base = Self.base(bytes[1]) {
            return .integer(try readInteger(digits.dropFirst(2), base: base, isNegative: false))
        }
        let isFloat = digits.contains { byte in
            byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
        }
        guard !isFloat else { return .float(try readFloat(digits, isNegative: isNegative)) }
        try refuseLeadingZero(digits)
        return .integer(try readInteger(digits, base: 10, isNegative: isNegative))
    }

    private static func base(_ letter: UInt8) -> Int? {
        switch letter {
        case UInt8(ascii: "x"): 16
        case UInt8(ascii: "o"): 8
        case UInt8(ascii: "b"): 2
        default: nil
        }
    }

    // MARK: Integers

    private func readInteger(_ digits: ArraySlice<UInt8>, base: Int, isNegative: Bool) throws(TOMLError.Reason) -> Int {
        var value = 0
        for digit in try plainDigits(digits, base: base) {
            // Counted on the side of its sign, since the least integer has no positive counterpart.
            let (product, overflow) = value.multipliedReportingOverflow(by: base)
            let (sum, overflows) =
                isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
            guard !overflow, !overflows else { throw .integerOverflow }
            value = sum
        }
        return value
    }

    /// The values of at least one digit, where single underscores stand between two.
    private func plainDigits(_ text: ArraySlice<UInt8>, base: Int) throws(TOMLError.Reason) -> [Int] {
        var digits: [Int] = []
        var mayUnderscore = false
        for byte in text {
            if byte == UInt8(ascii: "_") {
                guard mayUnderscore else { throw .numberUnderscore }
                mayUnderscore = false
            } else {
                guard let digit = TOMLParser.digit(byte, base: base) else { throw .numberMalformed }
                digits.append(digit)
                mayUnderscore = true
            }
        }
        guard mayUnderscore else { throw digits.isEmpty ? .numberMalformed : .numberUnderscore }
        return digits
    }

    private func refuseLeadingZero(_ digits: ArraySlice<UInt8>) throws(TOMLError.Reason) {
        guard digits.first == UInt8(ascii: "0"), digits.count > 1 else { return }
        let rest = digits.dropFirst()
        guard rest.allSatisfy({ TOMLParser.digit($0, base: 10) != nil || $0 == UInt8(ascii: "_") }) else {
            throw .numberMalformed
        }
        throw .numberLeadingZero
    }

    // MARK: Floats

    /// `1.5`, `1e9`, `-0.1E+2`: an integer part, then a fraction or an exponent or both, each with digits.
    private func readFloat(_ text: ArraySlice<UInt8>, isNegative: Bool) throws(TOMLError.Reason) -> Double {
        let parts = text.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 | 0x20 == UInt8(ascii: "e") }
        let mantissa = parts[0].split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        try refuseLeadingZero(mantissa[0])
        var plain: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
        plain += Self.ascii(try plainDigits(mantissa[0], base: 10))
        if mantissa.count > 1 {
            plain.append(UInt8(ascii: "."))
            plain += Self.ascii(try plainDigits(mantissa[1], base: 10))
        }
        if parts.count > 1 {
            var exponent = parts[1]
            plain.append(UInt8(ascii: "e"))
            if let sign = exponent.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
                plain.append(sign)
                exponent = exponent.dropFirst()
            }
            plain += Self.ascii(try plainDigits(exponent, base: 10))
        }
        guard let value = Double(String(decoding: plain, as: UTF8.self)) else { throw .numberMalformed }
        guard value.isFinite else { throw .floatOverflow }
        return value
    }

    private static func ascii(_ digits: [Int]) -> [UInt8] {
        digits.map { UInt8(ascii: "0") + UInt8($0) }
    }
}
