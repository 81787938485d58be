// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform
import SQLite

/// Files in a tenant's database. Every function is one step of a transaction.
enum FileTables {
    // MARK: Finding

    /// A file that is whole.
    ///
    /// - Parameter owners: whose; anybody else's is not found.
    static func find(
        _ id: String, of owners: Owners, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> FileRecord? {
        guard ULID.isValid(id, prefix: FileRecord.prefix) else { return nil }
        let row = try transaction.connection.first(
            "SELECT \(Row.columns) FROM nodes_files WHERE id = ? AND is_whole = 1", id
        ) { row throws(SQLiteError) in try Row(row) }
        guard let row, owners.include(row.outline.owner) else { return nil }
        return try row.opened(in: transaction)
    }

    /// A file, whole or not, without its name.
    static func outline(_ id: String, in transaction: any TenantTransaction) throws(SQLiteError) -> FileOutline? {
        guard ULID.isValid(id, prefix: FileRecord.prefix) else { return nil }
        return try transaction.connection.first("SELECT \(Row.columns) FROM nodes_files WHERE id = ?", id) {
            row throws(SQLiteError) in try Row(row).outline
        }
    }

    static func list(
        of owners: Owners, purpose: FilePurpose?, _ page: Page, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Slice<FileRecord> {
        let sql = page.sql("id")
        let filter = purpose == nil ? "" : "purpose = ?2 AND"
        let (owner, ownerID) = owners.condition(3)
        let rows = try transaction.connection.query(
            """
            SELECT \(Row.columns) FROM nodes_files WHERE \(filter) \(owner) is_whole = 1 AND \(sql.condition)
            \(sql.order) LIMIT ?4
            """, page.idBound, purpose?.rawValue, ownerID, page.limit + 1
        ) { row throws(SQLiteError) in try Row(row) }
        var files: [FileRecord] = []
        for row in rows { files.append(try row.opened(in: transaction)) }
        return Slice(files, of: page)
    }

    /// Some files that have outlived their retention or their own term.
    static func aged(
        cutoff: WallTime, now: WallTime, max: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> [FileOutline] {
        try transaction.connection.query(
            """
            SELECT \(Row.columns) FROM nodes_files WHERE number IN (
                SELECT number FROM (SELECT number FROM nodes_files WHERE created_at <= ?1 ORDER BY created_at LIMIT ?3)
                UNION
                SELECT number FROM (
                    SELECT number FROM nodes_files WHERE expires_at <= ?2 ORDER BY expires_at LIMIT ?3))
            """, cutoff, now, max
        ) { row throws(SQLiteError) in try Row(row).outline }
    }

    /// Some files that are not whole, but for those of `ids`.
    static func halves(
        except ids: Set<String>, max: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> [FileOutline] {
        let halves = try transaction.connection.query(
            "SELECT \(Row.columns) FROM nodes_files WHERE is_whole = 0 LIMIT ?", max + ids.count
        ) { row throws(SQLiteError) in try Row(row).outline }
        return Array(halves.filter { !ids.contains($0.id) }.prefix(max))
    }

    /// When the oldest file was made, and when the first one that has a term ends.
    static func oldest(
        in transaction: any TenantTransaction
    ) throws(SQLiteError) -> (made: WallTime?, ends: WallTime?) {
        let connection = transaction.connection
        let made = try connection.first("SELECT created_at FROM nodes_files ORDER BY created_at LIMIT 1") {
            row throws(SQLiteError) in try row.time(0)
        }
        let ends = try connection.first(
            "SELECT expires_at FROM nodes_files WHERE expires_at IS NOT NULL ORDER BY expires_at LIMIT 1"
        ) { row throws(SQLiteError) in try row.time(0) }
        return (made, ends)
    }

    // MARK: Changing

    /// Begins a file; nobody sees it until it is whole.
    static func begin(
        _ id: String, by owner: String, at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        try transaction.createKey(of: ObjectID(id))
        try transaction.connection.execute(
            "INSERT INTO nodes_files (id, owner, purpose, bytes, is_whole, created_at) VALUES (?, ?, '', 0, 0, ?)", id,
            owner, now)
    }

    /// Adds chunks, `first` being the index of the first of them.
    ///
    /// - Returns: false where the file is gone.
    static func append(
        _ chunks: [[UInt8]], first: Int, endsFile: Bool, to id: String, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Bool {
        guard let file = try outline(id, in: transaction), !file.isWhole else { return false }
        for (offset, chunk) in chunks.enumerated() {
            let index = first + offset
            let cell = FileChunk.cell(id, index, isLast: endsFile && offset == chunks.count - 1)
            try transaction.connection.execute(
                "INSERT INTO nodes_chunks (place, content) VALUES (?, ?)", Place.of(file.number, index),
                transaction.seal(chunk, in: cell, of: file.object))
        }
        try transaction.connection.execute(
            "UPDATE nodes_files SET bytes = bytes + ? WHERE number = ?", chunks.reduce(0) { $0 + $1.count },
            file.number)
        return true
    }

    /// Makes a file whole: its name, and what it is for.
    static func finish(_ id: String, _ form: UploadForm, in transaction: any TenantTransaction) throws(SQLiteError) {
        try finish(
            id, filename: form.filename ?? "", mediaType: form.mediaType, purpose: form.purpose,
            expiresAfterSeconds: form.expiresAfterSeconds, in: transaction)
    }

    static func finish(
        _ id: String, filename: String, mediaType: String?, purpose: FilePurpose?, expiresAfterSeconds: Int?,
        in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        let sheet: JSONValue = [
            "filename": .string(filename), "media_type": mediaType.map(JSONValue.string) ?? .null,
        ]
        let sealed = try transaction.seal(sheet.serialized(), in: cell(id), of: ObjectID(id))
        try transaction.connection.execute(
            """
            UPDATE nodes_files SET sheet = ?1, purpose = ?2, is_whole = 1, expires_at = created_at + ?3 WHERE id = ?4
            """, sealed, purpose?.rawValue ?? "", expiresAfterSeconds.map { $0 * 1000 }, id)
    }

    /// Deletes a file and erases its key.
    static func delete(_ file: FileOutline, in transaction: any TenantTransaction) throws(SQLiteError) {
        try transaction.connection.execute("DELETE FROM nodes_files WHERE number = ?", file.number)
        try Remains.leave(
            .chunks, of: file.number, rows: FileChunk.count(ofBytes: file.bytes), bytes: file.bytes, in: transaction)
        try IdempotencyKey.forget(file.id, in: transaction)
        try transaction.erase(file.object)
    }

    // MARK: Content

    /// Some chunks of a file, from `first` on; nil where the file is gone.
    static func content(
        of id: String, chunks: Range<Int>, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> [[UInt8]]? {
        guard let file = try outline(id, in: transaction), file.isWhole else { return nil }
        let last = FileChunk.count(ofBytes: file.bytes) - 1
        let content = try transaction.connection.query(
            "SELECT place, content FROM nodes_chunks WHERE place BETWEEN ? AND ? ORDER BY place",
            Place.of(file.number, chunks.lowerBound), Place.of(file.number, chunks.upperBound - 1)
        ) { row throws(SQLiteError) in
            let index = Place.index(try row.int(0))
            return try transaction.open(
                1, of: row, in: FileChunk.cell(id, index, isLast: index == last), of: file.object)
        }
        guard content.count == chunks.count else {
            throw SQLiteError(.corrupt, message: "chunks of \(id) are missing", subject: "nodes_chunks")
        }
        return content
    }

    private struct Row {
        let outline: FileOutline
        private let sheet: [UInt8]?

        static let columns = "number, id, owner, purpose, bytes, is_whole, created_at, expires_at, sheet"

        init(_ row: borrowing SQLiteRow) throws(SQLiteError) {
            outline = FileOutline(
                number: try row.int(0), id: try row.text(1), owner: try row.text(2), purpose: try row.text(3),
                bytes: try row.int(4), isWhole: try row.bool(5), createdAt: try row.time(6),
                expiresAt: try row.optionalTime(7))
            sheet = try row.optionalBlob(8)
        }

        func opened(in transaction: any TenantTransaction) throws(SQLiteError) -> FileRecord {
            let plain = try transaction.open(sheet ?? [], in: FileTables.cell(outline.id), of: outline.object)
            guard let value = try? JSONValue(parsing: plain) else {
                throw SQLiteError(.corrupt, message: "the sheet of \(outline.id)", subject: "nodes_files")
            }
            return FileRecord(
                outline: outline, filename: value["filename"]?.string ?? "", mediaType: value["media_type"]?.string)
        }
    }

    static func cell(_ id: String) -> Cell { Cell(table: "nodes_files", column: "sheet", row: id) }
}
