// SPDX-License-Identifier: Apache-2.0

import Bytes
import TOML

// Numbers with a unit, and money.

extension ValueKind where Value == Duration {
    /// `500ms 30s 5m 24h 30d`. A duration of the range is in whole milliseconds and below 292 million years.
    package static func duration(in range: ClosedRange<Duration>) -> ValueKind {
        let words = "between \(written(range.lowerBound)) and \(written(range.upperBound))"
        return ValueKind("duration", range: words) { value throws(Complaint) in
            let hint = "durations are written \"500ms\", \"30s\", \"5m\", \"24h\" or \"30d\""
            guard let text = value.string else { throw Complaint("must be a duration, not \(value.kind)", hint: hint) }
            switch Quantity.milliseconds(text) {
            case .malformed: throw Complaint("must be a duration", hint: hint)
            case .overflow: throw Complaint("must be \(words)")
            case .amount(let milliseconds):
                let duration = Duration.milliseconds(milliseconds)
                guard range.contains(duration) else { throw Complaint("must be \(words)") }
                return duration
            }
        } write: {
            quoted(written($0))
        }
    }

    private static func written(_ duration: Duration) -> String {
        let parts = duration.components
        let milliseconds = parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
        return Quantity.write(milliseconds: Int(milliseconds))
    }
}

extension ValueKind where Value == Int {
    /// `512B 64KiB 16MiB 1GiB`, in bytes.
    package static func size(in range: ClosedRange<Int>) -> ValueKind {
        let words =
            "between \(Quantity.write(bytes: range.lowerBound)) and \(Quantity.write(bytes: range.upperBound))"
        return ValueKind("size", range: words) { value throws(Complaint) in
            let hint = "sizes are written \"512B\", \"64KiB\", \"16MiB\" or \"1GiB\""
            guard let text = value.string else { throw Complaint("must be a size, not \(value.kind)", hint: hint) }
            switch Quantity.bytes(text) {
            case .malformed: throw Complaint("must be a size", hint: hint)
            case .overflow: throw Complaint("must be \(words)")
            case .amount(let bytes):
                guard range.contains(bytes) else { throw Complaint("must be \(words)") }
                return bytes
            }
        } write: {
            quoted(Quantity.write(bytes: $0))
        }
    }
}

extension ValueKind where Value == Int64 {
    /// Dollars as a decimal string with up to nine places, in nano-dollars: `"0.15"` is 150 000 000. Exact; a float
    /// would not be.
    package static func money(in range: ClosedRange<Int64>) -> ValueKind {
        let words = "between \(writeMoney(range.lowerBound)) and \(writeMoney(range.upperBound)) dollars"
        return ValueKind("money", range: words) { value throws(Complaint) in
            guard let text = value.string else {
                throw Complaint(
                    "must be an amount of dollars in quotes, not \(value.kind)", hint: "write it as \"0.15\"")
            }
            let parts = text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isASCIIDigit) }) else {
                throw Complaint("must be an amount of dollars", hint: "write it as \"0.15\": digits and one point")
            }
            let places = parts.count > 1 ? parts[1].count : 0
            guard places <= 9 else { throw Complaint("must have at most 9 decimal places (nano-dollars)") }
            let digits = parts.flatMap { Array($0) } + repeatElement(UInt8(ascii: "0"), count: 9 - places)
            guard let amount = Int64(String(decoding: digits, as: UTF8.self)), range.contains(amount) else {
                throw Complaint("must be \(words)")
            }
            return amount
        } write: {
            quoted(writeMoney($0))
        }
    }
}

/// Dollars with at least two places, of an amount that is not negative.
private func writeMoney(_ amount: Int64) -> String {
    let digits = String(amount % 1_000_000_000)
    var places = String(repeating: "0", count: 9 - digits.utf8.count) + digits
    while places.utf8.count > 2, places.hasSuffix("0") { places.removeLast() }
    return "\(amount / 1_000_000_000).\(places)"
}
