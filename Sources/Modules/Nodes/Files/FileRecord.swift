// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform

/// What a file is uploaded for: OpenAI's words, which say nothing to this house.
enum FilePurpose: String, CaseIterable, Sendable {
    case assistants
    case batch
    case evals
    case fineTune = "fine-tune"
    case userData = "user_data"
    case vision
}

/// A file, opened: everything but its content.
struct FileRecord: Sendable, Equatable {
    let outline: FileOutline
    let filename: String
    /// What the uploader called its type; nobody believes it.
    let mediaType: String?

    static let prefix: StaticString = "file_"

    var id: String { outline.id }

    /// OpenAI's shape.
    var json: JSONObject {
        [
            "id": .string(id), "object": "file", "bytes": .int(outline.bytes),
            "created_at": .int(Int(outline.createdAt.milliseconds / 1000)),
            "expires_at": outline.expiresAt.map { .int(Int($0.milliseconds / 1000)) } ?? .null,
            "filename": .string(filename), "purpose": .string(outline.purpose), "status": "processed",
            "status_details": .null,
        ]
    }
}

/// A file's ids, sizes and times.
struct FileOutline: Sendable, Equatable {
    /// Its place in the database; never given to another file.
    let number: Int
    let id: String
    let owner: String
    let purpose: String
    /// Of its content, so far.
    let bytes: Int
    /// False while it is being uploaded: nobody sees it.
    let isWhole: Bool
    let createdAt: WallTime
    /// Its uploader's wish; retention may end it sooner.
    let expiresAt: WallTime?

    /// The object whose key seals it.
    var object: ObjectID { ObjectID(id) }
}

/// A file's content lies in chunks of one size, but for the last.
enum FileChunk {
    static let bytes = 64 << 10

    /// Of a file of this size; an empty one has one, empty.
    static func count(ofBytes bytes: Int) -> Int { max(1, (bytes + FileChunk.bytes - 1) / FileChunk.bytes) }

    /// Where a chunk stands: index and last flag are sealed with it, so that chunks cannot be moved, dropped at the end, or
    /// repeated.
    static func cell(_ id: String, _ index: Int, isLast: Bool) -> Cell {
        Cell(table: "nodes_chunks", column: "content", row: "\(id) \(index) \(isLast ? "last" : "more")")
    }
}
