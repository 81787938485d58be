// SPDX-License-Identifier: Apache-2.0

import JSON
import Log

/// Keeps secrets out of the texts of a stream that passes in its provider's own protocol, where they may come a token at a
/// time: no event of such a stream holds the secret, but the client that joins them would.
///
/// Every text of the answer (of each choice or block, of each kind) is a stream of its own. What may be the beginning of a
/// secret is held and goes out with the next event of the same text, at the latest with the one that ends it. An event whose
/// text is not touched passes as it is.
struct FrameScrubber: Sendable {
    /// Where a text stands in an event.
    private enum Member: String {
        case text, content, refusal, reasoningContent = "reasoning_content", reasoning, arguments
        case thinking, partialJSON = "partial_json"
    }

    /// Which text of the answer.
    private struct Text: Hashable {
        let choice: Int
        let member: Member
        /// Of a tool call.
        var call = -1
    }

    let needles: SecretNeedles
    private var scrubbers: [Text: SecretScrubber] = [:]

    init(_ needles: SecretNeedles) {
        self.needles = needles
    }

    /// What to do with an event.
    enum Verdict: Equatable {
        /// It passes as it is.
        case pass
        /// Other data takes the place of its own.
        case replace([UInt8])
        /// It passes, behind events of Anthropic's kind `content_block_delta` with this data.
        case precede([[UInt8]])
    }

    /// Whether some text may have begun a secret.
    var holds: Bool { !scrubbers.isEmpty }

    mutating func scrub(_ document: JSONDocument, isAnthropic: Bool) -> Verdict {
        guard !needles.isEmpty else { return .pass }
        return isAnthropic ? anthropic(document) : openAI(document)
    }

    // MARK: OpenAI: `choices[].delta`, or `choices[].text`

    private static let members: [(name: String, member: Member)] = [
        ("content", .content), ("refusal", .refusal), ("reasoning_content", .reasoningContent),
        ("reasoning", .reasoning),
    ]

    private mutating func openAI(_ document: JSONDocument) -> Verdict {
        guard let choices = document.root["choices"], choices.kind == .array else { return .pass }
        var edit = JSONEdit(document)
        for choice in choices.elements {
            let index = choice["index"]?.int ?? 0
            let isLast = choice["finish_reason"].map { !$0.isNull } ?? false
            if let text = choice["text"] {
                feed(Text(choice: index, member: .text), text, of: choice, isLast: isLast, &edit)
            }
            guard let delta = choice["delta"], delta.kind == .object else { continue }
            for (name, member) in Self.members {
                feed(Text(choice: index, member: member), delta[name], of: delta, isLast: isLast, &edit)
            }
            guard let calls = delta["tool_calls"] else { continue }
            for call in calls.elements {
                guard let function = call["function"], function.kind == .object else { continue }
                let text = Text(choice: index, member: .arguments, call: call["index"]?.int ?? 0)
                feed(text, function["arguments"], of: function, isLast: isLast, &edit)
            }
        }
        return edit.isEmpty ? .pass : .replace(edit.apply())
    }

    /// Takes the next piece of a text from a member of an object, and puts there what may be shown of it.
    private mutating func feed(
        _ text: Text, _ node: JSONNode?, of object: JSONNode, isLast: Bool, _ edit: inout JSONEdit
    ) {
        let piece = node?.string.map { Array($0.utf8) } ?? []
        guard !piece.isEmpty || (isLast && scrubbers[text] != nil) else { return }
        // Most pieces hold nothing that could begin a secret, and follow none that did: nothing need be kept of them.
        if scrubbers[text] == nil, needles.mayPass(piece) { return }
        var shown = scrubbers[text, default: SecretScrubber(needles)].feed(piece)
        if isLast { shown += scrubbers.removeValue(forKey: text)?.flushed() ?? [] }
        guard shown != piece else { return }
        edit.setMember(of: object, text.member.rawValue, .string(String(decoding: shown, as: UTF8.self)))
    }

    // MARK: Anthropic: `content_block_delta` with one text, `content_block_stop`

    private static let deltas = [
        (kind: "text_delta", member: Member.text), (kind: "thinking_delta", member: .thinking),
        (kind: "input_json_delta", member: .partialJSON),
    ]

    private mutating func anthropic(_ document: JSONDocument) -> Verdict {
        let root = document.root
        let index = root["index"]?.int ?? 0
        if root["type"]?.string == "content_block_stop" {
            let held = Self.deltas.compactMap { delta in flush(Text(choice: index, member: delta.member), delta, index)
            }
            return held.isEmpty ? .pass : .precede(held)
        }
        guard let delta = root["delta"], delta.kind == .object else { return .pass }
        var edit = JSONEdit(document)
        for (_, member) in Self.deltas {
            feed(Text(choice: index, member: member), delta[member.rawValue], of: delta, isLast: false, &edit)
        }
        return edit.isEmpty ? .pass : .replace(edit.apply())
    }

    /// The event for what was held of a block's text and turns out to be no secret.
    private mutating func flush(_ text: Text, _ delta: (kind: String, member: Member), _ index: Int) -> [UInt8]? {
        guard let held = scrubbers.removeValue(forKey: text)?.flushed(), !held.isEmpty else { return nil }
        let event: JSONValue = [
            "type": "content_block_delta", "index": .int(index),
            "delta": .object([
                "type": .string(delta.kind), delta.member.rawValue: .string(String(decoding: held, as: UTF8.self)),
            ]),
        ]
        return event.serialized()
    }
}

extension SecretScrubber {
    /// What was held, at the end of the stream.
    fileprivate consuming func flushed() -> [UInt8] {
        var scrubber = self
        return scrubber.flush()
    }
}

extension SecretNeedles {
    /// Whether texts of an event hold nothing that could be of a secret. False for one with escapes, which
    /// ``FrameScrubber/scrub(_:isAnthropic:)`` reads. Only while no text is held there.
    ///
    /// - Parameter texts: their places, or 0.
    func mayPass(_ texts: SIMD8<Int32>, _ view: borrowing JSONView) -> Bool {
        if isEmpty { return true }
        for index in texts.indices where texts[index] > 0 {
            let place = Int(texts[index])
            guard view.kind(of: place) == .string else { continue }
            guard view.withPlainString(place, { mayPass($0) }) ?? false else { return false }
        }
        return true
    }
}
