// SPDX-License-Identifier: Apache-2.0

import JSON

/// Writes an answer as OpenAI's `chat.completion`, whole or in chunks. Reasoning is given as `reasoning_content`, which
/// OpenAI has no member for and compatible servers agree on.
package struct ChatCompletionWriter: Sendable {
    private let context: AnswerContext
    private let showsUsage: Bool
    private var head: AnswerHead
    private var begun: Set<Int> = []
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
            return begin(0)
        case .textDelta(let choice, let text): return begin(choice) + chunk(choice, ["content": .string(text)])
        case .reasoningDelta(let choice, let text):
            return begin(choice) + chunk(choice, ["reasoning_content": .string(text)])
        case .refusalDelta(let choice, let text): return begin(choice) + chunk(choice, ["refusal": .string(text)])
        case .reasoningSignature, .redactedReasoning: return []
        case .toolCallStarted(let choice, let index, let id, let name):
            let call: JSONValue = [
                "index": .int(index), "id": .string(id), "type": "function",
                "function": ["name": .string(name), "arguments": ""],
            ]
            return begin(choice) + chunk(choice, ["tool_calls": [call]])
        case .toolCallArguments(let choice, let index, let text):
            let call: JSONValue = ["index": .int(index), "function": ["arguments": .string(text)]]
            return chunk(choice, ["tool_calls": [call]])
        case .ran(let run):
            // Not a member of OpenAI's chunk: it stands beside an empty delta, which its readers pass over.
            return begin(0) + chunk(0, [:], precontext: [run.precontext])
        case .finished(let choice, let reason): return begin(choice) + chunk(choice, [:], finish: reason)
        case .usage(let usage):
            self.usage = usage
            return []
        case .failed(let fault):
            isOver = true
            return FaultBody.streamEnd(fault, requestID: context.requestID, isAnthropic: false)
        }
    }

    /// The end of the stream: usage, if it is shown, and the mark.
    package mutating func end() -> [UInt8] {
        guard !isOver else { return [] }
        isOver = true
        guard showsUsage, let usage else { return EventText.done }
        var object = envelope()
        object.append("choices", [])
        object.append("usage", usage.openAI)
        return EventText.data(JSONValue.object(object).serialized()) + EventText.done
    }

    /// The first chunk of a choice names the role, once.
    private mutating func begin(_ choice: Int) -> [UInt8] {
        guard begun.insert(choice).inserted else { return [] }
        return chunk(choice, ["role": "assistant", "content": "", "refusal": .null])
    }

    private func chunk(
        _ choice: Int, _ delta: JSONObject, finish: FinishReason? = nil, precontext: [JSONValue] = []
    ) -> [UInt8] {
        var object = envelope()
        object.append(
            "choices",
            [
                [
                    "index": .int(choice), "delta": .object(delta), "logprobs": .null,
                    "finish_reason": finish.map { .string($0.openAI) } ?? .null,
                ]
            ])
        if showsUsage { object.append("usage", .null) }
        if !precontext.isEmpty { object.append("precontext", .array(precontext)) }
        return EventText.data(JSONValue.object(object).serialized())
    }

    private func envelope() -> JSONObject {
        [
            "id": .string("chatcmpl-\(head.id)"), "object": "chat.completion.chunk", "created": .int(head.created),
            "model": .string(head.model), "system_fingerprint": head.fingerprint.map(JSONValue.string) ?? .null,
        ]
    }

    /// The body of a whole answer.
    package static func whole(_ answer: ChatAnswer, _ context: AnswerContext) -> [UInt8] {
        let head = context.filled(answer.head)
        var body: JSONObject = [
            "id": .string("chatcmpl-\(head.id)"), "object": "chat.completion", "created": .int(head.created),
            "model": .string(head.model),
        ]
        body.append("choices", .array(answer.choices.enumerated().map { choice($1, index: $0) }))
        if let usage = answer.usage { body.append("usage", usage.openAI) }
        body.append("system_fingerprint", head.fingerprint.map(JSONValue.string) ?? .null)
        if !answer.runs.isEmpty { body.append("precontext", .array(answer.runs.map(\.precontext))) }
        return JSONValue.object(body).serialized()
    }

    private static func choice(_ choice: ChatAnswer.Choice, index: Int) -> JSONValue {
        let isSilent = choice.text.isEmpty && (!choice.calls.isEmpty || !choice.refusal.isEmpty)
        var message: JSONObject = ["role": "assistant", "content": isSilent ? .null : .string(choice.text)]
        message.append("refusal", choice.refusal.isEmpty ? .null : .string(choice.refusal))
        if !choice.reasoning.isEmpty { message.append("reasoning_content", .string(choice.reasoning)) }
        if !choice.calls.isEmpty {
            message.append(
                "tool_calls",
                .array(
                    choice.calls.map { call in
                        [
                            "id": .string(call.id), "type": "function",
                            "function": ["name": .string(call.name), "arguments": .string(call.arguments)],
                        ]
                    }))
        }
        message.append("annotations", [])
        return [
            "index": .int(index), "message": .object(message), "logprobs": .null,
            "finish_reason": .string((choice.finish ?? .stop).openAI),
        ]
    }
}

extension TokenUsage {
    /// OpenAI's `usage` of chats and completions.
    var openAI: JSONValue {
        [
            "prompt_tokens": .int(input), "completion_tokens": .int(output), "total_tokens": .int(total),
            "prompt_tokens_details": ["cached_tokens": .int(cacheRead), "audio_tokens": 0],
            "completion_tokens_details": [
                "reasoning_tokens": .int(reasoning), "audio_tokens": 0, "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            ],
        ]
    }
}
