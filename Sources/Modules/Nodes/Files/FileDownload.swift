// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import EventLoop
import HTTP
import SQLite

/// Sends a file's content, or a range of it (RFC 9110 §14), a megabyte at a time, as fast as the client takes it.
struct FileDownload {
    private let file: FileRecord
    private let context: NodesContext
    private let exchange: Exchange

    /// Chunks that are read at once.
    private static let chunksPerStep = 16

    init(_ file: FileRecord, context: NodesContext, exchange: Exchange) {
        self.file = file
        self.context = context
        self.exchange = exchange
    }

    func run() async throws(Failure) -> Reply {
        let head = exchange.request.head
        var status = 200
        var range = 0..<file.outline.bytes
        var fields = exchange.answerFields
        switch ByteRange(isRangeWanted(head) ? head.fields["range"] : nil, count: file.outline.bytes) {
        case .whole: break
        case .part(let part):
            status = 206
            range = part
            fields.append(
                "content-range", "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(file.outline.bytes)")
        case .unsatisfiable:
            var failure = Failure(.rangeNotSatisfiable, "the file has \(file.outline.bytes) bytes")
            failure.fields.append("content-range", "bytes */\(file.outline.bytes)")
            throw failure
        }
        fields.append("accept-ranges", "bytes")
        fields.append("etag", etag)
        fields.append("content-disposition", disposition)
        return try await send(range, status: status, fields)
    }

    private func send(
        _ range: Range<Int>, status: Int, _ fields: Fields
    ) async throws(Failure) -> Reply {
        _ = try await exchange.charge(.file, atMost: exchange.request.head.method == .head ? 0 : range.count)
        // Read before the answer begins, so that what is wrong with the first piece is still an answer.
        var rest = range
        let isHead = exchange.request.head.method == .head
        var piece = isHead || rest.isEmpty ? [] : try await take(&rest)
        do throws(IOFailure) {
            try exchange.begin(
                status: status, contentType: "application/octet-stream", length: range.count, fields)
        } catch {
            return .streamed
        }
        while !piece.isEmpty {
            let isWritten = await write(piece)
            guard isWritten else { return .streamed }
            piece = rest.isEmpty ? [] : try await take(&rest)
        }
        try? await exchange.response.finish()
        return .streamed
    }

    private func write(_ piece: [UInt8]) async -> Bool {
        do throws(IOFailure) {
            try await exchange.response.write(piece)
            return true
        } catch {
            return false
        }
    }

    /// Reads what lies in the next chunks, and moves the beginning of the range behind it.
    private func take(_ range: inout Range<Int>) async throws(Failure) -> [UInt8] {
        let first = range.lowerBound / FileChunk.bytes
        let end = min(first + Self.chunksPerStep, (range.upperBound - 1) / FileChunk.bytes + 1)
        let id = file.id
        // The database is asked for anew: from a suspension on, a download that is under way gets nothing more.
        let chunks = try await context.database(of: exchange).look { transaction throws(SQLiteError) in
            try FileTables.content(of: id, chunks: first..<end, in: transaction).map(Verdict.success)
                ?? .failure(.absent)
        }
        let bytes = Array(chunks.joined())
        let start = range.lowerBound - first * FileChunk.bytes
        let count = min(bytes.count - start, range.count)
        guard count > 0 else { throw Failure(.internal, "the store failed", cause: "\(id) is shorter than it says") }
        range = (range.lowerBound + count)..<range.upperBound
        return Array(bytes[start..<start + count])
    }

    /// With If-Range, a range is wanted only of this very file (RFC 9110 §13.1.5).
    private func isRangeWanted(_ head: RequestHead) -> Bool {
        head.fields["if-range"].map { $0 == etag } ?? true
    }

    /// A file never changes, so its id names its content.
    private var etag: String { "\"\(file.id)\"" }

    /// Always a download, and never of the type that its uploader claimed: what is shown in a browser could act in this
    /// server's name. The name is sent as RFC 8187 §3.2 writes it, which has no character that could end it.
    private var disposition: String {
        "attachment; filename*=UTF-8''" + Percent.encode(file.filename)
    }
}
