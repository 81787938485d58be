// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// Deletes for good: rows, key, and what is left of rows, in transactions of bounded size. When one of these returns,
/// nothing is left.
struct Deletion: Sendable {
    let database: any TenantDatabase

    /// Threads that one transaction deletes.
    static let threadsPerStep = 32

    /// - Parameter owners: whose; anybody else's is not found.
    func deleteThread(_ id: String, of owners: Owners) async throws(Failure) {
        try await database.change { transaction throws(SQLiteError) -> Verdict<Void> in
            guard let thread = try ThreadTables.outline(id, of: owners, in: transaction) else {
                return .failure(.absent)
            }
            try ThreadTables.delete(thread, in: transaction)
            return .success(())
        }
        try await purge()
    }

    /// Deletes the threads that a filter means, at most ``NodesLimits/deletedThreadsMax``.
    ///
    /// - Returns: how many, and whether there are more.
    func deleteThreads(_ filter: ThreadFilter) async throws(Failure) -> (count: Int, hasMore: Bool) {
        var count = 0
        var hasMore = true
        while hasMore, count < NodesLimits.deletedThreadsMax {
            let step = try await database.change { transaction throws(SQLiteError) in
                .success(try Self.step(filter, in: transaction))
            }
            count += step.count
            hasMore = step.hasMore
        }
        try await purge()
        return (count, hasMore)
    }

    /// Deletes a node and its threads. The node goes last, with the last of its threads: what a crash leaves is a node that
    /// can be deleted again.
    ///
    /// - Returns: its id.
    func deleteNode(_ idOrAlias: String) async throws(Failure) -> String {
        while true {
            let (id, isDone) = try await database.change {
                transaction throws(SQLiteError) -> Verdict<(String, Bool)> in
                guard let id = try NodeTables.id(of: idOrAlias, in: transaction) else { return .failure(.absent) }
                let step = try Self.step(ThreadFilter(nodeID: id), in: transaction)
                if !step.hasMore { try NodeTables.delete(id, in: transaction) }
                return .success((id, !step.hasMore))
            }
            guard !isDone else {
                try await purge()
                return id
            }
        }
    }

    /// Deletes a file, whole or half uploaded.
    func deleteFile(_ id: String) async throws(Failure) {
        try await database.change { transaction throws(SQLiteError) -> Verdict<Void> in
            guard let file = try FileTables.outline(id, in: transaction) else { return .failure(.absent) }
            try FileTables.delete(file, in: transaction)
            return .success(())
        }
        try await purge()
    }

    /// Deletes the rows that deletions have left.
    func purge() async throws(Failure) {
        var hasMore = true
        while hasMore {
            hasMore = try await database.change { transaction throws(SQLiteError) in
                .success(try Remains.step(in: transaction))
            }
        }
    }

    private static func step(
        _ filter: ThreadFilter, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> (count: Int, hasMore: Bool) {
        let slice = try ThreadTables.outlines(filter, Page(limit: threadsPerStep), in: transaction)
        for thread in slice.elements { try ThreadTables.delete(thread, in: transaction) }
        return (slice.elements.count, slice.hasMore)
    }
}
