// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import HTTP
import Platform
import SQLite

/// One upload, from its first byte to a file that can be seen: begun with consent, filled a megabyte a transaction, made
/// whole with consent still there. Whatever ends it early takes away what it has written.
struct FileUpload {
    let context: NodesContext
    let exchange: Exchange

    /// Chunks that are written at once.
    private static let chunksPerStep = 16
    /// What a form has around its file.
    private static let formBytesMax = 64 << 10

    func run() async throws(Failure) -> FileRecord {
        let head = exchange.request.head
        let bytesMax = context.settings.fileBytesMax
        var form = try UploadForm(contentType: head.fields["content-type"], fileBytesMax: bytesMax)
        if case .length(let bytes) = head.framing, bytes > bytesMax + Self.formBytesMax {
            throw Failure(.payloadTooLarge, "a file has at most \(bytesMax) bytes", param: "file")
        }
        // Of a body that does not say its length, the most that it may have.
        let atMost: Int = if case .length(let bytes) = head.framing { bytes } else { bytesMax }
        let charge = try await exchange.charge(.file, atMost: min(atMost, bytesMax))
        try await exchange.advance(through: .record)
        let database = try context.database(of: exchange)
        let id = ULID.make(prefix: FileRecord.prefix, at: context.now())
        try context.uploads.begin(id, of: database.tenant)
        defer { context.uploads.end(id) }
        try await begin(id, in: database)
        do throws(Failure) {
            let file = try await fill(id, &form, in: database)
            charge?.settle(file.outline.bytes)
            // Another upload with the same Idempotency-Key was first.
            if file.id != id { try await Deletion(database: database).deleteFile(id) }
            return file
        } catch {
            // If this fails too, the sweeper finds half a file that nobody is uploading.
            try? await Deletion(database: database).deleteFile(id)
            throw error
        }
    }

    private func begin(_ id: String, in database: any TenantDatabase) async throws(Failure) {
        let (context, actor, now) = (context, exchange.actor, context.now())
        try await database.change { transaction throws(SQLiteError) -> Verdict<Void> in
            switch try context.capture(.files, under: .files, in: transaction) {
            case .failure(let refusal): return .failure(refusal)
            case .success:
                try FileTables.begin(id, by: actor, at: now, in: transaction)
                return .success(())
            }
        }
    }

    private func fill(
        _ id: String, _ form: inout UploadForm, in database: any TenantDatabase
    ) async throws(Failure) -> FileRecord {
        let context = context
        let bodyMax = context.settings.fileBytesMax + Self.formBytesMax
        var digest = SHA256()
        var waiting: [[UInt8]] = []
        var index = 0
        var bodyBytes = 0
        while let bytes = try await exchange.nextChunk(max: bodyMax) {
            bodyBytes += bytes.count
            guard bodyBytes <= bodyMax else { throw Failure(.payloadTooLarge, "the form is too large") }
            for chunk in try form.take(bytes) {
                digest.update(chunk.span)
                waiting.append(chunk)
            }
            guard waiting.count >= Self.chunksPerStep else { continue }
            let (chunks, first) = (waiting, index)
            try await database.change { transaction throws(SQLiteError) -> Verdict<Void> in
                // Asked with each piece: from the withdrawal on nothing more reaches the disk.
                if case .failure(let refusal) = try context.capture(.files, under: .files, in: transaction) {
                    return .failure(refusal)
                }
                let isThere = try FileTables.append(chunks, first: first, endsFile: false, to: id, in: transaction)
                return isThere ? .success(()) : .failure(.absent)
            }
            index += chunks.count
            waiting = []
        }
        let last = try form.finish()
        digest.update(last.span)
        return try await finish(
            id, form, waiting + [last], first: index, content: digest.finish(), in: database)
    }

    private func finish(
        _ id: String, _ form: UploadForm, _ chunks: [[UInt8]], first: Int, content: Digest,
        in database: any TenantDatabase
    ) async throws(Failure) -> FileRecord {
        let key = try IdempotencyKey(exchange, body: form.digest(content: content))
        let (context, now, owners) = (context, context.now(), context.reached(by: exchange))
        return try await database.change { transaction throws(SQLiteError) -> Verdict<FileRecord> in
            // Asked again: consent may have been withdrawn while the bytes came in.
            let retention: Retention
            switch try context.capture(.files, under: .files, in: transaction) {
            case .failure(let refusal): return .failure(refusal)
            case .success(let period): retention = period
            }
            if let key {
                switch try key.earlier(in: transaction, at: now) {
                case .failure(let refusal): return .failure(refusal)
                case .success(let earlier):
                    if let earlier, let file = try FileTables.find(earlier, of: owners, in: transaction) {
                        return .success(file)
                    }
                }
            }
            guard try FileTables.append(chunks, first: first, endsFile: true, to: id, in: transaction) else {
                return .failure(.absent)
            }
            try FileTables.finish(id, form, in: transaction)
            try key?.remember(id, in: transaction, at: now)
            let seconds = min(retention.seconds, form.expiresAfterSeconds ?? .max)
            context.schedule.note(transaction.tenant, due: now + .seconds(seconds))
            return try FileTables.find(id, of: owners, in: transaction).map(Verdict.success) ?? .failure(.absent)
        }
    }
}

extension UploadForm {
    /// What tells two uploads apart: not the boundary, which a client makes up anew each time.
    fileprivate func digest(content: Digest) -> Digest {
        let text = [
            Hex.encode(content.bytes), filename ?? "", mediaType ?? "", purpose?.rawValue ?? "",
            expiresAfterSeconds.map(String.init) ?? "",
        ]
        return SHA256.digest(Array(text.joined(separator: "\n").utf8))
    }
}
