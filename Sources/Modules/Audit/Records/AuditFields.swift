// SPDX-License-Identifier: Apache-2.0

import Bytes

// The fields of an entry (``AuditEntry``), read where they stand.

extension Span where Element == UInt8 {
    /// Goes through fields in their order, with the places of their values.
    @inline(__always)
    func forEachField(_ body: (_ number: UInt8, _ place: Range<Int>) -> Void) {
        var offset = 0
        while offset &+ 2 <= count {
            let end = Swift.min(offset &+ 2 &+ Int(self[offset &+ 1]), count)
            body(self[offset], offset &+ 2..<end)
            offset = end
        }
    }

    /// The number at a place that `forEachField` gave; one too large for `Int` is its largest.
    func number(at place: Range<Int>) -> Int {
        var number: UInt64 = 0
        for index in place { number = number << 8 | UInt64(self[index]) }
        return Int(clamping: number)
    }

    /// Whether a text stands at a place that `forEachField` gave.
    func isText(at place: Range<Int>, _ text: StaticString) -> Bool { extracting(place).equals(text) }

    /// Those fields alone, one behind the other.
    func fields(_ set: FieldSet) -> [UInt8] {
        var bytes: [UInt8] = []
        forEachField { number, place in
            guard set.contains(number) else { return }
            let field = extracting(place.lowerBound - 2..<place.upperBound)
            bytes.append(addingCapacity: field.count) { $0.append(field) }
        }
        return bytes
    }

    /// Whether ``fields(_:)`` gives these bytes.
    func hasFields(_ set: FieldSet, _ bytes: Span<UInt8>) -> Bool {
        var (offset, place) = (0, 0)
        while offset &+ 2 <= count, self[offset] <= set.last {
            let end = Swift.min(offset &+ 2 &+ Int(self[offset &+ 1]), count)
            if set.contains(self[offset]) {
                let next = place &+ (end &- offset)
                guard next <= bytes.count, extracting(offset..<end).equals(bytes.extracting(place..<next)) else {
                    return false
                }
                place = next
            }
            offset = end
        }
        return place == bytes.count
    }
}

/// Some of the fields that there are.
struct FieldSet: Sendable {
    private let bits: UInt64
    /// The highest of their numbers.
    let last: UInt8

    /// - Precondition: their numbers are below 64.
    init(_ fields: AuditField...) {
        bits = fields.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
        last = fields.reduce(0) { max($0, $1.rawValue) }
    }

    @inline(__always)
    func contains(_ number: UInt8) -> Bool { number < 64 && bits &>> UInt64(number) & 1 == 1 }
}
