// SPDX-License-Identifier: Apache-2.0

import Bytes

@testable import HTTP

extension Property {
    /// A Range field gives bytes that are there, and those that a plain reader of its bytes finds. The first byte of the input
    /// tells how many there are, the rest is the field.
    package static let byteRange = Property("ByteRange") { (bytes) throws(Broken) -> Bool in
        var choices = Choices(bytes)
        let count = choices.byte() * 1_000
        let range = ByteRange(String(decoding: choices.rest, as: UTF8.self), count: count)
        try demand(range == plain(Array(choices.rest), count), "a plain reader sees another range")
        guard case .part(let part) = range else { return range == .unsatisfiable }
        try demand(!part.isEmpty && part.lowerBound >= 0 && part.upperBound <= count, "bytes that are not there")
        let again = ByteRange("bytes=\(part.lowerBound)-\(part.upperBound - 1)", count: count)
        try demand(again == range, "written, it is another range")
        return true
    }

    private static func plain(_ field: [UInt8], _ count: Int) -> ByteRange {
        guard field.prefix(6).map(\.asciiLowercased) == Array("bytes=".utf8) else { return .whole }
        let numbers = field.dropFirst(6).split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        let isValid = numbers.allSatisfy { $0.count <= 64 && $0.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } }
        guard numbers.count == 2, isValid, !(numbers[0].isEmpty && numbers[1].isEmpty) else { return .whole }
        // Larger than any count, and small enough to count with.
        let values = numbers.map { min(Int(String(decoding: $0, as: UTF8.self)) ?? 1 << 40, 1 << 40) }
        if numbers[0].isEmpty {
            let start = max(0, count - values[1])
            return start < count ? .part(start..<count) : .unsatisfiable
        }
        if !numbers[1].isEmpty, isLess(numbers[1], numbers[0]) { return .whole }
        let end = numbers[1].isEmpty ? count : min(values[1] + 1, count)
        return values[0] < count ? .part(values[0]..<end) : .unsatisfiable
    }

    /// Numbers of any length, as our reader knows them: what is above `Int.max` is equal to it.
    private static func isLess(_ first: ArraySlice<UInt8>, _ second: ArraySlice<UInt8>) -> Bool {
        (Int(String(decoding: first, as: UTF8.self)) ?? .max) < (Int(String(decoding: second, as: UTF8.self)) ?? .max)
    }
}
