// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Platform
import SQLite
import Synchronization

/// A database and the one thread that uses it.
final class DatabaseThread: Sendable {
    let file: SealedFile
    private let connection: SQLiteConnection
    private let worker: Worker
    /// Counts transactions that may have changed something.
    private let transactions = Atomic<Int>(0)

    /// - Parameter mayCreate: makes the file; otherwise one that is not there was lost.
    init(_ file: SealedFile, mayCreate: Bool) throws(StartFailure) {
        do {
            connection = try file.connect(mayCreate: mayCreate)
            worker = try Worker(name: "store", queueMax: Store.queueMax)
        } catch let error as SQLiteError {
            throw StartFailure(error, path: file.path)
        } catch {
            throw StartFailure("the database \(file.path) cannot be opened: \(error)")
        }
        self.file = file
        let connection = connection
        // The first work in the mailbox: from here on the connection belongs to that thread.
        try? worker.post { connection.adopt() }
    }

    func write<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) async throws(DatabaseFailure) -> Result {
        do throws(Worker.Failure<SQLiteError>) {
            return try await worker.run(throwing: transaction(body))
        } catch {
            throw DatabaseFailure(error)
        }
    }

    func writeBlocking<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) throws(DatabaseFailure) -> Result {
        try runBlocking(transaction(body))
    }

    /// Grows with every piece of work: what is equal has not changed.
    var changes: Int { transactions.load(ordering: .relaxed) }

    func migrate(_ migrations: SQLiteMigrations) throws(DatabaseFailure) {
        let connection = connection
        try runBlocking { () throws(SQLiteError) in try connection.migrate([migrations]) }
    }

    /// Seals every page with the key in use, a piece at a time between other work. Blocks, not on this database's thread.
    ///
    /// - Parameter progress: told of each piece, with the pages it has changed.
    func rewritePages(progress: @Sendable (Int) -> Void) throws(DatabaseFailure) {
        let connection = connection
        var rewriter = try runBlocking { () throws(SQLiteError) in try PageRewriter(connection) }
        var isDone = false
        while !isDone {
            let last = rewriter
            (rewriter, isDone) = try runBlocking { () throws(SQLiteError) in
                var next = last
                let isDone = try next.step()
                return (next, isDone)
            }
            progress(rewriter.pagesDone - last.pagesDone)
        }
    }

    /// The file as it stands, for a copy; writing goes on in the log as long as that lives.
    func snapshot() throws(DatabaseFailure) -> FileSnapshot {
        let (connection, file) = (connection, file)
        return try runBlocking { () throws(SQLiteError) in
            try FileSnapshot(connection) { () throws(SQLiteError) in try file.connect() }
        }
    }

    /// Does what waits, then ends the thread and closes the file.
    func stop() {
        let connection = connection
        try? worker.post { try? connection.checkpoint() }
        worker.stop()
        worker.join()
    }

    private func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) -> @Sendable () throws(SQLiteError) -> Result {
        let connection = connection
        transactions.wrappingAdd(1, ordering: .relaxed)
        return { () throws(SQLiteError) in
            try connection.transaction { () throws(SQLiteError) in try body(connection) }
        }
    }

    private func runBlocking<Result: Sendable>(
        _ body: @escaping @Sendable () throws(SQLiteError) -> Result
    ) throws(DatabaseFailure) -> Result {
        do throws(Worker.Failure<SQLiteError>) {
            return try worker.runBlocking(throwing: body)
        } catch {
            throw DatabaseFailure(error)
        }
    }
}

extension DatabaseFailure {
    init(_ failure: Worker.Failure<SQLiteError>) {
        switch failure {
        case .refused: self = .busy
        case .failed(let error): self.init(error)
        }
    }
}
