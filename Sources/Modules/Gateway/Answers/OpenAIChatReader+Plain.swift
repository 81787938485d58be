// SPDX-License-Identifier: Apache-2.0

import JSON

extension OpenAIChatReader {
    /// How far the stream is; plain figures, of which a copy costs nothing.
    struct Progress: Sendable {
        var hasStarted = false
        var isDone = false
        var openChoices = ChoiceSet()
        var finishedChoices = ChoiceSet()
    }

    /// What a plain chunk of a stream says: of one choice text or an end or nothing, perhaps usage. Nearly every chunk is one.
    struct PlainChunk {
        /// nil where it has none, as with figures alone.
        let choice: Int?
        let finish: FinishReason?
        /// The model, as the first chunk of a stream names it; nil for others.
        let model: String?
        let usage: TokenUsage?
        /// Whether it has the member at all, be it null.
        let hasUsage: Bool
        /// The bytes of a usage that is null, with the comma before it; nil where there is none such.
        let usageCut: Range<Int>?
        /// Bytes of all texts that its events would hold.
        let textBytes: Int
        /// How many of those are not empty.
        let pieces: Int
        /// Where its texts stand, those of the delta and a legacy completion's; 0 for those it has not.
        let texts: SIMD8<Int32>
        /// Which of these is the only one that is not empty; 0 for none or several.
        let onlyText: Int
    }
}

extension OpenAIChatReader.Progress {
    /// Whether an answer is whole that ends here: choices have come, and all have ended.
    var mayEnd: Bool { !isDone && !finishedChoices.isEmpty && openChoices.isEmpty }

    /// The chunk, if it is plain: its events would be a start, texts, an end and usage. nil for any other, which
    /// ``OpenAIChatReader/read(_:)`` makes events of.
    func plainChunk(_ view: borrowing JSONView) -> OpenAIChatReader.PlainChunk? {
        guard !isDone else { return nil }
        let root = view.values(of: Self.rootNames, in: 0)
        guard root[0] == 0 || view.isNull(Int(root[0])), root[1] == 0 || !view.string(Int(root[1]), equals: "error"),
            root[2] > 0, view.kind(of: Int(root[2])) == .array, view.count(of: Int(root[2])) <= 1
        else { return nil }
        var texts = ChunkTexts()
        var choice: Int?
        var finish: FinishReason?
        if view.count(of: Int(root[2])) == 1 {
            let members = view.values(of: Self.choiceNames, in: Int(root[2]) + 1)
            let index = members[0] > 0 ? view.int(Int(members[0])) ?? 0 : 0
            guard (0..<GatewayLimits.choicesMax).contains(index), !finishedChoices.contains(index) else { return nil }
            if members[1] > 0 { guard texts.take(delta: Int(members[1]), view) else { return nil } }
            texts.take(completion: members[2], view)
            if members[3] > 0, let reason = view.string(Int(members[3])) { finish = FinishReason(openAI: reason) }
            choice = index
        }
        return OpenAIChatReader.PlainChunk(
            choice: choice, finish: finish,
            model: hasStarted ? nil : root[4] > 0 ? view.string(Int(root[4])) ?? "" : "",
            usage: root[3] > 0 ? TokenUsage(openAI: view, Int(root[3])) : nil, hasUsage: root[3] > 0,
            usageCut: root[3] > 0 && view.isNull(Int(root[3])) ? view.rangeBehindPrevious(Int(root[3]), in: 0) : nil,
            textBytes: texts.byteCount, pieces: texts.pieces, texts: texts.places,
            onlyText: texts.pieces == 1 ? texts.last : 0)
    }

    /// The texts of a plain chunk.
    private struct ChunkTexts {
        var places = SIMD8<Int32>()
        var byteCount = 0
        var pieces = 0
        /// The last that is not empty.
        var last = 0

        /// - Returns: false for calls, and content in parts, which are for the events.
        mutating func take(delta: Int, _ view: borrowing JSONView) -> Bool {
            places = view.values(of: OpenAIChatReader.Progress.deltaNames, in: delta)
            guard places[4] == 0 || view.count(of: Int(places[4])) == 0,
                places[0] == 0 || view.count(of: Int(places[0])) == 0
            else { return false }
            places[4] = 0
            let hasReasoningContent = places[2] > 0 && view.kind(of: Int(places[2])) == .string
            add(hasReasoningContent ? places[2] : places[3], view)
            add(places[0], view)
            add(places[1], view)
            return true
        }

        /// - Parameter completion: the place of a legacy completion's text, or 0.
        mutating func take(completion: Int32, _ view: borrowing JSONView) {
            places[4] = completion
            add(completion, view)
        }

        private mutating func add(_ place: Int32, _ view: borrowing JSONView) {
            guard place > 0, let count = view.stringByteCount(Int(place)), count > 0 else { return }
            byteCount += count
            pieces += 1
            last = Int(place)
        }
    }

    /// Takes such a chunk, whose events are not asked for.
    mutating func take(_ chunk: OpenAIChatReader.PlainChunk) {
        hasStarted = true
        guard let choice = chunk.choice else { return }
        if chunk.finish == nil {
            openChoices.insert(choice)
        } else {
            openChoices.remove(choice)
            finishedChoices.insert(choice)
        }
    }

    private static let rootNames = MemberNames("error", "object", "choices", "usage", "model")
    private static let choiceNames = MemberNames("index", "delta", "text", "finish_reason")
    private static let deltaNames = MemberNames("content", "refusal", "reasoning_content", "reasoning", "tool_calls")
}

/// Numbers of choices, a bit each.
struct ChoiceSet: Sendable {
    private var bits: UInt128 = 0

    var isEmpty: Bool { bits == 0 }

    /// - Parameter choice: below `GatewayLimits.choicesMax`, which is 128; another is in no set.
    func contains(_ choice: Int) -> Bool { bits & 1 << choice != 0 }
    mutating func insert(_ choice: Int) { bits |= 1 << choice }
    mutating func remove(_ choice: Int) { bits &= ~(1 << choice) }
}
