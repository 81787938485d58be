// SPDX-License-Identifier: Apache-2.0

/// Money is counted in nano-dollars, whole ones, so that sums are exact.
package enum NanoDollars {
    /// A sum, 0 or more, as a decimal string of dollars without trailing zeros: `0.00015`.
    package static func text(_ nanoDollars: Int64) -> String {
        let (whole, rest) = nanoDollars.quotientAndRemainder(dividingBy: 1_000_000_000)
        guard rest > 0 else { return String(whole) }
        var digits = String(rest + 1_000_000_000).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(whole).\(digits)"
    }
}
