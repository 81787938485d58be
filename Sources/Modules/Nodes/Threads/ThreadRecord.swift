// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform

/// What a new thread shall be.
struct ThreadDraft: Equatable, Sendable {
    /// The node it belongs to, by its id; nil for a thread of no node.
    var nodeID: String?
    var title: String?
    /// What the caller calls it; need not be unique.
    var correlationID: String?
}

/// A thread, opened.
struct ThreadRecord: Equatable, Sendable {
    let outline: ThreadOutline
    let title: String?
    let correlationID: String?

    static let prefix: StaticString = "thr_"

    var id: String { outline.id }

    var json: JSONObject {
        var json = outline.json
        json.append("title", title.map(JSONValue.string) ?? .null)
        json.append("correlation_id", correlationID.map(JSONValue.string) ?? .null)
        return json
    }
}

/// A thread's ids, sizes and times: what stands in columns, and all that an operator sees.
struct ThreadOutline: Equatable, Sendable {
    /// Its place in the file; never given to another thread.
    let number: Int
    let id: String
    let nodeID: String?
    /// The key or the person that began it, by its id.
    let owner: String
    let createdAt: WallTime
    /// When it last got a message; when it was made, if it never did.
    var activeAt: WallTime
    /// When the oldest message that is kept was made; the same without one.
    var oldestAt: WallTime
    /// The place of its newest message, kept or not; 0 before the first.
    var sequence: Int
    /// Messages that are kept.
    var messages: Int
    /// Bytes of their sealed content.
    var bytes: Int

    /// The object whose key seals it.
    var object: ObjectID { ObjectID(id) }

    var json: JSONObject {
        [
            "id": .string(id), "object": "thread", "node_id": nodeID.map(JSONValue.string) ?? .null,
            "owner": .string(owner), "message_count": .int(messages), "bytes": .int(bytes),
            "created_at": .string(createdAt.rfc3339), "last_active_at": .string(activeAt.rfc3339),
        ]
    }
}
