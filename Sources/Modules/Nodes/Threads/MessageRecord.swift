// SPDX-License-Identifier: Apache-2.0

import JSON
import Platform

/// Who said a message.
enum MessageRole: String, CaseIterable, Sendable {
    case user
    case assistant
}

/// What a new message shall be.
struct MessageDraft: Equatable, Sendable {
    var role: MessageRole
    /// Who is speaking, where several do.
    var name: String?
    var content: String
    /// The sender's own id: sent again, the message is there once.
    var clientID: String?
}

/// A message of a thread, opened.
struct MessageRecord: Equatable, Sendable {
    let id: String
    let threadID: String
    /// Its place in the thread, from 1; what was deleted leaves a gap.
    let sequence: Int
    let role: MessageRole
    let name: String?
    let content: String
    let createdAt: WallTime

    static let prefix: StaticString = "msg_"

    var json: JSONObject {
        [
            "id": .string(id), "object": "thread.message", "thread_id": .string(threadID),
            "role": .string(role.rawValue), "name": name.map(JSONValue.string) ?? .null, "content": .string(content),
            "created_at": .string(createdAt.rfc3339),
        ]
    }
}
