// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import SQLite

/// What a tenant takes away of its nodes, threads, files and consents.
struct NodesArchive: Sendable {
    let context: NodesContext

    /// Chunks of a file that are read at once.
    private static let chunksPerStep = 16
    private static let consentsMax = 10_000

    var parts: [ArchivePart] {
        [
            ArchivePart("consents", "consents: given and withdrawn, when and by whom", tables: ["nodes_consents"]) {
                tenant, archive async throws(Failure) in try await consents(tenant, archive)
            },
            ArchivePart(
                "nodes", "nodes with every version that is kept", tables: ["nodes_nodes", "nodes_versions"]
            ) { tenant, archive async throws(Failure) in try await nodes(tenant, archive) },
            ArchivePart(
                "threads", "threads, each followed by its messages", tables: ["nodes_threads", "nodes_messages"]
            ) { tenant, archive async throws(Failure) in try await threads(tenant, archive) },
            ArchivePart("runs", "asynchronous runs and what they came to", tables: ["nodes_invocations"]) {
                tenant, archive async throws(Failure) in try await runs(tenant, archive)
            },
            ArchivePart("access", "when an operator read a thread, and why", tables: ["nodes_access"]) {
                tenant, archive async throws(Failure) in
                let database = try database(tenant)
                try await archive.pages(
                    { page async throws(Failure) in
                        try await database.look { transaction throws(SQLiteError) in
                            .success(try AccessRecord.list(page, in: transaction))
                        }
                    }, cursor: \.id, \.json)
            },
            ArchivePart("files", "files; their content lies in files/", tables: ["nodes_files", "nodes_chunks"]) {
                tenant, archive async throws(Failure) in try await files(tenant, archive)
            },
        ]
    }

    /// Tables of a tenant that hold nothing to take away, and why.
    static let passedOver = [
        "nodes_creations": "digests by which a repeated creation is recognised for a day",
        "nodes_remains": "what is left to delete of what was deleted",
    ]

    private func database(_ tenant: TenantID) throws(Failure) -> any TenantDatabase {
        try context.store.database(of: tenant, actor: "export")
    }

    private func consents(_ tenant: TenantID, _ archive: TenantArchive) async throws(Failure) {
        let database = try database(tenant)
        for scope in ConsentScope.allCases {
            let history = try await database.look { transaction throws(SQLiteError) in
                .success(try ConsentBook().history(of: scope, in: transaction, max: Self.consentsMax))
            }
            for consent in history { try await archive.add(consent.json) }
        }
    }

    private func nodes(_ tenant: TenantID, _ archive: TenantArchive) async throws(Failure) {
        let database = try database(tenant)
        var page = Page(limit: Page.limitMax, order: .ascending)
        while true {
            let wanted = page
            let slice = try await database.look { transaction throws(SQLiteError) in
                .success(try NodeTables.list(wanted, in: transaction))
            }
            for node in slice.elements {
                try await archive.add(node.json)
                try await archive.pages(
                    { page async throws(Failure) in
                        let bound = try page.placeBound()
                        return try await database.look { transaction throws(SQLiteError) in
                            .success(try NodeTables.versions(of: node.id, page, after: bound, in: transaction))
                        }
                    }, cursor: { String($0.version) }, \.json)
            }
            guard slice.hasMore, let last = slice.elements.last else { return }
            page.after = last.id
        }
    }

    private func threads(_ tenant: TenantID, _ archive: TenantArchive) async throws(Failure) {
        let database = try database(tenant)
        var page = Page(limit: Page.limitMax, order: .ascending)
        while true {
            let wanted = page
            let slice = try await database.look { transaction throws(SQLiteError) in
                .success(try ThreadTables.list(ThreadFilter(), wanted, in: transaction))
            }
            for thread in slice.elements {
                try await archive.add(thread.json)
                try await archive.pages(
                    { page async throws(Failure) in
                        let bound = try page.placeBound()
                        return try await database.look { transaction throws(SQLiteError) in
                            .success(
                                try MessageTables.list(of: thread.outline, page, after: bound, in: transaction))
                        }
                    }, cursor: { String($0.sequence) }, \.json)
            }
            guard slice.hasMore, let last = slice.elements.last else { return }
            page.after = last.id
        }
    }

    private func runs(_ tenant: TenantID, _ archive: TenantArchive) async throws(Failure) {
        let database = try database(tenant)
        try await archive.pages(
            { page async throws(Failure) in
                let sql = page.sql("id")
                return try await database.look { transaction throws(SQLiteError) in
                    let ids = try transaction.connection.query(
                        "SELECT id FROM nodes_invocations WHERE \(sql.condition) \(sql.order) LIMIT ?2", page.idBound,
                        page.limit + 1
                    ) { row throws(SQLiteError) in try row.text(0) }
                    let slice = Slice(ids, of: page)
                    var views: [InvocationView] = []
                    for id in slice.elements {
                        if let view = try InvocationTables.find(id, in: transaction) { views.append(view) }
                    }
                    return .success(Slice(views, hasMore: slice.hasMore))
                }
            }, cursor: \.id, \.json)
    }

    private func files(_ tenant: TenantID, _ archive: TenantArchive) async throws(Failure) {
        let database = try database(tenant)
        var page = Page(limit: Page.limitMax, order: .ascending)
        while true {
            let wanted = page
            let slice = try await database.look { transaction throws(SQLiteError) in
                .success(try FileTables.list(of: .everybody, purpose: nil, wanted, in: transaction))
            }
            for file in slice.elements { try await archive.add(file.json) }
            // The lines first: a file of its own cannot stand in the middle of another.
            try await archive.end()
            for file in slice.elements { try await content(of: file, database, archive) }
            guard slice.hasMore, let last = slice.elements.last else { return }
            page.after = last.id
        }
    }

    private func content(
        of file: FileRecord, _ database: any TenantDatabase, _ archive: TenantArchive
    ) async throws(Failure) {
        let (id, count) = (file.id, FileChunk.count(ofBytes: file.outline.bytes))
        // One that was deleted since it was listed is not in the archive.
        guard var chunks = try await read(id, 0, count, database) else { return }
        try await archive.beginFile("files/\(id)", bytes: file.outline.bytes)
        var next = chunks.count
        while true {
            for chunk in chunks where !chunk.isEmpty { try await archive.write(chunk) }
            guard next < count else { break }
            guard let more = try await read(id, next, count, database) else { throw Failure.absent }
            chunks = more
            next += chunks.count
        }
        try await archive.endFile(bytes: file.outline.bytes)
    }

    private func read(
        _ id: String, _ first: Int, _ count: Int, _ database: any TenantDatabase
    ) async throws(Failure) -> [[UInt8]]? {
        let range = first..<min(first + Self.chunksPerStep, count)
        return try await database.look { transaction throws(SQLiteError) in
            .success(try FileTables.content(of: id, chunks: range, in: transaction))
        }
    }
}
