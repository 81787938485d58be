// SPDX-License-Identifier: Apache-2.0

/// Takes secrets out of a stream, piece by piece: what an upstream echoes of our key never reaches a client, however the
/// stream is cut.
///
/// A piece in which nothing is found is given back as it is, without a copy. What may be the beginning of a secret is held
/// until the next piece decides; so a stream ends with `flush`.
package struct SecretScrubber: Sendable {
    private let needles: SecretNeedles
    private var carry: [UInt8] = []
    /// Occurrences replaced so far.
    package private(set) var redactions = 0

    package init(_ needles: SecretNeedles) { self.needles = needles }

    /// The next piece of the stream; gives what can be passed on, which may be empty.
    package mutating func feed(_ bytes: [UInt8]) -> [UInt8] {
        if needles.isEmpty { return bytes }
        return pass(carry.isEmpty ? bytes : carry + bytes, isLast: false)
    }

    /// The stream has ended; gives what was held.
    package mutating func flush() -> [UInt8] {
        if carry.isEmpty { return [] }
        return pass(carry, isLast: true)
    }

    private mutating func pass(_ text: [UInt8], isLast: Bool) -> [UInt8] {
        let findings = needles.find(in: text.span, isLast: isLast)
        carry = findings.heldFrom == text.count ? [] : Array(text[findings.heldFrom...])
        redactions += findings.ranges.count
        return findings.replaced(in: text)
    }
}
