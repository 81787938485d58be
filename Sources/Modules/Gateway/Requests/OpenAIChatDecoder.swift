// SPDX-License-Identifier: Apache-2.0

package import JSON

/// Reads the body of `POST /v1/chat/completions`. The field table has been asked before: what is read here has the right
/// shape, and what it has not found is absent.
package enum OpenAIChatDecoder {
    package static func decode(_ root: JSONNode) throws(Fault) -> ChatRequest {
        var request = ChatRequest(model: root["model"]?.string ?? "")
        request.messages = try messages(root["messages"])
        OpenAISettings.read(root, into: &request)
        request.outputTokensMax = root["max_completion_tokens"]?.int ?? root["max_tokens"]?.int
        for tool in root["tools"].elements {
            guard let function = tool["function"] else { continue }
            request.tools.append(OpenAISettings.tool(function))
        }
        request.toolChoice = OpenAISettings.toolChoice(root["tool_choice"], name: { $0["function"]?["name"]?.string })
        request.format = try format(root["response_format"])
        request.reasoning = reasoning(root)
        request.verbosity = root["verbosity"]?.string
        return request
    }

    private static func messages(_ node: JSONNode?) throws(Fault) -> [ChatMessage] {
        var messages: [ChatMessage] = []
        for (index, node) in node.elements.enumerated() {
            let path = "messages[\(index)]"
            do throws(Fault) { messages.append(try message(node, path)) } catch { throw error.within(path) }
        }
        return messages
    }

    private static func message(_ node: JSONNode, _ path: String) throws(Fault) -> ChatMessage {
        guard let role = node["role"]?.string.flatMap(ChatMessage.Role.init) else {
            throw .invalid("role", "This role is not supported by this model's provider.")
        }
        var parts: [ChatPart]
        do throws(Fault) { parts = try content(node["content"]) } catch { throw error.within("content") }
        switch role {
        case .tool:
            let result = ToolResult(callID: node["tool_call_id"]?.string ?? "", content: parts)
            return ChatMessage(.tool, [.toolResult(result)], path: path)
        case .assistant:
            if let refusal = node["refusal"]?.string { parts.append(.refusal(refusal)) }
            for call in node["tool_calls"].elements {
                guard let function = call["function"] else { continue }
                let use = ToolUse(
                    id: call["id"]?.string ?? "", name: function["name"]?.string ?? "",
                    arguments: function["arguments"]?.string ?? "")
                parts.append(.toolUse(use))
            }
        case .system, .developer, .user: break
        }
        return ChatMessage(role, parts, path: path)
    }

    private static func content(_ node: JSONNode?) throws(Fault) -> [ChatPart] {
        if let text = node?.string { return [.text(text)] }
        var parts: [ChatPart] = []
        for (index, node) in node.elements.enumerated() {
            do throws(Fault) { parts.append(try part(node)) } catch { throw error.within("[\(index)]") }
        }
        return parts
    }

    private static func part(_ node: JSONNode) throws(Fault) -> ChatPart {
        switch node["type"]?.string {
        case "text": return .text(node["text"]?.string ?? "")
        case "refusal": return .refusal(node["refusal"]?.string ?? "")
        case "image_url":
            let image = node["image_url"]
            let media: Media
            do throws(Fault) { media = try Media(address: image?["url"]?.string ?? "") } catch {
                throw error.within("url").within("image_url")
            }
            return .image(media, detail: image?["detail"]?.string)
        case "input_audio":
            let audio = node["input_audio"]
            return .audio(base64: audio?["data"]?.string ?? "", format: audio?["format"]?.string ?? "")
        case "file":
            let file = node["file"]
            guard let data = file?["file_data"]?.string else {
                throw .invalid("file.file_data", "Missing required parameter.")
            }
            do throws(Fault) { return .document(try Media(file: data), name: file?["filename"]?.string) } catch {
                throw error.within("file_data").within("file")
            }
        default: throw .invalid("type", "This type is not supported by this model's provider.")
        }
    }

    private static func format(_ node: JSONNode?) throws(Fault) -> AnswerFormat {
        switch node?["type"]?.string {
        case "json_object": return .jsonObject
        case "json_schema":
            guard let node = node?["json_schema"] else { return .text }
            guard let schema = node["schema"], !schema.isNull else {
                throw .invalid("response_format.json_schema.schema", "Missing required parameter.")
            }
            return .jsonSchema(OpenAISettings.schema(node, schema))
        default: return .text
        }
    }

    /// OpenAI's `reasoning_effort`, or OpenRouter's object.
    private static func reasoning(_ root: JSONNode) -> Reasoning? {
        let options = root["reasoning"]
        if options?["enabled"]?.bool == false { return Reasoning(effort: Reasoning.Effort.none) }
        let effort = root["reasoning_effort"]?.string ?? options?["effort"]?.string
        let budget = options?["max_tokens"]?.int
        guard effort != nil || budget != nil else { return nil }
        return Reasoning(effort: effort.flatMap(Reasoning.Effort.init), budgetTokens: budget)
    }
}

/// What chat, completions and responses have in common.
enum OpenAISettings {
    static func read(_ root: JSONNode, into request: inout ChatRequest) {
        request.isStreamed = root["stream"]?.bool ?? false
        request.showsUsage = showsUsage(root)
        request.choices = root["n"]?.int ?? 1
        request.stops = root["stop"]?.string.map { [$0] } ?? root["stop"].elements.compactMap(\.string)
        request.sampling.temperature = root["temperature"]?.double
        request.sampling.topP = root["top_p"]?.double
        request.sampling.frequencyPenalty = root["frequency_penalty"]?.double
        request.sampling.presencePenalty = root["presence_penalty"]?.double
        request.sampling.seed = root["seed"]?.int
        if let bias = root["logit_bias"], bias.count > 0 { request.sampling.logitBias = bias.value }
        request.allowsParallelToolCalls = root["parallel_tool_calls"]?.bool
        request.user = root["user"]?.string ?? root["safety_identifier"]?.string
        if case .object(let metadata)? = root["metadata"]?.value { request.metadata = metadata }
    }

    /// Whether a streamed answer shows its usage.
    static func showsUsage(_ root: JSONNode) -> Bool {
        root["stream_options"]?.read { view, place in showsUsage(view, place) } ?? false
    }

    /// The same, by the place of `stream_options`; 0 where there is none.
    static func showsUsage(_ view: borrowing JSONView, _ streamOptions: Int) -> Bool {
        guard streamOptions > 0, let place = view.value(of: includeUsage, in: streamOptions) else { return false }
        return view.bool(place) ?? false
    }

    private static let includeUsage = JSONWord("include_usage")

    static func tool(_ node: JSONNode) -> ChatTool {
        ChatTool(
            name: node["name"]?.string ?? "", description: node["description"]?.string,
            parameters: node["parameters"].flatMap { $0.isNull ? nil : $0.value }, isStrict: node["strict"]?.bool)
    }

    static func schema(_ node: JSONNode, _ schema: JSONNode) -> AnswerSchema {
        AnswerSchema(
            name: node["name"]?.string ?? "answer", description: node["description"]?.string, schema: schema.value,
            isStrict: node["strict"]?.bool ?? false)
    }

    static func toolChoice(_ node: JSONNode?, name: (JSONNode) -> String?) -> ToolChoice {
        guard let node else { return .automatic }
        switch node.string {
        case "none": return .forbidden
        case "required": return .required
        case .some: return .automatic
        case nil: return name(node).map(ToolChoice.named) ?? .automatic
        }
    }
}

extension Optional where Wrapped == JSONNode {
    /// The elements of an array that may be absent.
    var elements: [JSONNode] { map { Array($0.elements) } ?? [] }
}
