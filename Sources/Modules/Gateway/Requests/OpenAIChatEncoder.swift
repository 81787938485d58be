// SPDX-License-Identifier: Apache-2.0

package import JSON

/// Writes a conversation as the body of an OpenAI-compatible `POST …/chat/completions`. Usage is always asked for, and
/// storing always declined.
///
/// What has no counterpart there: thinking of earlier turns (another provider's, opaque) is left out; the mark of a failed
/// tool becomes the word `Error:` before its text; images in a tool's result follow it as a user's turn, since tool turns
/// hold text only.
package enum OpenAIChatEncoder {
    package static func encode(
        _ request: ChatRequest, for model: UpstreamModel, extras: JSONObject = JSONObject()
    ) throws(Fault) -> UpstreamRequest {
        var body: JSONObject = ["model": .string(model.name), "messages": .array(try messages(request, model))]
        if let max = request.outputTokensMax {
            body.append(model.dialect == .openai ? "max_completion_tokens" : "max_tokens", .int(max))
        }
        sampling(request, into: &body)
        tools(request, into: &body)
        if let format = format(request.format) { body.append("response_format", format) }
        if model.reasoning != .none, let effort = request.reasoning?.effortOrEquivalent {
            body.append("reasoning_effort", .string(effort.rawValue))
        }
        if let verbosity = request.verbosity { body.append("verbosity", .string(verbosity)) }
        if let user = request.user { body.append("user", .string(user)) }
        if request.isStreamed {
            body.append("stream", true)
            body.append("stream_options", ["include_usage": true])
        }
        if model.tellsStore { body.append("store", false) }
        for (name, value) in extras.members { body[name] = value }
        return UpstreamRequest(body: JSONValue.object(body).serialized())
    }

    private static func sampling(_ request: ChatRequest, into body: inout JSONObject) {
        let sampling = request.sampling
        if request.choices != 1 { body.append("n", .int(request.choices)) }
        if !request.stops.isEmpty { body.append("stop", .array(request.stops.map(JSONValue.string))) }
        if let value = sampling.temperature { body.append("temperature", .double(value)) }
        if let value = sampling.topP { body.append("top_p", .double(value)) }
        if let value = sampling.frequencyPenalty { body.append("frequency_penalty", .double(value)) }
        if let value = sampling.presencePenalty { body.append("presence_penalty", .double(value)) }
        if let value = sampling.seed { body.append("seed", .int(value)) }
        if let value = sampling.logitBias { body.append("logit_bias", value) }
    }

    private static func tools(_ request: ChatRequest, into body: inout JSONObject) {
        guard !request.tools.isEmpty else { return }
        let tools = request.tools.map { tool -> JSONValue in
            var function: JSONObject = ["name": .string(tool.name)]
            if let description = tool.description { function.append("description", .string(description)) }
            if let parameters = tool.parameters { function.append("parameters", parameters) }
            if let isStrict = tool.isStrict { function.append("strict", .bool(isStrict)) }
            return ["type": "function", "function": .object(function)]
        }
        body.append("tools", .array(tools))
        switch request.toolChoice {
        case .automatic: break
        case .forbidden: body.append("tool_choice", "none")
        case .required: body.append("tool_choice", "required")
        case .named(let name):
            body.append("tool_choice", ["type": "function", "function": ["name": .string(name)]])
        }
        if let parallel = request.allowsParallelToolCalls { body.append("parallel_tool_calls", .bool(parallel)) }
    }

    private static func format(_ format: AnswerFormat) -> JSONValue? {
        switch format {
        case .text: return nil
        case .jsonObject: return ["type": "json_object"]
        case .jsonSchema(let schema):
            var object: JSONObject = ["name": .string(schema.name)]
            if let description = schema.description { object.append("description", .string(description)) }
            object.append("schema", schema.schema)
            object.append("strict", .bool(schema.isStrict))
            return ["type": "json_schema", "json_schema": .object(object)]
        }
    }

    // Messages.

    private static func messages(_ request: ChatRequest, _ model: UpstreamModel) throws(Fault) -> [JSONValue] {
        var messages: [JSONValue] = []
        var pictures: [JSONValue] = []
        for message in request.messages {
            if message.role != .tool, !pictures.isEmpty {
                messages.append(["role": "user", "content": .array(pictures)])
                pictures = []
            }
            do throws(Fault) { try append(message, model, to: &messages, &pictures) } catch {
                throw error.within(message.path)
            }
        }
        if !pictures.isEmpty { messages.append(["role": "user", "content": .array(pictures)]) }
        return messages
    }

    private static func append(
        _ message: ChatMessage, _ model: UpstreamModel, to messages: inout [JSONValue], _ pictures: inout [JSONValue]
    ) throws(Fault) {
        switch message.role {
        case .system: messages.append(["role": "system", "content": .string(message.text)])
        case .developer:
            let role: JSONValue = model.dialect == .openai ? "developer" : "system"
            messages.append(["role": role, "content": .string(message.text)])
        case .user: messages.append(["role": "user", "content": try content(message.parts)])
        case .assistant: messages.append(assistant(message.parts))
        case .tool:
            for case .toolResult(let result) in message.parts {
                let text = (result.isError ? "Error: " : "") + result.content.text
                messages.append(
                    ["role": "tool", "tool_call_id": .string(result.callID), "content": .string(text)])
                for part in result.content {
                    if case .text = part { continue }
                    pictures.append(try self.part(part))
                }
            }
        }
    }

    private static func assistant(_ parts: [ChatPart]) -> JSONValue {
        var texts: [String] = []
        var calls: [JSONValue] = []
        for part in parts {
            switch part {
            case .text(let text), .refusal(let text): texts.append(text)
            case .toolUse(let use):
                let arguments = use.arguments.isEmpty ? "{}" : use.arguments
                calls.append([
                    "id": .string(use.id), "type": "function",
                    "function": ["name": .string(use.name), "arguments": .string(arguments)],
                ])
            default: break
            }
        }
        var message: JSONObject = ["role": "assistant"]
        message.append("content", texts.isEmpty && !calls.isEmpty ? .null : .string(texts.joined(separator: "\n")))
        if !calls.isEmpty { message.append("tool_calls", .array(calls)) }
        return .object(message)
    }

    private static func content(_ parts: [ChatPart]) throws(Fault) -> JSONValue {
        if parts.count == 1, case .text(let text) = parts[0] { return .string(text) }
        if parts.isEmpty { return "" }
        var values: [JSONValue] = []
        for part in parts { values.append(try self.part(part)) }
        return .array(values)
    }

    private static func part(_ part: ChatPart) throws(Fault) -> JSONValue {
        switch part {
        case .text(let text), .refusal(let text): return ["type": "text", "text": .string(text)]
        case .image(let media, let detail):
            guard let address = media.address else { throw .invalid("content", "An image cannot be text.") }
            var image: JSONObject = ["url": .string(address)]
            if let detail { image.append("detail", .string(detail)) }
            return ["type": "image_url", "image_url": .object(image)]
        case .audio(let data, let format):
            return ["type": "input_audio", "input_audio": ["data": .string(data), "format": .string(format)]]
        case .document(.text(let text), let name):
            return ["type": "text", "text": .string(name.map { "\($0)\n\n\(text)" } ?? text)]
        case .document(let media, let name):
            guard case .base64 = media, let address = media.address else {
                throw .invalid(
                    "content", "A document's address cannot be given to this model's provider; send its bytes.")
            }
            let file: JSONObject = ["filename": .string(name ?? "document.pdf"), "file_data": .string(address)]
            return ["type": "file", "file": .object(file)]
        case .thinking, .redactedThinking, .toolUse, .toolResult:
            throw .invalid("content", "This part does not belong into a user's turn.")
        }
    }
}
