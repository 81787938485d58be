// SPDX-License-Identifier: Apache-2.0

/// How often each duration was met, to a sixteenth of its size: what percentiles are read from, and what sums of days and
/// keys are made of, since histograms can be added and percentiles cannot.
///
/// Up to 16 ms each millisecond has a bucket; beyond, each power of two has 16 (the layout of HdrHistogram, hdrhistogram.org).
struct LatencyHistogram: Equatable, Sendable {
    /// Longer ones are counted as this: about seventy minutes.
    static let millisecondsMax = 1 << 22 - 1
    /// Buckets there can be.
    static let bucketsMax = 16 + 18 * 16

    /// Buckets that hold something, in their order.
    private var buckets: [Bucket] = []
    /// Of all durations, as they were before they were counted by bucket.
    private(set) var milliseconds = 0

    private struct Bucket: Equatable, Sendable {
        let index: UInt16
        var count: Int
    }

    var isEmpty: Bool { buckets.isEmpty }
    var count: Int { buckets.reduce(0) { $0.addingClamped($1.count) } }

    mutating func add(milliseconds: Int) {
        let value = min(max(milliseconds, 0), Self.millisecondsMax)
        self.milliseconds = self.milliseconds.addingClamped(value)
        add(UInt16(Self.index(of: value)), 1)
    }

    mutating func add(_ other: LatencyHistogram) {
        milliseconds = milliseconds.addingClamped(other.milliseconds)
        guard !other.buckets.isEmpty else { return }
        guard !buckets.isEmpty else {
            buckets = other.buckets
            return
        }
        for bucket in other.buckets { add(bucket.index, bucket.count) }
    }

    private mutating func add(_ index: UInt16, _ count: Int) {
        var (place, end) = (0, buckets.count)
        while place < end {
            let middle = (place + end) / 2
            if buckets[middle].index < index { place = middle + 1 } else { end = middle }
        }
        if place < buckets.count, buckets[place].index == index {
            buckets[place].count = buckets[place].count.addingClamped(count)
        } else {
            buckets.insert(Bucket(index: index, count: count), at: place)
        }
    }

    /// The middle of the bucket in which that part of all durations ends, in milliseconds; nil where there are none.
    ///
    /// - Parameter part: 0…1.
    func percentile(_ part: Double) -> Int? {
        let total = count
        guard total > 0 else { return nil }
        let rank = min(max(Int((part * Double(total)).rounded(.up)), 1), total)
        var seen = 0
        for bucket in buckets {
            seen = seen.addingClamped(bucket.count)
            if seen >= rank { return Self.middle(of: Int(bucket.index)) }
        }
        return nil
    }

    /// How many were not longer than that, to the width of a bucket.
    func count(upTo milliseconds: Int) -> Int {
        let last = Self.index(of: min(max(milliseconds, 0), Self.millisecondsMax))
        return buckets.prefix { $0.index <= last }.reduce(0) { $0.addingClamped($1.count) }
    }

    // MARK: Buckets

    private static func index(of milliseconds: Int) -> Int {
        guard milliseconds >= 16 else { return milliseconds }
        let power = Int.bitWidth - 1 - milliseconds.leadingZeroBitCount
        return 16 + (power - 4) * 16 + (milliseconds >> (power - 4)) & 15
    }

    private static func middle(of index: Int) -> Int {
        guard index >= 16 else { return index }
        let (power, sixteenth) = ((index - 16) / 16, (index - 16) % 16)
        return (16 + sixteenth) << power + (1 << power) / 2
    }

    // MARK: Bytes

    /// Numbers in LEB128: the sum of all durations, then for each bucket the step from the index before, and its count.
    /// Nothing where there are none.
    var bytes: [UInt8] {
        guard !buckets.isEmpty else { return [] }
        var bytes: [UInt8] = []
        bytes.append(leb128: milliseconds)
        var last = -1
        for bucket in buckets {
            bytes.append(leb128: Int(bucket.index) - last)
            bytes.append(leb128: bucket.count)
            last = Int(bucket.index)
        }
        return bytes
    }

    /// Reads what `bytes` wrote; nil for anything else.
    init?(_ bytes: [UInt8]) {
        var (rest, last) = (bytes[...], -1)
        guard !rest.isEmpty else { return }
        guard let sum = rest.takeLEB128(), !rest.isEmpty else { return nil }
        milliseconds = sum
        while !rest.isEmpty {
            guard let step = rest.takeLEB128(), step > 0, step <= Self.bucketsMax, let count = rest.takeLEB128(),
                count > 0, last + step < Self.bucketsMax
            else { return nil }
            last += step
            buckets.append(Bucket(index: UInt16(last), count: count))
        }
    }

    init() {}
}

extension [UInt8] {
    fileprivate mutating func append(leb128 number: Int) {
        var rest = UInt(bitPattern: number)
        while rest >= 128 {
            append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        append(UInt8(rest))
    }
}

extension ArraySlice<UInt8> {
    /// At most nine bytes, 63 bits.
    fileprivate mutating func takeLEB128() -> Int? {
        var number = 0
        for shift in stride(from: 0, to: 63, by: 7) {
            guard let byte = popFirst() else { return nil }
            number |= Int(byte & 127) << shift
            if byte < 128 { return number }
        }
        return nil
    }
}
