// SPDX-License-Identifier: Apache-2.0

/// Times and sizes as people write them in the configuration and on the command line: digits and one unit, with nothing
/// between them and nothing around them.
package enum Quantity {
    /// What a text says.
    package enum Reading: Equatable, Sendable {
        /// In milliseconds or bytes; never negative.
        case amount(Int)
        /// It has the right form and is past what 64 bits hold.
        case overflow
        case malformed
    }

    private struct Unit {
        let name: String
        let factor: Int
    }

    // The largest first, so that writing finds the shortest.
    private static let times = [
        Unit(name: "d", factor: 86_400_000), Unit(name: "h", factor: 3_600_000), Unit(name: "m", factor: 60_000),
        Unit(name: "s", factor: 1000), Unit(name: "ms", factor: 1),
    ]
    private static let sizes = [
        Unit(name: "GiB", factor: 1 << 30), Unit(name: "MiB", factor: 1 << 20), Unit(name: "KiB", factor: 1 << 10),
        Unit(name: "B", factor: 1),
    ]

    /// `500ms 30s 5m 24h 30d`, in milliseconds.
    package static func milliseconds(_ text: some StringProtocol) -> Reading { read(text, times) }

    /// `512B 64KiB 16MiB 1GiB`, in bytes.
    package static func bytes(_ text: some StringProtocol) -> Reading { read(text, sizes) }

    /// A time in the largest unit that loses nothing.
    package static func write(milliseconds: Int) -> String {
        milliseconds == 0 ? "0s" : write(milliseconds, times, least: "ms")
    }

    /// A size in the largest unit that loses nothing.
    package static func write(bytes: Int) -> String { write(bytes, sizes, least: "B") }

    private static func read(_ text: some StringProtocol, _ units: [Unit]) -> Reading {
        let digits = text.utf8.prefix(while: \.isASCIIDigit)
        let rest = text.utf8.dropFirst(digits.count)
        guard !digits.isEmpty, let unit = units.first(where: { rest.elementsEqual($0.name.utf8) }) else {
            return .malformed
        }
        guard let number = Int(String(decoding: digits, as: UTF8.self)) else { return .overflow }
        let (amount, overflow) = number.multipliedReportingOverflow(by: unit.factor)
        return overflow ? .overflow : .amount(amount)
    }

    private static func write(_ amount: Int, _ units: [Unit], least: String) -> String {
        for unit in units where amount != 0 && amount.isMultiple(of: unit.factor) {
            return "\(amount / unit.factor)\(unit.name)"
        }
        return "\(amount)\(least)"
    }
}
