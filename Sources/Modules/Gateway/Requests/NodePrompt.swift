// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import JSON

/// What `model: "node/<alias>"` makes of a client's request: the node's model stands in its place, and the node's system
/// prompt before the client's own words, in the place where the route's protocol has it.
enum NodePrompt {
    /// How a client names a node.
    static let prefix = "node/"

    static func isNode(_ name: String) -> Bool { name.utf8.span.starts(with: prefix.utf8.span) }

    /// - Throws: `invalid_parameter` on routes without a conversation, or for a body of another shape than the route's.
    ///
    /// - Parameter dialect: how the node's provider spells what its protocol has two names for.
    static func applied(
        _ node: NodeModel, to document: JSONDocument, _ route: ModelRoute,
        _ dialect: UpstreamModel.Dialect = .compatible
    ) throws(Fault) -> JSONDocument {
        let root = document.root
        if let max = node.inputBytesMax { try check(root, max) }
        var edit = JSONEdit(document)
        edit.setMember(of: root, "model", .string(node.model))
        if let max = node.outputTokensMax { cap(max, of: root, route, dialect, &edit) }
        if node.runsCode { offerInterpreter(in: root, route, document, &edit) }
        let prompt = node.systemPrompt
        switch route {
        case .completions, .embeddings:
            throw .invalid("model", "A node answers conversations: chat completions, responses or messages.")
        case .chat where !prompt.isEmpty:
            guard let messages = root["messages"], messages.kind == .array else {
                throw .invalid("messages", "messages must be an array")
            }
            edit.replace(messages, with: inserted(["role": "system", "content": .string(prompt)], messages, document))
        case .responses where !prompt.isEmpty:
            try prepend(prompt, to: "instructions", of: root, &edit)
        case .messages where !prompt.isEmpty, .countTokens where !prompt.isEmpty:
            if let system = root["system"], system.kind == .array {
                edit.replace(system, with: inserted(["type": "text", "text": .string(prompt)], system, document))
            } else {
                try prepend(prompt, to: "system", of: root, &edit)
            }
        case .chat, .responses, .messages, .countTokens: break
        }
        do {
            return try JSONDocument(parsing: edit.apply())
        } catch {
            // The prompt made it too large: what the client sent was within the bounds.
            throw .invalid("messages", "The conversation and the node's prompt are too large together.")
        }
    }

    /// Offers the node's code interpreter beside whatever tools the client has.
    private static func offerInterpreter(
        in root: JSONNode, _ route: ModelRoute, _ document: JSONDocument, _ edit: inout JSONEdit
    ) {
        guard let tool = InterpreterTool.asClientsName(route) else { return }
        guard let tools = root["tools"], tools.kind == .array else {
            return edit.setMember(of: root, "tools", .array([tool]))
        }
        guard !tools.elements.contains(where: { InterpreterTool.isInterpreter($0, route.isAnthropic) }) else { return }
        edit.replace(tools, with: inserted(tool, tools, document))
    }

    /// Holds what the client says to the node's bound, message by message: its owner's bound is the same on every route.
    private static func check(_ root: JSONNode, _ max: Int) throws(Fault) {
        for name in ["messages", "input", "instructions", "system"] {
            guard let said = root[name] else { continue }
            let messages = said.kind == .array ? Array(said.elements) : [said]
            guard messages.allSatisfy({ bytes(of: $0) <= max }) else {
                throw Fault(.payloadTooLarge, "This node takes at most \(max) bytes a message.", param: name)
            }
        }
    }

    /// The text of a message or of a part, unescaped; what is no text (an image, a call) counts as it is sent.
    private static func bytes(of said: JSONNode) -> Int {
        if let count = said.stringByteCount { return count }
        if said.kind == .array { return said.elements.reduce(0) { $0 + bytes(of: $1) } }
        guard let content = said["content"] ?? said["text"] else { return said.range.count }
        return bytes(of: content) + (said["tool_calls"]?.range.count ?? 0)
    }

    /// Lowers what the client asks for, and asks where it does not: the node's bound is its owner's, not its caller's.
    private static func cap(
        _ max: Int, of root: JSONNode, _ route: ModelRoute, _ dialect: UpstreamModel.Dialect, _ edit: inout JSONEdit
    ) {
        let names: [String]
        switch route {
        case .chat:
            names =
                dialect == .openai ? ["max_completion_tokens", "max_tokens"] : ["max_tokens", "max_completion_tokens"]
        case .responses: names = ["max_output_tokens"]
        case .messages: names = ["max_tokens"]
        case .completions, .embeddings, .countTokens: return
        }
        let given = names.filter { root[$0].map { !$0.isNull } ?? false }
        for name in given where root[name]?.int.map({ $0 > max }) ?? false { edit.setMember(of: root, name, .int(max)) }
        if given.isEmpty { edit.setMember(of: root, names[0], .int(max)) }
    }

    /// A member that is a string or missing: the prompt, an empty line, and what the client says.
    private static func prepend(
        _ prompt: String, to name: String, of root: JSONNode, _ edit: inout JSONEdit
    ) throws(Fault) {
        guard let member = root[name], !member.isNull else { return edit.setMember(of: root, name, .string(prompt)) }
        guard let text = member.string else { throw .invalid(name, "\(name) must be a string") }
        edit.setMember(of: root, name, .string(prompt + separator + text))
    }

    /// Stands between a prompt and what the client says in the same member.
    private static let separator = "\n\n"

    /// What the client said in a member that a prompt was put before; `nil` where it said nothing.
    static func removed(_ prompt: String, from text: String) -> String? {
        guard !prompt.isEmpty else { return text }
        let start = prompt + separator
        guard text.utf8.starts(with: start.utf8) else { return nil }
        return String(decoding: text.utf8.dropFirst(start.utf8.count), as: UTF8.self)
    }

    /// An array's text with one element more, in front.
    private static func inserted(_ element: JSONValue, _ array: JSONNode, _ document: JSONDocument) -> [UInt8] {
        let rest = document.bytes[array.range].dropFirst()
        return [UInt8(ascii: "[")] + element.serialized() + (array.count > 0 ? [UInt8(ascii: ",")] : []) + rest
    }
}
