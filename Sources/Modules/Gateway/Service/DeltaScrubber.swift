// SPDX-License-Identifier: Apache-2.0

import Log

/// Keeps secrets out of an answer's text when they come in pieces: an upstream that echoes a key token by token never has
/// it whole in any of its events, so a search of its bytes finds nothing.
///
/// Each kind of text of each choice is a stream of its own. What may be the beginning of a secret is held until the next
/// piece of the same stream decides, at the latest until its end.
struct DeltaScrubber {
    private enum Stream: Hashable {
        case text(Int)
        case reasoning(Int)
        case refusal(Int)
        case arguments(Int, Int)
    }

    private let needles: SecretNeedles
    private var scrubbers: [Stream: SecretScrubber] = [:]

    init(_ needles: SecretNeedles) {
        self.needles = needles
    }

    /// The event as it may be shown, after what was held and must come before it.
    mutating func scrub(_ event: ChatEvent) -> [ChatEvent] {
        switch event {
        case .textDelta(let choice, let text):
            feed(.text(choice), text).map { [.textDelta(choice: choice, $0)] } ?? []
        case .reasoningDelta(let choice, let text):
            feed(.reasoning(choice), text).map { [.reasoningDelta(choice: choice, $0)] } ?? []
        case .refusalDelta(let choice, let text):
            feed(.refusal(choice), text).map { [.refusalDelta(choice: choice, $0)] } ?? []
        case .toolCallArguments(let choice, let index, let text):
            feed(.arguments(choice, index), text).map { [.toolCallArguments(choice: choice, index: index, $0)] } ?? []
        case .finished(let choice, _):
            flush(choice) + [event]
        case .toolCallStarted(let choice, let index, let id, let name):
            flush(choice) + [
                .toolCallStarted(
                    choice: choice, index: index, id: needles.scrubbed(id), name: needles.scrubbed(name))
            ]
        case .started, .reasoningSignature, .redactedReasoning, .ran, .usage, .failed:
            [event]
        }
    }

    /// `nil` if all of it is held.
    private mutating func feed(_ stream: Stream, _ text: String) -> String? {
        let released = scrubbers[stream, default: SecretScrubber(needles)].feed(Array(text.utf8))
        return released.isEmpty && !text.isEmpty ? nil : String(decoding: released, as: UTF8.self)
    }

    /// What is held of a choice, which turns out to be no secret.
    private mutating func flush(_ choice: Int) -> [ChatEvent] {
        var events: [ChatEvent] = []
        for (stream, var scrubber) in scrubbers {
            let text = String(decoding: scrubber.flush(), as: UTF8.self)
            switch stream {
            case .text(choice): if !text.isEmpty { events.append(.textDelta(choice: choice, text)) }
            case .reasoning(choice): if !text.isEmpty { events.append(.reasoningDelta(choice: choice, text)) }
            case .refusal(choice): if !text.isEmpty { events.append(.refusalDelta(choice: choice, text)) }
            case .arguments(choice, let index):
                if !text.isEmpty { events.append(.toolCallArguments(choice: choice, index: index, text)) }
            default: continue
            }
            scrubbers[stream] = nil
        }
        return events
    }
}
