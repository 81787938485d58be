// SPDX-License-Identifier: Apache-2.0

/// Bytes that one of our processes writes and another reads: little-endian words of 64 bits, and texts with their length
/// before them.
struct WordWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ word: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word &>> shift)) }
    }

    mutating func append(_ number: Int) { append(UInt64(bitPattern: Int64(number))) }

    mutating func append(_ text: [UInt8]) {
        append(text.count)
        bytes += text
    }

    mutating func append(_ texts: [[UInt8]]) {
        append(texts.count)
        for text in texts { append(text) }
    }
}

/// Reads what `WordWriter` wrote. Everything is compared before it is believed: what comes out of a box was written by a
/// process that shares it with the program.
struct WordReader {
    /// It ends too early, or says what cannot be.
    struct Malformed: Error {}

    private let bytes: [UInt8]
    private(set) var place = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func word() throws(Malformed) -> UInt64 {
        guard bytes.count - place >= 8 else { throw Malformed() }
        var word: UInt64 = 0
        for index in 0..<8 { word |= UInt64(bytes[place + index]) &<< (8 * UInt64(index)) }
        place += 8
        return word
    }

    mutating func number(max most: Int = .max) throws(Malformed) -> Int {
        guard let number = Int(exactly: Int64(bitPattern: try word())), number >= 0, number <= most else {
            throw Malformed()
        }
        return number
    }

    mutating func text(max most: Int) throws(Malformed) -> [UInt8] {
        let count = try number(max: most)
        guard bytes.count - place >= count else { throw Malformed() }
        defer { place += count }
        return Array(bytes[place..<place + count])
    }

    mutating func texts(max most: Int, bytesMax: Int) throws(Malformed) -> [[UInt8]] {
        var texts: [[UInt8]] = []
        for _ in 0..<(try number(max: most)) { texts.append(try text(max: bytesMax)) }
        return texts
    }
}
