// SPDX-License-Identifier: Apache-2.0

import Bytes
package import JSON

/// Writes a conversation as the body of Anthropic's `POST /v1/messages`.
///
/// System turns are gathered in `system`, wherever they stood. Turns of one side in a row become one, tool results
/// belong to the user's side. Empty texts are left out, which Anthropic refuses. A schema for the answer becomes a tool
/// the model must call (`UpstreamModel.SchemaStyle`): alone it is forced by name; beside other tools any of them must be
/// called, one at a time, so that the model either works on or answers.
package struct AnthropicEncoder {
    private let request: ChatRequest
    private let model: UpstreamModel
    private var system: [JSONValue] = []
    private var turns: [(role: String, blocks: [JSONValue])] = []

    private init(_ request: ChatRequest, _ model: UpstreamModel) {
        self.request = request
        self.model = model
    }

    package static func encode(
        _ request: ChatRequest, for model: UpstreamModel, extras: JSONObject = JSONObject()
    ) throws(Fault) -> UpstreamRequest {
        var encoder = AnthropicEncoder(request, model)
        for message in request.messages {
            do throws(Fault) { try encoder.append(message) } catch { throw error.within(message.path) }
        }
        // What a system says stands beside the messages there, and none is no conversation.
        guard !encoder.turns.isEmpty else {
            throw .invalid("messages", "This model's provider needs a message beside those of the system.")
        }
        return try encoder.body(extras)
    }

    private func body(_ extras: JSONObject) throws(Fault) -> UpstreamRequest {
        let tokensMax = request.outputTokensMax ?? model.outputTokensMax
        var body: JSONObject = ["model": .string(model.name), "max_tokens": .int(tokensMax)]
        if system.count == 1, let text = system[0]["text"] {
            body.append("system", text)
        } else if !system.isEmpty {
            body.append("system", .array(system))
        }
        body.append("messages", .array(turns.map { ["role": .string($0.role), "content": Self.content($0.blocks)] }))
        let sampling = request.sampling
        if let value = sampling.temperature { body.append("temperature", .double(value)) }
        if let value = sampling.topP { body.append("top_p", .double(value)) }
        if let value = sampling.topK { body.append("top_k", .int(value)) }
        if !request.stops.isEmpty { body.append("stop_sequences", .array(request.stops.map(JSONValue.string))) }
        let answerTool = try answerTool()
        tools(answerTool, into: &body)
        output(
            tokensMax, isForced: body["tool_choice"]?["type"].map { $0 != "auto" && $0 != "none" } ?? false, into: &body
        )
        if let user = request.user { body.append("metadata", ["user_id": .string(user)]) }
        if request.isStreamed { body.append("stream", true) }
        for (name, value) in extras.members { body[name] = value }
        return UpstreamRequest(body: JSONValue.object(body).serialized(), answerTool: answerTool?.name)
    }

    /// Reasoning and native schemas. Thinking by budget is incompatible with a forced tool, and must leave room for the
    /// answer in `max_tokens`.
    private func output(_ tokensMax: Int, isForced: Bool, into body: inout JSONObject) {
        var config = JSONObject()
        switch model.reasoning {
        case .none: break
        case .effort:
            switch request.reasoning?.effortOrEquivalent {
            case nil, .some(.none): break
            case .minimal: config.append("effort", "low")
            case let effort?: config.append("effort", .string(effort.rawValue))
            }
        case .budget:
            guard let budget = request.reasoning?.budgetOrEquivalent, !isForced, tokensMax > 1_024 else { break }
            let bounded = Swift.max(1_024, Swift.min(budget, tokensMax / 2))
            body.append("thinking", ["type": "enabled", "budget_tokens": .int(bounded)])
        }
        if model.schemas == .native, case .jsonSchema(let schema) = request.format {
            config.append("format", ["type": "json_schema", "schema": schema.schema])
        }
        if !config.isEmpty { body.append("output_config", .object(config)) }
    }

    // Tools.

    /// The tool that stands for the answer; nil where the client's own tools must be called, or text is wanted.
    private func answerTool() throws(Fault) -> ChatTool? {
        switch request.toolChoice {
        case .required, .named: return nil
        case .automatic, .forbidden: break
        }
        switch request.format {
        case .text: return nil
        case .jsonObject:
            return ChatTool(
                name: unused("json_answer"), description: "Give the answer, a JSON object.",
                parameters: ["type": "object", "additionalProperties": true])
        case .jsonSchema(let schema):
            if model.schemas == .native { return nil }
            guard case .object = schema.schema, schema.schema["type"]?.string ?? "object" == "object" else {
                throw .invalid(
                    "response_format", "The schema must be of an object for this model's provider.")
            }
            return ChatTool(
                name: unused(schema.name), description: schema.description ?? "Give the answer in this form.",
                parameters: schema.schema)
        }
    }

    private func unused(_ name: String) -> String {
        var name = name
        while request.tools.contains(where: { $0.name == name }) { name += "_" }
        return name
    }

    private func tools(_ answerTool: ChatTool?, into body: inout JSONObject) {
        let tools = request.tools + (answerTool.map { [$0] } ?? [])
        guard !tools.isEmpty else { return }
        body.append(
            "tools",
            .array(
                tools.map { tool in
                    var object: JSONObject = ["name": .string(tool.name)]
                    if let description = tool.description { object.append("description", .string(description)) }
                    object.append("input_schema", Self.inputSchema(tool.parameters))
                    // Known to the models that know native schemas; a hint elsewhere.
                    if tool.isStrict == true, model.schemas == .native { object.append("strict", true) }
                    return .object(object)
                }))
        var choice: JSONObject?
        switch (request.toolChoice, answerTool) {
        case (.forbidden, nil): choice = ["type": "none"]
        case (.forbidden, let tool?): choice = ["type": "tool", "name": .string(tool.name)]
        case (.required, _): choice = ["type": "any"]
        case (.named(let name), _): choice = ["type": "tool", "name": .string(name)]
        case (.automatic, let tool?) where request.tools.isEmpty:
            choice = ["type": "tool", "name": .string(tool.name)]
        case (.automatic, .some): choice = ["type": "any", "disable_parallel_tool_use": true]
        case (.automatic, nil): if request.allowsParallelToolCalls == false { choice = ["type": "auto"] }
        }
        if var choice {
            if request.allowsParallelToolCalls == false, choice["type"] != "none" {
                choice["disable_parallel_tool_use"] = true
            }
            body.append("tool_choice", .object(choice))
        }
    }

    private static func inputSchema(_ parameters: JSONValue?) -> JSONValue {
        guard case .object(var schema)? = parameters else { return ["type": "object", "properties": [:]] }
        if schema["type"] == nil { schema["type"] = "object" }
        return .object(schema)
    }

    // Messages.

    private mutating func append(_ message: ChatMessage) throws(Fault) {
        switch message.role {
        case .system, .developer:
            for case .text(let text) in message.parts where !text.isEmpty {
                system.append(["type": "text", "text": .string(text)])
            }
        case .user: add("user", try blocks(message.parts))
        case .assistant: add("assistant", try blocks(message.parts))
        case .tool: add("user", try blocks(message.parts))
        }
    }

    private mutating func add(_ role: String, _ blocks: [JSONValue]) {
        if let last = turns.indices.last, turns[last].role == role {
            turns[last].blocks += blocks
        } else {
            turns.append((role, blocks))
        }
    }

    /// A turn of one text is written as a string.
    private static func content(_ blocks: [JSONValue]) -> JSONValue {
        if blocks.count == 1, blocks[0]["type"] == "text", let text = blocks[0]["text"] { return text }
        return .array(blocks)
    }

    private func blocks(_ parts: [ChatPart]) throws(Fault) -> [JSONValue] {
        var blocks: [JSONValue] = []
        for part in parts {
            if let block = try block(part) { blocks.append(block) }
        }
        guard !blocks.isEmpty else { throw .invalid("content", "Must not be empty for this model's provider.") }
        return blocks
    }

    private func block(_ part: ChatPart) throws(Fault) -> JSONValue? {
        switch part {
        case .text(let text), .refusal(let text):
            return text.isEmpty ? nil : ["type": "text", "text": .string(text)]
        case .image(let media, _): return ["type": "image", "source": try AnthropicMedia.image(media)]
        case .document(let media, let name):
            var block: JSONObject = ["type": "document", "source": try AnthropicMedia.document(media)]
            if let name { block.append("title", .string(name)) }
            return .object(block)
        case .audio: throw .invalid("content", "Audio is not supported by this model's provider.")
        case .thinking(let text, let signature):
            // Without a signature Anthropic refuses it.
            guard let signature else { return nil }
            return ["type": "thinking", "thinking": .string(text), "signature": .string(signature)]
        case .redactedThinking(let data): return ["type": "redacted_thinking", "data": .string(data)]
        case .toolUse(let use):
            return [
                "type": "tool_use", "id": .string(Self.callID(use.id)), "name": .string(use.name),
                "input": try Self.input(use.arguments),
            ]
        case .toolResult(let result): return try toolResult(result)
        }
    }

    private func toolResult(_ result: ToolResult) throws(Fault) -> JSONValue {
        var blocks: [JSONValue] = []
        for part in result.content {
            if let block = try block(part) { blocks.append(block) }
        }
        var object: JSONObject = ["type": "tool_result", "tool_use_id": .string(Self.callID(result.callID))]
        if !blocks.isEmpty { object.append("content", Self.content(blocks)) }
        if result.isError { object.append("is_error", true) }
        return .object(object)
    }

    private static func input(_ arguments: String) throws(Fault) -> JSONValue {
        if arguments.isEmpty { return [:] }
        guard let value = try? JSONValue(parsing: Array(arguments.utf8)), case .object = value else {
            throw .invalid("tool_calls", "The arguments of a call must be a JSON object for this model's provider.")
        }
        return value
    }

    /// Anthropic takes letters, digits, `_` and `-` in the id of a call. Others are replaced, in call and result alike.
    private static func callID(_ id: String) -> String {
        let bytes = id.utf8.map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D: byte
            default: UInt8(ascii: "_")
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Images and documents as Anthropic's sources.
enum AnthropicMedia {
    static func image(_ media: Media) throws(Fault) -> JSONValue {
        switch media {
        case .url(let url): return ["type": "url", "url": .string(url)]
        case .base64(let data, "image/jpg"):
            return ["type": "base64", "media_type": "image/jpeg", "data": .string(data)]
        case .base64(let data, let mediaType):
            guard ["image/jpeg", "image/png", "image/gif", "image/webp"].contains(mediaType) else {
                throw .invalid("content", "An image must be JPEG, PNG, GIF or WebP for this model's provider.")
            }
            return ["type": "base64", "media_type": .string(mediaType), "data": .string(data)]
        case .text: throw .invalid("content", "An image cannot be text.")
        }
    }

    static func document(_ media: Media) throws(Fault) -> JSONValue {
        switch media {
        case .url(let url): return ["type": "url", "url": .string(url)]
        case .text(let text): return ["type": "text", "media_type": "text/plain", "data": .string(text)]
        case .base64(let data, "application/pdf"):
            return ["type": "base64", "media_type": "application/pdf", "data": .string(data)]
        case .base64(let data, let mediaType):
            guard mediaType.hasPrefix("text/"), let bytes = Base64.decode(data),
                let text = String(validating: bytes, as: UTF8.self)
            else { throw .invalid("content", "A document must be PDF or text for this model's provider.") }
            return ["type": "text", "media_type": "text/plain", "data": .string(text)]
        }
    }
}
