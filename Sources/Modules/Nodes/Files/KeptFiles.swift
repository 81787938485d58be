// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// The tenant's files for other modules: what `/v1/files` does, without a form and without a download.
struct KeptFiles: TenantFiles {
    let context: NodesContext

    /// Chunks that are read or written at once.
    private static let chunksPerStep = 16

    func read(_ id: String, for exchange: Exchange, bytesMax: Int) async throws(Failure) -> StoredFile {
        try requireScope(exchange)
        let database = try context.database(of: exchange)
        let owners = context.reached(by: exchange)
        let file = try await database.look { transaction throws(SQLiteError) in
            try FileTables.find(id, of: owners, in: transaction).map(Verdict.success) ?? .failure(.absent)
        }
        guard file.outline.bytes <= bytesMax else {
            throw Failure(.payloadTooLarge, "the files have more than \(bytesMax) bytes together", param: "files")
        }
        var content: [UInt8] = []
        let count = FileChunk.count(ofBytes: file.outline.bytes)
        for first in stride(from: 0, to: count, by: Self.chunksPerStep) {
            let wanted = first..<min(first + Self.chunksPerStep, count)
            let chunks = try await database.look { transaction throws(SQLiteError) in
                try FileTables.content(of: id, chunks: wanted, in: transaction).map(Verdict.success)
                    ?? .failure(.absent)
            }
            for chunk in chunks { content += chunk }
        }
        return StoredFile(name: file.filename, mediaType: file.mediaType, content: content)
    }

    func admit(_ exchange: Exchange) async throws(Failure) {
        try requireScope(exchange)
        try NodesContext.refuseZeroRetention(exchange)
        let context = context
        try await context.database(of: exchange).look { transaction throws(SQLiteError) -> Verdict<Void> in
            switch try context.capture(.files, under: .files, in: transaction) {
            case .failure(let refusal): .failure(refusal)
            case .success: .success(())
            }
        }
    }

    func keep(_ file: StoredFile, for exchange: Exchange) async throws(Failure) -> String {
        try requireScope(exchange)
        try NodesContext.refuseZeroRetention(exchange)
        guard file.content.count <= context.settings.fileBytesMax else {
            throw Failure(.payloadTooLarge, "a file has at most \(context.settings.fileBytesMax) bytes")
        }
        let database = try context.database(of: exchange)
        let id = ULID.make(prefix: FileRecord.prefix, at: context.now())
        try context.uploads.begin(id, of: database.tenant)
        defer { context.uploads.end(id) }
        do throws(Failure) {
            try await write(file, id, by: exchange.actor, in: database)
        } catch {
            // If this fails too, the sweeper finds half a file that nobody is uploading.
            try? await Deletion(database: database).deleteFile(id)
            throw error
        }
        return id
    }

    /// Begun, filled and made whole with consent, asked in each transaction: from a withdrawal on nothing more reaches the
    /// disk.
    private func write(
        _ file: StoredFile, _ id: String, by actor: String, in database: any TenantDatabase
    ) async throws(Failure) {
        let (context, now) = (context, context.now())
        let content = file.content
        let count = FileChunk.count(ofBytes: content.count)
        for first in stride(from: 0, to: count, by: Self.chunksPerStep) {
            let last = min(first + Self.chunksPerStep, count)
            let chunks = (first..<last).map { index in
                Array(content[index * FileChunk.bytes..<min((index + 1) * FileChunk.bytes, content.count)])
            }
            try await database.change { transaction throws(SQLiteError) -> Verdict<Void> in
                let retention: Retention
                switch try context.capture(.files, under: .files, in: transaction) {
                case .failure(let refusal): return .failure(refusal)
                case .success(let period): retention = period
                }
                if first == 0 { try FileTables.begin(id, by: actor, at: now, in: transaction) }
                guard try FileTables.append(chunks, first: first, endsFile: last == count, to: id, in: transaction)
                else { return .failure(.absent) }
                guard last == count else { return .success(()) }
                try FileTables.finish(
                    id, filename: file.name, mediaType: file.mediaType, purpose: .userData, expiresAfterSeconds: nil,
                    in: transaction)
                context.schedule.note(transaction.tenant, due: now + .seconds(retention.seconds))
                return .success(())
            }
        }
    }

    private func requireScope(_ exchange: Exchange) throws(Failure) {
        guard exchange.principal?.scopes.contains(.files) == true else {
            throw Failure(.insufficientScope, "this key lacks the scope files, which kept files need")
        }
    }
}
