// SPDX-License-Identifier: Apache-2.0

import Core
import JSON

/// Writes an answer as OpenAI's `response`, whole or as `response.*` events with their sequence numbers.
///
/// An answer is a list of items: its reasoning, a message with one part of text or refusal, and calls. Calls stay open
/// until the end, since their arguments may come in turns; anything else ends when another item begins. A stream that
/// fails ends with `response.failed` and then as every OpenAI route does.
package struct ResponsesWriter: Sendable {
    private let context: AnswerContext
    private var object: ResponseObject
    private var sequence = 0
    private var hasBegun = false
    private var isOver = false
    private var byteCount = 0

    package init(_ context: AnswerContext, request: ChatRequest) {
        self.context = context
        object = ResponseObject(request, context.filled(nil))
    }

    /// The events of one step. The protocol has one choice.
    package mutating func write(_ event: ChatEvent) -> [UInt8] {
        guard !isOver else { return [] }
        switch event {
        case .started(let head):
            object.head = context.filled(head)
            return begin()
        case .textDelta(0, let text): return delta(.text, text)
        case .refusalDelta(0, let text): return delta(.refusal, text)
        case .reasoningDelta(0, let text): return delta(.reasoning, text)
        case .toolCallStarted(0, let index, let id, let name):
            return begin() + closeContent() + open(.call(index: index, id: id, name: name))
        case .toolCallArguments(0, let index, let text): return arguments(index, text)
        case .ran(let run): return ran(run)
        case .finished(0, let reason):
            object.finish = reason
            return []
        case .usage(let usage):
            object.usage = usage
            return []
        case .failed(let fault): return fail(fault)
        default: return []
        }
    }

    /// The end of the stream.
    package mutating func end() -> [UInt8] {
        guard !isOver else { return [] }
        var events = begin()
        for index in object.items.indices where object.items[index].isOpen { events += close(index) }
        isOver = true
        return events + self.event("response.\(object.status)", ["response": object.json(isOver: true)])
    }

    /// The body of a whole answer.
    package static func whole(_ events: some Sequence<ChatEvent>, _ context: AnswerContext, request: ChatRequest)
        -> [UInt8]
    {
        var writer = ResponsesWriter(context, request: request)
        for event in events { _ = writer.write(event) }
        _ = writer.end()
        return writer.object.json(isOver: true).serialized()
    }

    // Steps.

    private mutating func begin() -> [UInt8] {
        guard !hasBegun else { return [] }
        hasBegun = true
        let response = object.json(isOver: false)
        return event("response.created", ["response": response])
            + event("response.in_progress", ["response": response])
    }

    private mutating func fail(_ fault: Fault) -> [UInt8] {
        object.fault = fault
        let events = begin() + event("response.failed", ["response": object.json(isOver: true)])
        isOver = true
        return events + FaultBody.streamEnd(fault, requestID: context.requestID, isAnthropic: false)
    }

    private mutating func delta(_ kind: ResponseObject.Item.Kind, _ text: String) -> [UInt8] {
        var events = begin()
        var index = object.items.count - 1
        if index < 0 || object.items[index].kind != kind || !object.items[index].isOpen {
            events += closeContent() + open(kind)
            index = object.items.count - 1
        }
        guard take(text) else { return events + fail(.malformedAnswer) }
        object.items[index].text += text
        var members = place(index, content: true)
        members.append("delta", .string(text))
        if kind == .text { members.append("logprobs", []) }
        return events + event("response.\(Self.name(kind)).delta", members)
    }

    private mutating func arguments(_ call: Int, _ text: String) -> [UInt8] {
        let index = object.items.firstIndex { item in
            if case .call(call, _, _) = item.kind { true } else { false }
        }
        guard let index, object.items[index].isOpen, take(text) else { return fail(.malformedAnswer) }
        object.items[index].text += text
        var members = place(index, content: false)
        members.append("delta", .string(text))
        return event("response.function_call_arguments.delta", members)
    }

    private mutating func open(_ kind: ResponseObject.Item.Kind) -> [UInt8] {
        let index = object.items.count
        let prefix =
            switch kind {
            case .text, .refusal: "msg"
            case .reasoning: "rs"
            case .call: "fc"
            case .run: "ci"
            }
        let item = ResponseObject.Item(kind: kind, id: "\(prefix)_\(context.answerID)\(index)")
        object.items.append(item)
        var events = event(
            "response.output_item.added", ["output_index": .int(index), "item": item.json(isEmpty: true)])
        if let part = item.part {
            var members = place(index, content: true)
            members.append("part", part)
            events += event("response.content_part.added", members)
        }
        return events
    }

    /// A program that was run: all of its events at once, since it is known when it is over.
    private mutating func ran(_ run: CodeRun) -> [UInt8] {
        guard take(run.code), take(run.output + run.errors) else { return begin() + fail(.malformedAnswer) }
        var events = begin() + closeContent() + open(.run(run))
        let index = object.items.count - 1
        let prefix = "response.code_interpreter_call"
        var code = place(index, content: false)
        events += event(prefix + ".in_progress", code)
        code.append("delta", .string(run.code))
        events += event(prefix + "_code.delta", code)
        var whole = place(index, content: false)
        whole.append("code", .string(run.code))
        events += event(prefix + "_code.done", whole)
        events += event(prefix + ".interpreting", place(index, content: false))
        events += event(prefix + ".completed", place(index, content: false))
        return events + close(index)
    }

    /// Ends the item of text, refusal or reasoning that is open.
    private mutating func closeContent() -> [UInt8] {
        guard let index = object.items.lastIndex(where: { $0.isOpen && $0.part != nil }) else { return [] }
        return close(index)
    }

    private mutating func close(_ index: Int) -> [UInt8] {
        let item = object.items[index]
        var events: [UInt8] = []
        if let part = item.part {
            var done = place(index, content: true)
            done.append(item.kind == .refusal ? "refusal" : "text", .string(item.text))
            if item.kind == .text { done.append("logprobs", []) }
            events += event("response.\(Self.name(item.kind)).done", done)
            var members = place(index, content: true)
            members.append("part", part)
            events += event("response.content_part.done", members)
        } else if case .call = item.kind {
            var members = place(index, content: false)
            members.append("arguments", .string(item.arguments))
            events += event("response.function_call_arguments.done", members)
        }
        object.items[index].isOpen = false
        return events
            + event(
                "response.output_item.done", ["output_index": .int(index), "item": object.item(index)])
    }

    // Texts.

    private static func name(_ kind: ResponseObject.Item.Kind) -> String {
        switch kind {
        case .text: "output_text"
        case .refusal: "refusal"
        case .reasoning: "reasoning_text"
        case .call: "function_call_arguments"
        case .run: "code_interpreter_call"
        }
    }

    private func place(_ index: Int, content: Bool) -> JSONObject {
        var members: JSONObject = ["item_id": .string(object.items[index].id), "output_index": .int(index)]
        if content { members.append("content_index", 0) }
        return members
    }

    private mutating func event(_ type: String, _ members: JSONObject) -> [UInt8] {
        var object: JSONObject = ["type": .string(type), "sequence_number": .int(sequence)]
        sequence += 1
        for (name, value) in members.members { object.append(name, value) }
        return EventText.event(type, JSONValue.object(object).serialized())
    }

    /// Counts what is kept for the closing events.
    private mutating func take(_ text: String) -> Bool {
        byteCount += text.utf8.count
        return byteCount <= GatewayLimits.answerBytesMax
    }
}
