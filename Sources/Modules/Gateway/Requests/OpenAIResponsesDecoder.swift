// SPDX-License-Identifier: Apache-2.0

package import JSON

/// Reads the body of `POST /v1/responses`, stateless: the whole conversation is in `input`.
package enum OpenAIResponsesDecoder {
    package static func decode(_ root: JSONNode) throws(Fault) -> ChatRequest {
        var request = ChatRequest(model: root["model"]?.string ?? "")
        if let text = root["instructions"]?.string {
            request.messages.append(ChatMessage(.system, text: text, path: "instructions"))
        }
        if let text = root["input"]?.string {
            request.messages.append(ChatMessage(.user, text: text, path: "input"))
        }
        for (index, item) in root["input"].elements.enumerated() {
            let path = "input[\(index)]"
            do throws(Fault) { try read(item, path, into: &request.messages) } catch { throw error.within(path) }
        }
        OpenAISettings.read(root, into: &request)
        request.outputTokensMax = root["max_output_tokens"]?.int
        request.tools = root["tools"].elements.map(OpenAISettings.tool)
        request.toolChoice = OpenAISettings.toolChoice(root["tool_choice"], name: { $0["name"]?.string })
        request.format = format(root["text"]?["format"])
        request.verbosity = root["text"]?["verbosity"]?.string
        if let effort = root["reasoning"]?["effort"]?.string {
            request.reasoning = Reasoning(effort: Reasoning.Effort(rawValue: effort))
        }
        request.showsUsage = true
        return request
    }

    private static func read(_ item: JSONNode, _ path: String, into messages: inout [ChatMessage]) throws(Fault) {
        switch item["type"]?.string ?? "message" {
        case "message":
            guard let role = item["role"]?.string.flatMap(ChatMessage.Role.init), role != .tool else {
                throw .invalid("role", "This role is not supported.")
            }
            let parts: [ChatPart]
            do throws(Fault) { parts = try content(item["content"]) } catch { throw error.within("content") }
            append(role, parts, path, to: &messages)
        case "function_call":
            let use = ToolUse(
                id: item["call_id"]?.string ?? "", name: item["name"]?.string ?? "",
                arguments: item["arguments"]?.string ?? "")
            append(.assistant, [.toolUse(use)], path, to: &messages)
        case "function_call_output":
            let parts: [ChatPart]
            do throws(Fault) { parts = try content(item["output"]) } catch { throw error.within("output") }
            let result = ToolResult(callID: item["call_id"]?.string ?? "", content: parts)
            messages.append(ChatMessage(.tool, [.toolResult(result)], path: path))
        default: break  // Reasoning of an earlier answer: nobody else can continue it.
        }
    }

    /// Items that one answer was made of (a text and its calls) become one turn again: providers want the calls of a
    /// turn together, before their results.
    private static func append(
        _ role: ChatMessage.Role, _ parts: [ChatPart], _ path: String, to messages: inout [ChatMessage]
    ) {
        if role == .assistant, let last = messages.indices.last, messages[last].role == .assistant {
            messages[last].parts += parts
        } else {
            messages.append(ChatMessage(role, parts, path: path))
        }
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
        case "input_text", "output_text": return .text(node["text"]?.string ?? "")
        case "refusal": return .refusal(node["refusal"]?.string ?? "")
        case "input_image":
            guard let url = node["image_url"]?.string else {
                throw .invalid("image_url", "Missing required parameter.")
            }
            do throws(Fault) { return .image(try Media(address: url), detail: node["detail"]?.string) } catch {
                throw error.within("image_url")
            }
        case "input_file":
            let name = node["filename"]?.string
            if let url = node["file_url"]?.string { return .document(.url(url), name: name) }
            guard let data = node["file_data"]?.string else {
                throw .invalid("file_data", "Missing required parameter.")
            }
            do throws(Fault) { return .document(try Media(file: data), name: name) } catch {
                throw error.within("file_data")
            }
        case "input_audio":
            let audio = node["input_audio"]
            return .audio(base64: audio?["data"]?.string ?? "", format: audio?["format"]?.string ?? "")
        default: throw .invalid("type", "This type is not supported.")
        }
    }

    private static func format(_ node: JSONNode?) -> AnswerFormat {
        switch node?["type"]?.string {
        case "json_object": return .jsonObject
        case "json_schema":
            guard let node, let schema = node["schema"] else { return .text }
            return .jsonSchema(OpenAISettings.schema(node, schema))
        default: return .text
        }
    }
}
