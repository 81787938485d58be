// SPDX-License-Identifier: Apache-2.0

extension TOMLDateTime {
    /// Reads the four kinds, as RFC 3339 §5.6 has them; nil if this does not begin like a date (`1987-…`) or a time
    /// (`07:…`), so that it must be a number.
    init?(_ bytes: [UInt8]) throws(TOMLError.Reason) {
        let looksLikeDate = bytes.count > 4 && bytes[4] == UInt8(ascii: "-") && bytes[..<4].allSatisfy(Self.isDigit)
        let looksLikeTime = bytes.count > 2 && bytes[2] == UInt8(ascii: ":") && bytes[..<2].allSatisfy(Self.isDigit)
        guard looksLikeDate || looksLikeTime else { return nil }
        var cursor = Cursor(bytes[...])
        guard looksLikeDate else {
            try cursor.readTime()
            try cursor.readEnd()
            self.init(kind: .localTime, text: cursor.text)
            return
        }
        try cursor.readDate()
        guard !cursor.isAtEnd else {
            self.init(kind: .localDate, text: cursor.text)
            return
        }
        try cursor.readSeparator()
        try cursor.readTime()
        let hasOffset = try cursor.readOffset()
        try cursor.readEnd()
        self.init(kind: hasOffset ? .offsetDateTime : .localDateTime, text: cursor.text)
    }

    static func isDigit(_ byte: UInt8) -> Bool {
        UInt8(ascii: "0") <= byte && byte <= UInt8(ascii: "9")
    }
}

/// What is still to be read, and the text as far as it was.
private struct Cursor {
    private var rest: ArraySlice<UInt8>
    private var written: [UInt8] = []

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    var text: String { String(decoding: written, as: UTF8.self) }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func readDate() throws(TOMLError.Reason) {
        let year = try readNumber(digits: 4)
        try read(UInt8(ascii: "-"))
        let month = try readNumber(digits: 2)
        try read(UInt8(ascii: "-"))
        let day = try readNumber(digits: 2)
        guard (1...12).contains(month), 1 <= day, day <= Self.days(month: month, year: year) else {
            throw .dateTimeOutOfRange
        }
    }

    mutating func readTime() throws(TOMLError.Reason) {
        let hour = try readNumber(digits: 2)
        try read(UInt8(ascii: ":"))
        let minute = try readNumber(digits: 2)
        try read(UInt8(ascii: ":"))
        let second = try readNumber(digits: 2)
        // 60 is a leap second (RFC 3339 §5.7).
        guard hour <= 23, minute <= 59, second <= 60 else { throw .dateTimeOutOfRange }
        guard rest.first == UInt8(ascii: ".") else { return }
        try read(UInt8(ascii: "."))
        let fraction = rest.prefix(while: TOMLDateTime.isDigit)
        guard !fraction.isEmpty else { throw .dateTimeMalformed }
        written += fraction
        rest = rest.dropFirst(fraction.count)
    }

    /// Whether there was a `Z` or `+hh:mm`.
    mutating func readOffset() throws(TOMLError.Reason) -> Bool {
        switch rest.first {
        case UInt8(ascii: "Z")?, UInt8(ascii: "z")?:
            written.append(UInt8(ascii: "Z"))
            rest = rest.dropFirst()
        case UInt8(ascii: "+")?, UInt8(ascii: "-")?:
            try read(rest[rest.startIndex])
            let hour = try readNumber(digits: 2)
            try read(UInt8(ascii: ":"))
            let minute = try readNumber(digits: 2)
            guard hour <= 23, minute <= 59 else { throw .dateTimeOutOfRange }
        default:
            return false
        }
        return true
    }

    mutating func readSeparator() throws(TOMLError.Reason) {
        switch rest.first {
        case UInt8(ascii: "T")?, UInt8(ascii: "t")?, UInt8(ascii: " ")?:
            written.append(UInt8(ascii: "T"))
            rest = rest.dropFirst()
        default: throw .dateTimeMalformed
        }
    }

    func readEnd() throws(TOMLError.Reason) {
        guard rest.isEmpty else { throw .dateTimeMalformed }
    }

    private mutating func read(_ byte: UInt8) throws(TOMLError.Reason) {
        guard rest.first == byte else { throw .dateTimeMalformed }
        written.append(byte)
        rest = rest.dropFirst()
    }

    private mutating func readNumber(digits: Int) throws(TOMLError.Reason) -> Int {
        let text = rest.prefix(digits)
        guard text.count == digits, text.allSatisfy(TOMLDateTime.isDigit) else { throw .dateTimeMalformed }
        written += text
        rest = rest.dropFirst(digits)
        return text.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    private static func days(month: Int, year: Int) -> Int {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }
}
