// SPDX-License-Identifier: Apache-2.0

import Core
import JSON

/// Writes an answer as Anthropic's `message`, whole or as events. Blocks follow one another; the end (`message_delta`,
/// `message_stop`) is written by `end()`, since other providers tell the usage last.
package struct AnthropicMessageWriter: Sendable {
    private enum Block: Equatable { case text, thinking, call(Int) }

    private let context: AnswerContext
    private var head: AnswerHead
    private var hasBegun = false
    private var isOver = false
    private var block: Block?
    private var blockCount = 0
    private var hasRefused = false
    private var usage = TokenUsage()
    private var finish: FinishReason?
    private var runs: [CodeRun] = []

    package init(_ context: AnswerContext) {
        self.context = context
        head = context.filled(nil)
    }

    /// The events of one step. Anthropic's protocol has one choice.
    package mutating func write(_ event: ChatEvent) -> [UInt8] {
        guard !isOver else { return [] }
        switch event {
        case .started(let head):
            self.head = context.filled(head)
            return []
        case .textDelta(0, let text): return begin() + delta(.text, ["type": "text_delta", "text": .string(text)])
        case .refusalDelta(0, let text):
            hasRefused = true
            return begin() + delta(.text, ["type": "text_delta", "text": .string(text)])
        case .reasoningDelta(0, let text):
            return begin() + delta(.thinking, ["type": "thinking_delta", "thinking": .string(text)])
        case .reasoningSignature(0, let text):
            return begin() + delta(.thinking, ["type": "signature_delta", "signature": .string(text)]) + close()
        case .redactedReasoning(0, let data):
            return begin() + close() + open(["type": "redacted_thinking", "data": .string(data)]) + stop()
        case .toolCallStarted(0, let index, let id, let name):
            let events = begin() + close()
            block = .call(index)
            return events + open(["type": "tool_use", "id": .string(id), "name": .string(name), "input": [:]])
        case .toolCallArguments(0, let index, let text):
            // Blocks cannot be reopened. Providers finish a call before the next; one that does not cannot be followed.
            guard block == .call(index) else { return write(.failed(.malformedAnswer)) }
            return delta(.call(index), ["type": "input_json_delta", "partial_json": .string(text)])
        case .ran(let run):
            runs.append(run)
            var call = run.anthropicCall
            call["input"] = [:]
            let input = JSONValue.object(["code": .string(run.code)]).serialized()
            let piece: JSONValue = [
                "type": "input_json_delta", "partial_json": .string(String(decoding: input, as: UTF8.self)),
            ]
            return begin() + close() + open(.object(call))
                + Self.event("content_block_delta", ["index": .int(blockCount - 1), "delta": piece]) + stop()
                + open(.object(run.anthropicResult)) + stop()
        case .finished(0, let reason):
            finish = reason
            return begin()
        case .usage(let usage):
            self.usage = usage
            return []
        case .failed(let fault):
            isOver = true
            return FaultBody.streamEnd(fault, requestID: context.requestID, isAnthropic: true)
        default: return []
        }
    }

    /// The end of the stream.
    package mutating func end() -> [UInt8] {
        guard !isOver else { return [] }
        let events = begin() + close()
        isOver = true
        var last: JSONObject = [
            "type": "message_delta", "delta": .object(Self.stop(finish ?? .stop, hasRefused)),
            "usage": usage.anthropic,
        ]
        if !runs.isEmpty { last.append("precontext", .array(runs.map(\.precontext))) }
        return events + EventText.event("message_delta", JSONValue.object(last).serialized())
            + Self.event("message_stop", [:])
    }

    // Blocks.

    private mutating func begin() -> [UInt8] {
        guard !hasBegun else { return [] }
        hasBegun = true
        var message = Self.envelope(head, content: [])
        message.append("stop_reason", .null)
        message.append("stop_sequence", .null)
        message.append("usage", usage.anthropic)
        return Self.event("message_start", ["message": .object(message)]) + Self.event("ping", [:])
    }

    private mutating func delta(_ kind: Block, _ delta: JSONValue) -> [UInt8] {
        var events: [UInt8] = []
        if block != kind {
            events += close()
            block = kind
            events += open(
                kind == .text ? ["type": "text", "text": ""] : ["type": "thinking", "thinking": "", "signature": ""])
        }
        return events + Self.event("content_block_delta", ["index": .int(blockCount - 1), "delta": delta])
    }

    private mutating func close() -> [UInt8] {
        guard block != nil else { return [] }
        block = nil
        return stop()
    }

    private mutating func open(_ block: JSONValue) -> [UInt8] {
        blockCount += 1
        return Self.event("content_block_start", ["index": .int(blockCount - 1), "content_block": block])
    }

    private func stop() -> [UInt8] {
        Self.event("content_block_stop", ["index": .int(blockCount - 1)])
    }

    private static func event(_ name: String, _ members: JSONObject) -> [UInt8] {
        var object: JSONObject = ["type": .string(name)]
        for (name, value) in members.members { object.append(name, value) }
        return EventText.event(name, JSONValue.object(object).serialized())
    }

    // Both forms.

    private static func envelope(_ head: AnswerHead, content: [JSONValue]) -> JSONObject {
        [
            "id": .string("msg_\(head.id)"), "type": "message", "role": "assistant", "model": .string(head.model),
            "content": .array(content),
        ]
    }

    private static func stop(_ finish: FinishReason, _ hasRefused: Bool) -> JSONObject {
        var sequence: JSONValue = .null
        if case .stop(let text?) = finish { sequence = .string(text) }
        let reason = hasRefused ? FinishReason.contentFilter.anthropic : finish.anthropic
        return ["stop_reason": .string(reason), "stop_sequence": sequence]
    }

    /// The text, with each run where it happened.
    private static func textAndRuns(_ answer: ChatAnswer, _ text: String) -> [JSONValue] {
        var content: [JSONValue] = []
        let bytes = Array(text.utf8)
        var place = 0
        func take(_ end: Int) {
            if end > place {
                content.append(["type": "text", "text": .string(String(decoding: bytes[place..<end], as: UTF8.self))])
            }
            place = max(place, end)
        }
        for (run, end) in zip(answer.runs, answer.textBeforeRuns) {
            take(min(end, bytes.count))
            content += [.object(run.anthropicCall), .object(run.anthropicResult)]
        }
        take(bytes.count)
        return content
    }

    /// The body of a whole answer. Fails where a call's arguments are no JSON object, which the shape demands.
    package static func whole(_ answer: ChatAnswer, _ context: AnswerContext) throws(Fault) -> [UInt8] {
        let choice = answer.choices.first ?? ChatAnswer.Choice()
        var content: [JSONValue] = []
        if !choice.reasoning.isEmpty {
            content.append([
                "type": "thinking", "thinking": .string(choice.reasoning), "signature": .string(choice.signature ?? ""),
            ])
        }
        for data in choice.redacted { content.append(["type": "redacted_thinking", "data": .string(data)]) }
        content += Self.textAndRuns(answer, choice.text + choice.refusal)
        for call in choice.calls {
            let arguments = call.arguments.isEmpty ? "{}" : call.arguments
            guard let input = try? JSONValue(parsing: Array(arguments.utf8), strictness: .rfc8259),
                case .object = input
            else { throw .malformedAnswer }
            content.append([
                "type": "tool_use", "id": .string(call.id), "name": .string(call.name), "input": input,
            ])
        }
        var body = envelope(context.filled(answer.head), content: content)
        for (name, value) in stop(choice.finish ?? .stop, !choice.refusal.isEmpty).members { body.append(name, value) }
        body.append("usage", (answer.usage ?? TokenUsage()).anthropic)
        if !answer.runs.isEmpty { body.append("precontext", .array(answer.runs.map(\.precontext))) }
        return JSONValue.object(body).serialized()
    }
}

extension TokenUsage {
    /// Anthropic's `usage`, where the input is counted without what the cache read or wrote.
    var anthropic: JSONValue {
        [
            "input_tokens": .int(max(input - cacheRead - cacheWrite, 0)),
            "cache_creation_input_tokens": .int(cacheWrite), "cache_read_input_tokens": .int(cacheRead),
            "output_tokens": .int(output),
        ]
    }
}
