// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON

/// One turn with a node, as a client asks for it.
struct TurnRequest: Sendable {
    let content: String
    /// Which thread it continues; at most one of the two, and a new one without both.
    let threadID: String?
    let correlationID: String?
    /// The client's own id of this message: sent again, it is answered once.
    let clientMessageID: String?
    let isStreamed: Bool
    let isAsynchronous: Bool
    /// Nothing of it may be kept, whatever the tenant has agreed to.
    let asksForZeroRetention: Bool
    /// The person behind the key.
    let endUser: String?
}

extension TurnRequest {
    private enum Mode: String, CaseIterable {
        case sync, async
    }

    private static let names = [
        "content", "thread_id", "correlation_id", "client_message_id", "stream", "mode", "at", "store", "user",
    ]

    static func read(_ exchange: Exchange) async throws(Failure) -> TurnRequest {
        let body = try await JSONBody(exchange, bytesMax: NodesLimits.messageBodyBytesMax, known: names)
        return try TurnRequest(body, exchange.request.head)
    }

    init(_ body: JSONBody, _ head: RequestHead) throws(Failure) {
        if body.has("at") {
            throw body.refusal("at", "this version runs nothing at a later time; leave it out")
        }
        content = try body.required("content", body.string("content", bytes: 1...NodesLimits.messageBytesMax))
        threadID = try body.line("thread_id", bytesMax: Page.cursorBytesMax)
        correlationID = try body.line("correlation_id", bytesMax: NodesLimits.correlationBytesMax)
        if threadID != nil, correlationID != nil {
            throw body.refusal("correlation_id", "name a thread with thread_id or with correlation_id, not with both")
        }
        clientMessageID = try body.line("client_message_id", bytesMax: NodesLimits.clientIDBytesMax)
        let mode = try body.choice("mode", Mode.self) ?? .sync
        let stream = try body.bool("stream")
        if mode == .async, stream == true {
            throw body.refusal("stream", "an asynchronous run has no stream; leave out stream or mode")
        }
        isAsynchronous = mode == .async
        isStreamed = mode == .sync && (stream ?? Self.acceptsOnlyEvents(head))
        asksForZeroRetention = try body.bool("store") == false || head.asksForZeroRetention
        endUser = try Self.endUser(body, head)
    }

    /// `Accept: text/event-stream` is how browsers ask for events, and a list in which it is the best is the same wish.
    private static func acceptsOnlyEvents(_ head: RequestHead) -> Bool {
        Accept(head).best(of: ["application/json", "text/event-stream"]) == "text/event-stream"
    }

    private static func endUser(_ body: JSONBody, _ head: RequestHead) throws(Failure) -> String? {
        let named = try body.line("user", bytesMax: ChatLimits.userBytesMax)
        guard let field = head.fields[.endUser] else { return named }
        guard (1...ChatLimits.userBytesMax).contains(field.utf8.count), field.isOneLine else {
            throw Failure(
                .invalidParameter, "must be one line of 1 to \(ChatLimits.userBytesMax) bytes", param: "x-end-user")
        }
        // Two names for one person: whoever counts or blocks by the one would miss the other.
        if let named, named != field { throw body.refusal("user", "is another name than the field x-end-user gives") }
        return field
    }

    /// For `/openapi.json`.
    static let schema: JSONValue = [
        "type": "object",
        "required": ["content"],
        "additionalProperties": false,
        "properties": [
            "content": ["type": "string", "minLength": 1, "maxLength": .int(NodesLimits.messageBytesMax)],
            "thread_id": ["type": ["string", "null"]],
            "correlation_id": ["type": ["string", "null"], "maxLength": .int(NodesLimits.correlationBytesMax)],
            "client_message_id": ["type": ["string", "null"], "maxLength": .int(NodesLimits.clientIDBytesMax)],
            "stream": ["type": ["boolean", "null"]],
            "mode": ["enum": ["sync", "async", .null]],
            "store": ["type": ["boolean", "null"]],
            "user": ["type": ["string", "null"], "maxLength": .int(ChatLimits.userBytesMax)],
        ],
    ]
}
