// SPDX-License-Identifier: Apache-2.0

import Bytes
import TOML

/// Numbers with a unit, and money.
private struct Unit {
    let name: String
    let factor: Int
}

/// In milliseconds, the largest first.
private let durationUnits = [
    Unit(name: "d", factor: 86_400_000), Unit(name: "h", factor: 3_600_000), Unit(name: "m", factor: 60_000),
    Unit(name: "s", factor: 1000), Unit(name: "ms", factor: 1),
]

/// In bytes, the largest first.
private let sizeUnits = [
    Unit(name: "GiB", factor: 1 << 30), Unit(name: "MiB", factor: 1 << 20), Unit(name: "KiB", factor: 1 << 10),
    Unit(name: "B", factor: 1),
]

extension ValueKind where Value == Duration {
    /// `500ms 30s 5m 24h 30d`. A duration of the range is in whole milliseconds and below 292 million years.
    package static func duration(in range: ClosedRange<Duration>) -> ValueKind {
        let words = "between \(written(range.lowerBound)) and \(written(range.upperBound))"
        return ValueKind("duration", range: words) { value throws(Complaint) in
            let hint = "durations are written \"500ms\", \"30s\", \"5m\", \"24h\" or \"30d\""
            guard let text = value.string else { throw Complaint("must be a duration, not \(value.kind)", hint: hint) }
            switch measure(text, durationUnits) {
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
        return milliseconds == 0 ? "0s" : writeMeasure(Int(milliseconds), durationUnits)
    }
}

extension ValueKind where Value == Int {
    /// `512B 64KiB 16MiB 1GiB`, in bytes.
    package static func size(in range: ClosedRange<Int>) -> ValueKind {
        let words =
            "between \(writeMeasure(range.lowerBound, sizeUnits)) and \(writeMeasure(range.upperBound, sizeUnits))"
        return ValueKind("size", range: words) { value throws(Complaint) in
            let hint = "sizes are written \"512B\", \"64KiB\", \"16MiB\" or \"1GiB\""
            guard let text = value.string else { throw Complaint("must be a size, not \(value.kind)", hint: hint) }
            switch measure(text, sizeUnits) {
            case .malformed: throw Complaint("must be a size", hint: hint)
            case .overflow: throw Complaint("must be \(words)")
            case .amount(let bytes):
                guard range.contains(bytes) else { throw Complaint("must be \(words)") }
                return bytes
            }
        } write: {
            quoted(writeMeasure($0, sizeUnits))
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

// MARK: Text and numbers

private enum Measure {
    case amount(Int), malformed, overflow
}

/// Digits and one of the units, with nothing between them.
private func measure(_ text: String, _ units: [Unit]) -> Measure {
    let digits = text.utf8.prefix(while: \.isASCIIDigit)
    let rest = text.utf8.dropFirst(digits.count)
    guard !digits.isEmpty, let unit = units.first(where: { rest.elementsEqual($0.name.utf8) }) else {
        return .malformed
    }
    guard let number = Int(String(decoding: digits, as: UTF8.self)) else { return .overflow }
    let (amount, overflow) = number.multipliedReportingOverflow(by: unit.factor)
    return overflow ? .overflow : .amount(amount)
}

/// In the largest unit that loses nothing.
private func writeMeasure(_ amount: Int, _ units: [Unit]) -> String {
    for unit in units where amount != 0 && amount.isMultiple(of: unit.factor) {
        return "\(amount / unit.factor)\(unit.name)"
    }
    return "\(amount)\(units.last?.name ?? "")"
}

/// Dollars with at least two places, of an amount that is not negative.
private func writeMoney(_ amount: Int64) -> String {
    let digits = String(amount % 1_000_000_000)
    var places = String(repeating: "0", count: 9 - digits.utf8.count) + digits
    while places.utf8.count > 2, places.hasSuffix("0") { places.removeLast() }
    return "\(amount / 1_000_000_000).\(places)"
}
