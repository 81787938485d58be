// SPDX-License-Identifier: Apache-2.0

/// Reads the small binary files of the store from front to back. What is missing is `nil`, never a trap.
struct ByteReader {
    private let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard count >= 0, count <= bytes.count - offset else { return nil }
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    /// A number of `count` bytes (1 to 7, so that it fits), big endian.
    mutating func number(_ count: Int) -> Int? {
        take(count).map { $0.reduce(0) { $0 << 8 | Int($1) } }
    }

    /// A text behind its length in one byte.
    mutating func text() -> String? {
        guard let count = number(1), let bytes = take(count) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension [UInt8] {
    /// Appends the low `count` bytes of a number that is not negative, big endian.
    mutating func append(number: Int, bytes count: Int) {
        for index in (0..<count).reversed() { append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
    }

    /// Appends a text of at most 255 bytes behind its length.
    mutating func append(counted text: String) {
        let utf8 = text.utf8.prefix(255)
        append(UInt8(utf8.count))
        append(contentsOf: utf8)
    }
}
