// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// `control.db` in memory, which a test can have fail.
final class MemoryDatabase: Database, Sendable {
    private struct State {
        let connection: SQLiteConnection
        var fails = false
        var writes = 0
    }

    private let state: Monitor<State>

    init(_ migrations: SQLiteMigrations) throws {
        let connection = try SQLiteConnection.inMemory()
        try connection.migrate([migrations])
        state = Monitor(State(connection: connection))
    }

    /// Whether the disk is full.
    var fails: Bool {
        get { state.withLock { $0.fails } }
        set { state.withLock { $0.fails = newValue } }
    }

    /// Transactions that were run.
    var writes: Int { state.withLock { $0.writes } }

    func write<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) async throws(DatabaseFailure) -> Result {
        try writeBlocking(body)
    }

    func writeBlocking<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) throws(DatabaseFailure) -> Result {
        try state.withLock { state throws(DatabaseFailure) in
            guard !state.fails else { throw .full }
            state.writes += 1
            state.connection.adopt()
            do throws(SQLiteError) {
                return try state.connection.transaction { () throws(SQLiteError) in try body(state.connection) }
            } catch {
                throw .failed(error)
            }
        }
    }

    /// Its tables were made with it.
    func migrate(_ migrations: SQLiteMigrations) throws(DatabaseFailure) {}
}
