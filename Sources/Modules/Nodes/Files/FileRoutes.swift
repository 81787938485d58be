// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import SQLite

/// `/v1/files`: OpenAI's routes for files, kept sealed and only with consent.
struct FileRoutes: Sendable {
    let context: NodesContext

    var all: [Route] { [create, list, show, delete, content] }

    private var create: Route {
        Route(
            .post, "/v1/files", guard: .keyOrSession(.files, .member),
            summary: "Upload a file (multipart/form-data: file, purpose)"
        ) { exchange async throws(Failure) in
            try NodesContext.refuseZeroRetention(exchange)
            let file = try await FileUpload(context: context, exchange: exchange).run()
            return .json(.object(file.json))
        }
    }

    /// OpenAI's clients may ask for ten thousand at once; they get a page and go on from there.
    private var list: Route {
        Route(
            .get, "/v1/files", guard: .keyOrSession(.files, .member),
            summary: "The tenant's files, the newest first; a member's own"
        ) {
            exchange async throws(Failure) in
            let query = try Query(exchange, known: Page.names + ["purpose"])
            var page = try Page(query, limitMax: 10_000)
            page.limit = min(page.limit, Page.limitMax)
            let purpose = query["purpose"].map(FilePurpose.init(rawValue:))
            if case .some(.none) = purpose {
                throw Failure(.invalidParameter, "is none of the purposes", param: "purpose")
            }
            let (wanted, filter, owners) = (page, purpose ?? nil, context.reached(by: exchange))
            let slice = try await context.database(of: exchange).look { transaction throws(SQLiteError) in
                .success(try FileTables.list(of: owners, purpose: filter, wanted, in: transaction))
            }
            var json = slice.json(cursor: \.id, \.json)
            json["first_id"] = slice.elements.first.map { .string($0.id) } ?? .null
            json["last_id"] = slice.elements.last.map { .string($0.id) } ?? .null
            return .json(.object(json))
        }
    }

    private var show: Route {
        Route(.get, "/v1/files/{id}", guard: .keyOrSession(.files, .member), summary: "A file without its content") {
            exchange async throws(Failure) in
            .json(.object(try await find(exchange).json))
        }
    }

    private var delete: Route {
        Route(.delete, "/v1/files/{id}", guard: .keyOrSession(.files, .member), summary: "Delete a file for good") {
            exchange async throws(Failure) in
            let file = try await find(exchange)
            try await exchange.advance(through: .record)
            try await Deletion(database: context.database(of: exchange)).deleteFile(file.id)
            return .json(["id": .string(file.id), "object": "file", "deleted": true])
        }
    }

    private var content: Route {
        Route(
            .get, "/v1/files/{id}/content", guard: .keyOrSession(.files, .member),
            summary: "A file's content, or a range of it"
        ) {
            exchange async throws(Failure) in
            try await exchange.advance(through: .record)
            let file = try await find(exchange)
            return try await FileDownload(file, context: context, exchange: exchange).run()
        }
    }

    private func find(_ exchange: Exchange) async throws(Failure) -> FileRecord {
        let (id, owners) = (exchange.parameters["id"] ?? "", context.reached(by: exchange))
        return try await context.database(of: exchange).look { transaction throws(SQLiteError) in
            try FileTables.find(id, of: owners, in: transaction).map(Verdict.success) ?? .failure(.absent)
        }
    }
}
