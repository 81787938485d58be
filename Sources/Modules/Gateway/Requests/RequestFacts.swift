// SPDX-License-Identifier: Apache-2.0

package import JSON

/// What the stages of an exchange must know of a body before anything is done with it, read from the index without a tree:
/// who is asked, how, by whom, and how large it can become. Ask after the field table, which has checked the shapes.
package struct RequestFacts: Equatable, Sendable {
    package let model: String
    package let isStreamed: Bool
    /// Whether a streamed answer shows its usage.
    package let showsUsage: Bool
    /// The end user, as the body names them.
    package let user: String?
    /// Most output tokens of one choice, if the client set a limit.
    package let outputTokensMax: Int?
    /// Answers that are asked for: at least 1, and saturated.
    package let choices: Int
    /// The body's bytes without those of `media`: since a token has at least one byte, and the frame a provider puts around
    /// a turn fewer tokens than JSON has bytes around it, an upper bound of the input's tokens beside the media.
    package let inputBytes: Int
    package let media: MediaCount
    package let hasTools: Bool

    package init(_ document: JSONDocument, _ route: ModelRoute) {
        let root = document.root
        model = root["model"]?.string ?? ""
        isStreamed = route != .embeddings && route != .countTokens && root["stream"]?.bool ?? false
        showsUsage =
            switch route {
            case .chat, .completions: root["stream_options"]?["include_usage"]?.bool ?? false
            default: true
            }
        user =
            route.isAnthropic
            ? root["metadata"]?["user_id"]?.string : root["user"]?.string ?? root["safety_identifier"]?.string
        outputTokensMax =
            switch route {
            // Of two names for one thing the larger: which of them the provider reads is its own affair.
            case .chat: [root["max_completion_tokens"]?.int, root["max_tokens"]?.int].compactMap(\.self).max()
            case .completions, .messages: root["max_tokens"]?.int
            case .responses: root["max_output_tokens"]?.int
            case .embeddings, .countTokens: 0
            }
        // Each prompt of a legacy completion has its own choices.
        let prompts = route == .completions ? Self.prompts(root["prompt"]) : 1
        let (product, isOverflowing) = max(root["n"]?.int ?? 1, 1).multipliedReportingOverflow(by: prompts)
        choices = isOverflowing ? .max : product
        var media = MediaCount()
        for name in ["messages", "input", "system"] {
            if let node = root[name] { media.add(node) }
        }
        self.media = media
        inputBytes = document.bytes.count - media.bytes
        hasTools = (root["tools"]?.count ?? 0) > 0
    }

    private static func prompts(_ node: JSONNode?) -> Int {
        guard let node, node.kind == .array, let first = node[0] else { return 1 }
        return first.kind == .number ? 1 : max(node.count, 1)
    }
}

/// Images, sounds and documents of a request, whose cost is not one of bytes.
package struct MediaCount: Equatable, Sendable {
    package private(set) var images = 0
    package private(set) var sounds = 0
    package private(set) var documents = 0
    /// Bytes of the body that are these media's own.
    package private(set) var bytes = 0

    package init() {}

    /// Counts the media in a part of a body. Bounded by the depth of the document.
    mutating func add(_ node: JSONNode) {
        switch node.kind {
        case .array: for element in node.elements { add(element) }
        case .object:
            if !addPart(node) {
                for member in node.members where member.value.kind == .array || member.value.kind == .object {
                    add(member.value)
                }
            }
        default: break
        }
    }

    /// Whether the object is a part that holds media.
    private mutating func addPart(_ node: JSONNode) -> Bool {
        guard let type = node["type"]?.string else { return false }
        switch type {
        case "image_url", "video_url", "input_image":
            images += 1
            bytes += (node[type]?["url"] ?? node["image_url"])?.range.count ?? 0
        case "input_audio", "audio_url":
            sounds += 1
            bytes += (node[type]?["data"] ?? node[type]?["url"])?.range.count ?? 0
        case "file", "input_file":
            documents += 1
            bytes += (node["file"]?["file_data"] ?? node["file_data"] ?? node["file_url"])?.range.count ?? 0
        case "image", "document":
            guard let source = node["source"] else { return false }
            // A document given as text or blocks is text, and counted as such.
            if let kind = source["type"]?.string, kind == "text" || kind == "content" {
                add(source)
                return true
            }
            if type == "image" { images += 1 } else { documents += 1 }
            bytes += (source["data"] ?? source["url"])?.range.count ?? 0
        default: return false
        }
        return true
    }
}
