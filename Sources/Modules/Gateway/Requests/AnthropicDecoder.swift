// SPDX-License-Identifier: Apache-2.0

package import JSON

/// Reads the body of `POST /v1/messages` (and of `count_tokens`).
package enum AnthropicDecoder {
    package static func decode(_ root: JSONNode) throws(Fault) -> ChatRequest {
        var request = ChatRequest(model: root["model"]?.string ?? "")
        if let system = root["system"], !system.isNull {
            let parts = try at("system") { () throws(Fault) in try content(system) }
            if !parts.isEmpty { request.messages.append(ChatMessage(.system, parts, path: "system")) }
        }
        for (index, node) in root["messages"].elements.enumerated() {
            let path = "messages[\(index)]"
            do throws(Fault) { request.messages += try turns(node, path) } catch { throw error.within(path) }
        }
        request.isStreamed = root["stream"]?.bool ?? false
        request.showsUsage = true
        request.outputTokensMax = root["max_tokens"]?.int
        request.stops = root["stop_sequences"].elements.compactMap(\.string)
        request.sampling.temperature = root["temperature"]?.double
        request.sampling.topP = root["top_p"]?.double
        request.sampling.topK = root["top_k"]?.int
        request.user = root["metadata"]?["user_id"]?.string
        request.tools = root["tools"].elements.map(tool)
        readToolChoice(root["tool_choice"], into: &request)
        request.reasoning = reasoning(root)
        if let schema = root["output_config"]?["format"]?["schema"] {
            request.format = .jsonSchema(AnswerSchema(name: "answer", schema: schema.value, isStrict: true))
        }
        return request
    }

    /// A user's turn with tool results becomes tool turns followed by the rest: results belong to the calls before them.
    private static func turns(_ node: JSONNode, _ path: String) throws(Fault) -> [ChatMessage] {
        guard let role = node["role"]?.string.flatMap(ChatMessage.Role.init) else {
            throw .invalid("role", "This role is not supported.")
        }
        let parts = try at("content") { () throws(Fault) in try content(node["content"]) }
        var turns: [ChatMessage] = []
        var rest: [ChatPart] = []
        for part in parts {
            if case .toolResult = part {
                turns.append(ChatMessage(.tool, [part], path: path))
            } else {
                rest.append(part)
            }
        }
        if !rest.isEmpty || turns.isEmpty { turns.append(ChatMessage(role, rest, path: path)) }
        return turns
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
        case "text": .text(node["text"]?.string ?? "")
        case "image": .image(try at("source") { () throws(Fault) in try media(node["source"]) }, detail: nil)
        case "document":
            .document(try at("source") { () throws(Fault) in try media(node["source"]) }, name: node["title"]?.string)
        case "thinking": .thinking(node["thinking"]?.string ?? "", signature: node["signature"]?.string)
        case "redacted_thinking": .redactedThinking(node["data"]?.string ?? "")
        case "tool_use":
            .toolUse(
                ToolUse(
                    id: node["id"]?.string ?? "", name: node["name"]?.string ?? "",
                    arguments: node["input"]?.rawText ?? "{}"))
        case "tool_result":
            .toolResult(
                ToolResult(
                    callID: node["tool_use_id"]?.string ?? "",
                    content: try at("content") { () throws(Fault) in try content(node["content"]) },
                    isError: node["is_error"]?.bool ?? false))
        case "search_result":
            .text(try at("content") { () throws(Fault) in try content(node["content"]) }.text)
        default: throw .invalid("type", "This type is not supported by this model's provider.")
        }
    }

    private static func media(_ node: JSONNode?) throws(Fault) -> Media {
        switch node?["type"]?.string {
        case "url": .url(node?["url"]?.string ?? "")
        case "base64": .base64(node?["data"]?.string ?? "", mediaType: node?["media_type"]?.string ?? "")
        case "text": .text(node?["data"]?.string ?? "")
        case "content": .text(try content(node?["content"]).text)
        default: throw .invalid("type", "This type is not supported by this model's provider.")
        }
    }

    private static func tool(_ node: JSONNode) -> ChatTool {
        ChatTool(
            name: node["name"]?.string ?? "", description: node["description"]?.string,
            parameters: node["input_schema"]?.value, isStrict: node["strict"]?.bool)
    }

    private static func readToolChoice(_ node: JSONNode?, into request: inout ChatRequest) {
        switch node?["type"]?.string {
        case "any": request.toolChoice = .required
        case "tool": request.toolChoice = .named(node?["name"]?.string ?? "")
        case "none": request.toolChoice = .forbidden
        default: break
        }
        request.allowsParallelToolCalls = node?["disable_parallel_tool_use"]?.bool.map { !$0 }
    }

    private static func reasoning(_ root: JSONNode) -> Reasoning? {
        let effort = root["output_config"]?["effort"]?.string.flatMap(Reasoning.Effort.init)
        switch root["thinking"]?["type"]?.string {
        case "enabled": return Reasoning(effort: effort, budgetTokens: root["thinking"]?["budget_tokens"]?.int)
        case "disabled": return effort.map { Reasoning(effort: $0) }
        case "adaptive": return Reasoning(effort: effort)
        default: return effort.map { Reasoning(effort: $0) }
        }
    }

    private static func at<T>(_ name: String, _ body: () throws(Fault) -> T) throws(Fault) -> T {
        do throws(Fault) { return try body() } catch { throw error.within(name) }
    }
}

extension [ChatPart] {
    /// The texts among the parts, joined by a line break.
    var text: String {
        compactMap { if case .text(let text) = $0 { text } else { nil } }.joined(separator: "\n")
    }
}
