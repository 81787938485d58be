// SPDX-License-Identifier: Apache-2.0

import Core
import JSON

/// OpenAI's `response` object: what the request said, repeated, and the output so far.
struct ResponseObject: Sendable {
    /// One item of the output.
    struct Item: Sendable {
        enum Kind: Equatable, Sendable {
            case text, refusal, reasoning, call(index: Int, id: String, name: String), run(CodeRun)
        }

        let kind: Kind
        let id: String
        /// The text, the refusal, the reasoning or the call's arguments so far.
        var text = ""
        var isOpen = true

        /// A call without arguments has an empty object of them.
        var arguments: String { text.isEmpty ? "{}" : text }

        /// Its only content part; calls have none.
        var part: JSONValue? {
            switch kind {
            case .text: ["type": "output_text", "text": .string(text), "annotations": [], "logprobs": []]
            case .refusal: ["type": "refusal", "refusal": .string(text)]
            case .reasoning: ["type": "reasoning_text", "text": .string(text)]
            case .call, .run: nil
            }
        }

        /// The item as it stands; `isEmpty` for the moment it is added. `isCut` says that the answer ended before it did.
        func json(isEmpty: Bool = false, isCut: Bool = false) -> JSONValue {
            let status: JSONValue = isCut ? "incomplete" : isOpen ? "in_progress" : "completed"
            let content: JSONValue = .array(isEmpty ? [] : part.map { [$0] } ?? [])
            return switch kind {
            case .text, .refusal:
                [
                    "id": .string(id), "type": "message", "status": status, "role": "assistant", "content": content,
                ]
            case .reasoning: ["id": .string(id), "type": "reasoning", "summary": [], "content": content]
            case .call(_, let callID, let name):
                [
                    "id": .string(id), "type": "function_call", "status": status, "call_id": .string(callID),
                    "name": .string(name), "arguments": .string(isEmpty ? "" : arguments),
                ]
            case .run(let run):
                [
                    "id": .string(id), "type": "code_interpreter_call", "status": status,
                    "code": .string(isEmpty ? "" : run.code), "container_id": .string("cntr_\(id)"),
                    "outputs": isEmpty ? .null : [["type": "logs", "logs": .string(run.output + run.errors)]],
                ]
            }
        }
    }

    let request: ChatRequest
    var head: AnswerHead
    var items: [Item] = []
    var usage: TokenUsage?
    var finish: FinishReason?
    var fault: Fault?

    init(_ request: ChatRequest, _ head: AnswerHead) {
        self.request = request
        self.head = head
    }

    /// `isOver` tells an answer that has ended from one under way.
    func json(isOver: Bool) -> JSONValue {
        var object: JSONObject = [
            "id": .string("resp_\(head.id)"), "object": "response", "created_at": .int(head.created),
            "status": .string(isOver ? status : "in_progress"), "background": false,
        ]
        object.append("error", fault.map(Self.error) ?? .null)
        object.append("incomplete_details", isOver ? incompleteDetails : .null)
        object.append("instructions", instructions)
        object.append("max_output_tokens", request.outputTokensMax.map(JSONValue.int) ?? .null)
        object.append("model", .string(head.model))
        object.append("output", .array(isOver ? items.indices.map(item) : []))
        object.append("parallel_tool_calls", .bool(request.allowsParallelToolCalls ?? true))
        object.append("previous_response_id", .null)
        object.append(
            "reasoning",
            ["effort": request.reasoning?.effort.map { .string($0.rawValue) } ?? .null, "summary": .null])
        object.append("store", false)
        object.append("temperature", .double(request.sampling.temperature ?? 1))
        object.append("text", ["format": format])
        object.append("tool_choice", toolChoice)
        object.append("tools", .array(request.tools.map(Self.tool)))
        object.append("top_p", .double(request.sampling.topP ?? 1))
        object.append("truncation", "disabled")
        object.append("usage", isOver ? usage.map(\.responses) ?? .null : .null)
        object.append("user", request.user.map(JSONValue.string) ?? .null)
        object.append("metadata", .object(request.metadata))
        let runs = items.compactMap { item in
            if case .run(let run) = item.kind { run.precontext } else { nil }
        }
        if isOver, !runs.isEmpty { object.append("precontext", .array(runs)) }
        return .object(object)
    }

    /// An item as it stands. What is cut is the last one, and what is still open when the answer is over.
    func item(_ index: Int) -> JSONValue {
        let isLast = index == items.count - 1 && status == "incomplete"
        return items[index].json(isCut: isLast || (items[index].isOpen && fault != nil))
    }

    /// Why the answer is over, as the last event is called too.
    var status: String {
        if fault != nil { return "failed" }
        return switch finish {
        case .length, .contentFilter: "incomplete"
        default: "completed"
        }
    }

    private var incompleteDetails: JSONValue {
        switch finish {
        case .length: ["reason": "max_output_tokens"]
        case .contentFilter: ["reason": "content_filter"]
        default: .null
        }
    }

    private var instructions: JSONValue {
        guard let first = request.messages.first, first.path == "instructions" else { return .null }
        // The client's own words: a node's prompt is for the model, and whoever may chat with a node may not read it.
        return NodePrompt.removed(request.nodePrompt, from: first.text).map(JSONValue.string) ?? .null
    }

    private var format: JSONValue {
        switch request.format {
        case .text: ["type": "text"]
        case .jsonObject: ["type": "json_object"]
        case .jsonSchema(let schema):
            [
                "type": "json_schema", "name": .string(schema.name),
                "description": schema.description.map(JSONValue.string) ?? .null, "schema": schema.schema,
                "strict": .bool(schema.isStrict),
            ]
        }
    }

    private var toolChoice: JSONValue {
        switch request.toolChoice {
        case .automatic: "auto"
        case .forbidden: "none"
        case .required: "required"
        case .named(let name): ["type": "function", "name": .string(name)]
        }
    }

    private static func tool(_ tool: ChatTool) -> JSONValue {
        if tool.description == InterpreterTool.description, tool.name == InterpreterTool.openAIType {
            return InterpreterTool.asClientsName(.responses) ?? .null
        }
        return [
            "type": "function", "name": .string(tool.name),
            "description": tool.description.map(JSONValue.string) ?? .null, "parameters": tool.parameters ?? .null,
            "strict": tool.isStrict.map(JSONValue.bool) ?? .null,
        ]
    }

    /// The codes of a response's error are a list of OpenAI's own.
    private static func error(_ fault: Fault) -> JSONValue {
        let code = fault.code == .rateLimitExceeded ? "rate_limit_exceeded" : "server_error"
        return ["code": .string(code), "message": .string(fault.message)]
    }
}

extension TokenUsage {
    /// OpenAI's `usage` of responses.
    var responses: JSONValue {
        [
            "input_tokens": .int(input),
            "input_tokens_details": ["cached_tokens": .int(cacheRead), "cache_write_tokens": .int(cacheWrite)],
            "output_tokens": .int(output), "output_tokens_details": ["reasoning_tokens": .int(reasoning)],
            "total_tokens": .int(total),
        ]
    }
}
