// SPDX-License-Identifier: Apache-2.0

/// One turn of a conversation.
package struct ChatMessage: Equatable, Sendable {
    package enum Role: String, Sendable { case system, developer, user, assistant, tool }

    package var role: Role
    package var parts: [ChatPart]
    /// Where the turn stands in the client's body, as in `messages[2]`: what faults about it name. Not part of equality.
    package var path: String

    package init(_ role: Role, _ parts: [ChatPart], path: String = "messages") {
        self.role = role
        self.parts = parts
        self.path = path
    }

    package init(_ role: Role, text: String, path: String = "messages") {
        self.init(role, [.text(text)], path: path)
    }

    package static func == (a: ChatMessage, b: ChatMessage) -> Bool {
        a.role == b.role && a.parts == b.parts
    }

    /// The texts of the turn, joined by a line break as people would read them.
    package var text: String {
        parts.compactMap { if case .text(let text) = $0 { text } else { nil } }.joined(separator: "\n")
    }
}

/// A piece of a turn.
package enum ChatPart: Equatable, Sendable {
    case text(String)
    /// What the model said instead of answering.
    case refusal(String)
    case image(Media, detail: String?)
    case document(Media, name: String?)
    /// Sound in base64; `format` as OpenAI names it (`wav`, `mp3`).
    case audio(base64: String, format: String)
    /// Thinking of an earlier answer; the signature lets its provider trust it.
    case thinking(String, signature: String?)
    /// Thinking that only its provider can read.
    case redactedThinking(String)
    case toolUse(ToolUse)
    case toolResult(ToolResult)
}

/// Where the bytes of an image or a document are.
package enum Media: Equatable, Sendable {
    case base64(String, mediaType: String)
    case url(String)
    /// A document that is plain text.
    case text(String)
}

/// A call the model asked for.
package struct ToolUse: Equatable, Sendable {
    package var id: String
    package var name: String
    /// The arguments as JSON text, exactly as the model (or the client, in a replayed turn) wrote them.
    package var arguments: String

    package init(id: String, name: String, arguments: String) {
        self.id = id
        self.name = name
        self.arguments = arguments
    }
}

/// What came of a call.
package struct ToolResult: Equatable, Sendable {
    package var callID: String
    /// Text, images and documents.
    package var content: [ChatPart]
    package var isError: Bool

    package init(callID: String, content: [ChatPart], isError: Bool = false) {
        self.callID = callID
        self.content = content
        self.isError = isError
    }
}
