// SPDX-License-Identifier: Apache-2.0

import JSON

/// Writes an answer as OpenAI's legacy `text_completion`, whole or in chunks. Only text has a place in it.
package struct TextCompletionWriter: Sendable {
    private let context: AnswerContext
    private let showsUsage: Bool
    private var head: AnswerHead
    private var usage: TokenUsage?
    private var isOver = false

    package init(_ context: AnswerContext, showsUsage: Bool) {
        self.context = context
        self.showsUsage = showsUsage
        head = context.filled(nil)
    }

    /// The events of one step.
    package mutating func write(_ event: ChatEvent) -> [UInt8] {
        guard !isOver else { return [] }
        switch event {
        case .started(let head):
            self.head = context.filled(head)
            return []
        case .textDelta(let choice, let text), .refusalDelta(let choice, let text):
            return chunk([Self.choice(text, index: choice, finish: nil)])
        case .finished(let choice, let reason): return chunk([Self.choice("", index: choice, finish: reason)])
        case .usage(let usage):
            self.usage = usage
            return []
        case .failed(let fault):
            isOver = true
            return FaultBody.streamEnd(fault, requestID: context.requestID, isAnthropic: false)
        case .reasoningDelta, .reasoningSignature, .redactedReasoning, .toolCallStarted, .toolCallArguments,
            .ran:
            return []
        }
    }

    /// The end of the stream: usage, if it is shown, and the mark.
    package mutating func end() -> [UInt8] {
        guard !isOver else { return [] }
        isOver = true
        guard showsUsage, let usage else { return EventText.done }
        return chunk([], usage: usage.openAI) + EventText.done
    }

    private func chunk(_ choices: [JSONValue], usage: JSONValue = .null) -> [UInt8] {
        var object = Self.envelope(head, choices)
        if showsUsage { object.append("usage", usage) }
        return EventText.data(JSONValue.object(object).serialized())
    }

    private static func envelope(_ head: AnswerHead, _ choices: [JSONValue]) -> JSONObject {
        [
            "id": .string("cmpl-\(head.id)"), "object": "text_completion", "created": .int(head.created),
            "model": .string(head.model), "choices": .array(choices),
        ]
    }

    private static func choice(_ text: String, index: Int, finish: FinishReason?) -> JSONValue {
        // The legacy list of reasons has no calls.
        let word: JSONValue = finish.map { .string($0 == .toolCalls ? "stop" : $0.openAI) } ?? .null
        return ["text": .string(text), "index": .int(index), "logprobs": .null, "finish_reason": word]
    }

    /// The body of a whole answer.
    package static func whole(_ answer: ChatAnswer, _ context: AnswerContext) -> [UInt8] {
        let choices = answer.choices.enumerated().map { index, choice in
            self.choice(choice.text + choice.refusal, index: index, finish: choice.finish ?? .stop)
        }
        var body = envelope(context.filled(answer.head), choices)
        if let usage = answer.usage { body.append("usage", usage.openAI) }
        return JSONValue.object(body).serialized()
    }
}
