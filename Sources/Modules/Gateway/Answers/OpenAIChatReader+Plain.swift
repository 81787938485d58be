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

    /// What a plain chunk of a stream says: one choice, text or an end or nothing, perhaps usage. Nearly every chunk is one.
    struct PlainChunk {
        let choice: Int
        let finish: FinishReason?
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
    }
}

extension OpenAIChatReader.Progress {
    /// Whether chunks may come.
    var isUnderWay: Bool { hasStarted && !isDone }

    /// The chunk, if it is plain: its events would be texts, an end and usage. nil for any other, which
    /// ``OpenAIChatReader/read(_:)`` makes events of.
    func plainChunk(_ view: borrowing JSONView) -> OpenAIChatReader.PlainChunk? {
        guard isUnderWay else { return nil }
        let root = view.values(of: Self.rootNames, in: 0)
        guard root[0] == 0 || view.isNull(Int(root[0])), root[1] == 0 || !view.string(Int(root[1]), equals: "error"),
            root[2] > 0, view.kind(of: Int(root[2])) == .array, view.count(of: Int(root[2])) == 1
        else { return nil }
        let choice = Int(root[2]) + 1
        let members = view.values(of: Self.choiceNames, in: choice)
        let index = members[0] > 0 ? view.int(Int(members[0])) ?? 0 : 0
        guard (0..<GatewayLimits.choicesMax).contains(index), !finishedChoices.contains(index) else { return nil }
        var texts = SIMD8<Int32>()
        var (textBytes, pieces) = (0, 0)
        func add(_ count: Int?) {
            guard let count, count > 0 else { return }
            textBytes += count
            pieces += 1
        }
        if members[1] > 0 {
            texts = view.values(of: Self.deltaNames, in: Int(members[1]))
            // Calls, and content in parts, are for the events.
            guard texts[4] == 0 || view.count(of: Int(texts[4])) == 0,
                texts[0] == 0 || view.count(of: Int(texts[0])) == 0
            else { return nil }
            texts[4] = 0
            let reasoning = texts[2] > 0 ? view.stringByteCount(Int(texts[2])) : nil
            add(reasoning ?? (texts[3] > 0 ? view.stringByteCount(Int(texts[3])) : nil))
            if texts[0] > 0 { add(view.stringByteCount(Int(texts[0]))) }
            if texts[1] > 0 { add(view.stringByteCount(Int(texts[1]))) }
        }
        texts[4] = members[2]
        if members[2] > 0 { add(view.stringByteCount(Int(members[2]))) }
        var finish: FinishReason?
        if members[3] > 0, let reason = view.string(Int(members[3])) { finish = FinishReason(openAI: reason) }
        return OpenAIChatReader.PlainChunk(
            choice: index, finish: finish, usage: root[3] > 0 ? TokenUsage(openAI: view, Int(root[3])) : nil,
            hasUsage: root[3] > 0,
            usageCut: root[3] > 0 && view.isNull(Int(root[3])) ? view.rangeBehindPrevious(Int(root[3]), in: 0) : nil,
            textBytes: textBytes, pieces: pieces, texts: texts)
    }

    /// Takes such a chunk, whose events are not asked for.
    mutating func take(_ chunk: OpenAIChatReader.PlainChunk) {
        if chunk.finish == nil {
            openChoices.insert(chunk.choice)
        } else {
            openChoices.remove(chunk.choice)
            finishedChoices.insert(chunk.choice)
        }
    }

    private static let rootNames = MemberNames("error", "object", "choices", "usage")
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
