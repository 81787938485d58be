// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Money is counted in nano-dollars, whole ones, so that sums are exact.
package enum NanoDollars {
    /// A sum, 0 or more, as a decimal string of dollars without trailing zeros: `0.00015`.
    package static func text(_ nanoDollars: Int64) -> String {
        NanoDollarDigits(nanoDollars).withSpan { String(decoding: $0) }
    }
}

/// The same in place, for what stands on every answer.
package struct NanoDollarDigits {
    // Ten digits at most before the point, nine behind it.
    private var bytes: [24 of UInt8] = .init(repeating: 0)
    private var start: Int
    private var end = 24

    /// - Parameter nanoDollars: 0 or more; what is less counts as 0.
    package init(_ nanoDollars: Int64) {
        var (whole, rest) = UInt64(max(nanoDollars, 0)).quotientAndRemainder(dividingBy: 1_000_000_000)
        start = end
        if rest > 0 {
            for _ in 0..<9 {
                start -= 1
                bytes[start] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            while bytes[end - 1] == UInt8(ascii: "0") { end -= 1 }
            start -= 1
            bytes[start] = UInt8(ascii: ".")
        }
        repeat {
            start -= 1
            bytes[start] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: whole % 10)
            whole /= 10
        } while whole > 0
    }

    /// Lends the characters for the length of `body`.
    package func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(bytes.span.extracting(start..<end))
    }
}
