// SPDX-License-Identifier: Apache-2.0

import Core
package import Log

/// Watches the texts of an answer for secrets of this server that a provider deals out over several deltas, where the
/// scrubber of its bytes (`SecretScrubber`, one JSON string at a time) cannot see them (CONTROLS H7).
///
/// Nothing is held back: the delta that would complete a secret is the one that is refused, so a client may have seen
/// its beginning and never has the whole.
package struct EchoWatch: Sendable {
    /// Bytes of earlier deltas that are looked at again with the next one.
    private static let tailBytes = 512

    private enum Channel: Hashable { case text, reasoning, refusal, call(Int) }

    private struct Place: Hashable {
        var choice: Int
        var channel: Channel
    }

    private let needles: SecretNeedles
    private var tails: [Place: [UInt8]] = [:]

    package init(_ needles: SecretNeedles) { self.needles = needles }

    /// The fault that must stand in the place of an event which completes a secret.
    package mutating func check(_ event: ChatEvent) -> Fault? {
        guard !needles.isEmpty else { return nil }
        switch event {
        case .textDelta(let choice, let text): return check(text, Place(choice: choice, channel: .text))
        case .reasoningDelta(let choice, let text): return check(text, Place(choice: choice, channel: .reasoning))
        case .refusalDelta(let choice, let text): return check(text, Place(choice: choice, channel: .refusal))
        case .toolCallArguments(let choice, let index, let text):
            return check(text, Place(choice: choice, channel: .call(index)))
        default: return nil
        }
    }

    private mutating func check(_ text: String, _ place: Place) -> Fault? {
        let window = tails[place, default: []] + text.utf8
        guard needles.scrubbed(window) == window else {
            return Fault(.upstreamError, "The model's provider gave an answer that cannot be passed on.")
        }
        tails[place] = Array(window.suffix(Self.tailBytes))
        return nil
    }
}
