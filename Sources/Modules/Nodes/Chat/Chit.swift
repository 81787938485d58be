// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import SQLite

/// A node's sheet: what whoever talks to it should know, told without asking a model. The instructions themselves do not stand
/// in it: it may be shown to people whom they do not concern.
struct Chit: Sendable {
    private let node: NodeRecord
    /// How long threads are kept; nil where they are in memory only.
    private let retention: Retention?

    init(_ node: NodeRecord, retention: Retention?) {
        self.node = node
        self.retention = retention
    }

    enum Format: String, CaseIterable {
        case json = "application/json"
        case plain = "text/plain"
        case markdown = "text/markdown"
    }

    func reply(_ format: Format) -> Reply {
        switch format {
        case .json: .json(.object(json))
        case .plain: text(format, lines.map { "\($0.name): \($0.value)" })
        // An alias is letters, digits and . _ -; a model's name is the operator's; the rest is ours.
        case .markdown: text(format, ["# \(configuration.alias)", ""] + lines.map { "- **\($0.name)**: \($0.value)" })
        }
    }

    private func text(_ format: Format, _ lines: [String]) -> Reply {
        .whole(
            status: 200, contentType: "\(format.rawValue); charset=utf-8",
            body: Array((lines.joined(separator: "\n") + "\n").utf8))
    }

    private var configuration: NodeConfiguration { node.configuration }
    private var inputBytesMax: Int { configuration.limits.inputBytes ?? NodesLimits.messageBytesMax }
    private var contextMessagesMax: Int { ContextWindow(configuration.limits).messagesMax }

    private var toolNames: [String] {
        configuration.tools.map { $0["function"]?["name"]?.string ?? $0["type"]?.string ?? "" }
    }

    private var json: JSONObject {
        [
            "object": "node.chit", "id": .string(node.id), "alias": .string(configuration.alias),
            "model": .string(configuration.model), "version": .int(node.version),
            "has_instructions": .bool(hasInstructions),
            "threads": [
                "stored": .bool(retention != nil), "retention_seconds": retention.map { .int($0.seconds) } ?? .null,
                "memory": .bool(configuration.memory),
            ],
            "limits": [
                "max_input_bytes": .int(inputBytesMax),
                "max_output_tokens": configuration.limits.outputTokens.map(JSONValue.int) ?? .null,
                "max_context_messages": .int(contextMessagesMax),
            ],
            "tools": .array(toolNames.map(JSONValue.string)), "chat": .string("/v1/nodes/\(configuration.alias)/chat"),
            "openai_model": .string("node/\(configuration.alias)"), "updated_at": .string(node.updatedAt.rfc3339),
        ]
    }

    private var hasInstructions: Bool { !(configuration.systemPrompt ?? "").isEmpty }

    private var lines: [(name: String, value: String)] {
        [
            ("Node", "\(configuration.alias) (\(node.id), version \(node.version))"),
            ("Model", configuration.model),
            ("Instructions", hasInstructions ? "yes" : "none"),
            ("Threads", retention.map { "stored for \($0.seconds) seconds" } ?? "in memory only, for at most an hour"),
            ("Input", "at most \(inputBytesMax) bytes"),
            ("Output", configuration.limits.outputTokens.map { "at most \($0) tokens" } ?? "as the model allows"),
            ("Context", "at most \(contextMessagesMax) earlier messages"),
            ("Tools", toolNames.isEmpty ? "none" : toolNames.joined(separator: ", ")),
            ("Chat", "POST /v1/nodes/\(configuration.alias)/chat, or model \"node/\(configuration.alias)\""),
            ("Changed", node.updatedAt.rfc3339),
        ]
    }
}

/// `GET /v1/nodes/{id}/chit`.
struct ChitRoutes: Sendable {
    let context: NodesContext

    var all: [Route] { [show] }

    private var show: Route {
        Route(
            .get, "/v1/nodes/{id}/chit", guard: .keyOrSession(.chat, .member),
            summary: "A node's sheet, without asking a model; JSON, text/plain or text/markdown"
        ) { exchange async throws(Failure) in
            let name = exchange.parameters["id"] ?? ""
            guard let principal = exchange.principal else { throw Failure(.internal, "nobody was identified") }
            let context = context
            let chit = try await context.database(of: exchange).look {
                transaction throws(SQLiteError) -> Verdict<Chit> in
                guard let node = try NodeTables.find(name, in: transaction) else { return .failure(.absent) }
                guard principal.mayUse(node: node) else {
                    return .failure(Failure(.nodeNotAllowed, "this key may not use this node"))
                }
                let verdict = try context.capture(
                    .threads, under: .threads, node: node.configuration.retention, in: transaction)
                return .success(Chit(node, retention: try? verdict.get()))
            }
            let format = Accept(exchange.request.head).best(of: Chit.Format.allCases.map(\.rawValue))
            return chit.reply(Chit.Format(rawValue: format) ?? .json)
        }
    }
}
