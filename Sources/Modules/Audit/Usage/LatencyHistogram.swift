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

    private struct Bucket: Equatable, Sendable {
        let index: UInt16
        var count: Int
    }

    var isEmpty: Bool { buckets.isEmpty }
    var count: Int { buckets.reduce(0) { $0 + $1.count } }

    mutating func add(milliseconds: Int, count: Int = 1) {
        add(UInt16(Self.index(of: min(max(milliseconds, 0), Self.millisecondsMax))), count)
    }

    mutating func add(_ other: LatencyHistogram) {
        guard !buckets.isEmpty else {
            buckets = other.buckets
            return
        }
        for bucket in other.buckets { add(bucket.index, bucket.count) }
    }

    private mutating func add(_ index: UInt16, _ count: Int) {
        let place = buckets.firstIndex { $0.index >= index } ?? buckets.count
        if place < buckets.count, buckets[place].index == index {
            buckets[place].count += count
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
            seen += bucket.count
            if seen >= rank { return Self.middle(of: Int(bucket.index)) }
        }
        return nil
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

    /// The buckets as pairs of numbers in LEB128: steps from index to index, and counts.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
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
    /// At most eight bytes: 56 bits, so that sums of many do not overflow.
    fileprivate mutating func takeLEB128() -> Int? {
        var number = 0
        for shift in stride(from: 0, to: 56, by: 7) {
            guard let byte = popFirst() else { return nil }
            number |= Int(byte & 127) << shift
            if byte < 128 { return number }
        }
        return nil
    }
}
