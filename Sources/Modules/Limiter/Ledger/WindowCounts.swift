// SPDX-License-Identifier: Apache-2.0
//
// What was admitted lately, as it is written down; numbers big endian:
//
//     version     1   1
//     windows         each
//       unit      1   0 requests, 1 tokens, 2 units
//       period    1   0 second, 1 minute, 2 hour, 3 day
//       slots     2   how many
//       slot          each: milliseconds between its end and the writing (8), how many (8)

import Platform

enum WindowCounts {
    private static let version: UInt8 = 1
    /// As their numbers say.
    private static let units: [Rate.Unit] = [.requests, .tokens, .units]
    /// A window has one slot more than granules at most.
    private static let slotsMax = RollingWindow.granulesPerWindow + 1

    static func encode(_ limits: [Limit], at now: Instant) -> [UInt8] {
        var bytes: [UInt8] = [version]
        for limit in limits {
            let (rate, slots) = (limit.rate, limit.window.counted.suffix(slotsMax))
            bytes.append(UInt8(units.firstIndex(of: rate.unit) ?? 0))
            bytes.append(UInt8(Rate.Period.allCases.firstIndex(of: rate.period) ?? 0))
            append(UInt64(slots.count), 2, to: &bytes)
            for slot in slots {
                append(UInt64(clamping: rate.age(of: slot.granule, at: now).clampedMilliseconds), 8, to: &bytes)
                append(UInt64(clamping: slot.count), 8, to: &bytes)
            }
        }
        return bytes
    }

    /// What one window held.
    struct Entry: Equatable {
        let unit: Rate.Unit
        let period: Rate.Period
        var slots: [(age: Duration, count: Int)] = []

        static func == (left: Entry, right: Entry) -> Bool {
            left.unit == right.unit && left.period == right.period
                && left.slots.elementsEqual(right.slots) { $0.age == $1.age && $0.count == $1.count }
        }
    }

    /// `nil` for bytes that ``encode(_:at:)`` does not write.
    static func decode(_ bytes: [UInt8]) -> [Entry]? {
        guard bytes.first == version else { return nil }
        var rest = bytes.dropFirst()
        var entries: [Entry] = []
        while !rest.isEmpty {
            guard let unit = take(1, from: &rest), unit < units.count, let period = take(1, from: &rest),
                period < UInt64(Rate.Period.allCases.count), let count = take(2, from: &rest), count <= slotsMax
            else { return nil }
            var entry = Entry(unit: units[Int(unit)], period: Rate.Period.allCases[Int(period)])
            for _ in 0..<count {
                guard let age = take(8, from: &rest), let units = take(8, from: &rest) else { return nil }
                entry.slots.append((.milliseconds(Int64(clamping: age)), Int(clamping: units)))
            }
            entries.append(entry)
        }
        return entries
    }

    private static func append(_ number: UInt64, _ count: Int, to bytes: inout [UInt8]) {
        for place in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * place))) }
    }

    private static func take(_ count: Int, from bytes: inout ArraySlice<UInt8>) -> UInt64? {
        guard bytes.count >= count else { return nil }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
