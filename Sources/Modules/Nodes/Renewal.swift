// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// Seals what belongs to a thread, a file or a node anew, after its key has changed.
enum Renewal {
    static let content = ContentRenewal(
        prefixes: [ThreadRecord.prefix, FileRecord.prefix, NodeRecord.prefix].map { "\($0)" }, step: step)

    private static let messagesPerStep = 64
    private static let chunksPerStep = 8

    private static func step(
        _ object: ObjectID, _ place: Int, _ transaction: any TenantTransaction
    ) throws(SQLiteError) -> ContentRenewal.Step {
        if let thread = try ThreadTables.outline(object.text, in: transaction) {
            if place == 0 { try ThreadTables.reseal(thread, in: transaction) }
            let next = try MessageTables.reseal(thread, from: place, max: messagesPerStep, in: transaction)
            return next.map { .more($0) } ?? .done
        }
        if let file = try FileTables.outline(object.text, in: transaction) {
            // Which of its chunks is the last one is not known before it is whole.
            guard file.isWhole else { return .later }
            if place == 0 { try FileTables.reseal(file, in: transaction) }
            let next = try FileTables.resealChunks(file, from: place, max: chunksPerStep, in: transaction)
            return next.map { .more($0) } ?? .done
        }
        try NodeTables.reseal(object.text, in: transaction)
        return .done
    }
}

extension TenantTransaction {
    /// A sealed value under the newest key of its object.
    func reseal(_ sealed: [UInt8], in cell: Cell, of object: ObjectID) throws(SQLiteError) -> [UInt8] {
        try seal(open(sealed, in: cell, of: object), in: cell, of: object)
    }
}

extension ThreadTables {
    static func reseal(_ thread: ThreadOutline, in transaction: any TenantTransaction) throws(SQLiteError) {
        let sheet = try transaction.connection.first("SELECT sheet FROM nodes_threads WHERE number = ?", thread.number)
        {
            row throws(SQLiteError) in try row.blob(0)
        }
        try transaction.connection.execute(
            "UPDATE nodes_threads SET sheet = ? WHERE number = ?",
            transaction.reseal(sheet ?? [], in: cell(thread.id), of: thread.object), thread.number)
    }
}

extension MessageTables {
    /// - Parameter place: behind which message to go on.
    /// - Returns: where the next step goes on; `nil` at the end.
    static func reseal(
        _ thread: ThreadOutline, from place: Int, max: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Int? {
        let rows = try transaction.connection.query(
            "SELECT place, id, name, content FROM nodes_messages WHERE place > ? AND place <= ? ORDER BY place LIMIT ?",
            Place.of(thread.number, place), Place.bounds(thread.number).last, max
        ) { row throws(SQLiteError) in
            (place: try row.int(0), id: try row.text(1), name: try row.optionalBlob(2), content: try row.blob(3))
        }
        for row in rows {
            var name: [UInt8]?
            if let old = row.name { name = try transaction.reseal(old, in: cell("name", row.id), of: thread.object) }
            try transaction.connection.execute(
                "UPDATE nodes_messages SET name = ?, content = ? WHERE place = ?", name,
                transaction.reseal(row.content, in: cell("content", row.id), of: thread.object), row.place)
        }
        guard rows.count == max, let last = rows.last else { return nil }
        return Place.index(last.place)
    }
}

extension FileTables {
    static func reseal(_ file: FileOutline, in transaction: any TenantTransaction) throws(SQLiteError) {
        let sheet = try transaction.connection.first("SELECT sheet FROM nodes_files WHERE number = ?", file.number) {
            row throws(SQLiteError) in try row.blob(0)
        }
        try transaction.connection.execute(
            "UPDATE nodes_files SET sheet = ? WHERE number = ?",
            transaction.reseal(sheet ?? [], in: cell(file.id), of: file.object), file.number)
    }

    /// - Parameter first: the chunk to go on with.
    /// - Returns: where the next step goes on; `nil` at the end.
    static func resealChunks(
        _ file: FileOutline, from first: Int, max: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Int? {
        let count = FileChunk.count(ofBytes: file.bytes)
        for index in first..<min(first + max, count) {
            let place = Place.of(file.number, index)
            let sealed = try transaction.connection.first("SELECT content FROM nodes_chunks WHERE place = ?", place) {
                row throws(SQLiteError) in try row.blob(0)
            }
            guard let sealed else {
                throw SQLiteError(.corrupt, message: "a chunk of \(file.id) is missing", subject: "nodes_chunks")
            }
            let cell = FileChunk.cell(file.id, index, isLast: index == count - 1)
            try transaction.connection.execute(
                "UPDATE nodes_chunks SET content = ? WHERE place = ?",
                transaction.reseal(sealed, in: cell, of: file.object), place)
        }
        return first + max < count ? first + max : nil
    }
}

extension NodeTables {
    /// Every version of a node, of which there are few.
    static func reseal(_ id: String, in transaction: any TenantTransaction) throws(SQLiteError) {
        let rows = try transaction.connection.query(
            "SELECT version, configuration FROM nodes_versions WHERE node_id = ?", id
        ) { row throws(SQLiteError) in (version: try row.int(0), sealed: try row.blob(1)) }
        for row in rows {
            try transaction.connection.execute(
                "UPDATE nodes_versions SET configuration = ? WHERE node_id = ? AND version = ?",
                transaction.reseal(row.sealed, in: cell(id, row.version), of: ObjectID(id)), id, row.version)
        }
    }
}
