// SPDX-License-Identifier: Apache-2.0

package import Core
import Crypto
import Platform
package import SQLite
package import Synchronization

/// A tenant's database in memory, with seals that a test can read: a sealed value says whose it is and where it belongs,
/// and opens nowhere else.
package final class TestTenant: TenantDatabase {
    package let tenant: TenantID
    /// Set by a test: then the disk is full.
    package let fails = Mutex(false)
    private let state: Mutex<State>

    /// Set by a test: a file that has no room is as large as it may be.
    package var quota: Bool {
        get { state.withLock { $0.quota } }
        set { state.withLock { $0.quota = newValue } }
    }

    private struct State {
        let connection: SQLiteConnection
        var quota = false
        var keys: Set<ObjectID> = []
        var generation = 1
    }

    package init(_ name: String = "ten_test", _ migrations: [SQLiteMigrations]) throws {
        tenant = TenantID(name)
        let connection = try SQLiteConnection.inMemory()
        try connection.migrate(migrations)
        state = Mutex(State(connection: connection))
    }

    /// Which of its keys seals; all open.
    package var generation: Int {
        get { state.withLock { $0.generation } }
        set { state.withLock { $0.generation = newValue } }
    }

    /// The objects that have a key.
    package var keys: Set<ObjectID> { state.withLock { $0.keys } }

    package func read<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R
    ) async throws(DatabaseFailure) -> R {
        try run(body)
    }

    package func write<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R
    ) async throws(DatabaseFailure) -> R {
        try run(body)
    }

    /// The same for a test that does not wait.
    package func run<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R
    ) throws(DatabaseFailure) -> R {
        if fails.withLock({ $0 }) { throw .full }
        let tenant = tenant
        let result: Result<R, SQLiteError> = state.withLock { state in
            state.connection.adopt()
            let transaction = TestTransaction(
                tenant: tenant, connection: state.connection, keys: state.keys, generation: state.generation)
            do throws(SQLiteError) {
                let value = try state.connection.transaction { () throws(SQLiteError) in try body(transaction) }
                state.keys = transaction.keys
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        do throws(SQLiteError) {
            return try result.get()
        } catch {
            throw error.kind == .full && quota ? .quota(bytesMax: 0) : .failed(error)
        }
    }

    /// One number.
    package func count(_ sql: String) throws -> Int {
        try run { transaction throws(SQLiteError) in
            try transaction.connection.first(sql) { row throws(SQLiteError) in try row.int(0) } ?? -1
        }
    }
}

private final class TestTransaction: TenantTransaction {
    let tenant: TenantID
    let connection: SQLiteConnection
    var keys: Set<ObjectID>
    private let generation: Int

    init(tenant: TenantID, connection: SQLiteConnection, keys: Set<ObjectID>, generation: Int) {
        self.generation = generation
        self.tenant = tenant
        self.connection = connection
        self.keys = keys
    }

    func createKey(of object: ObjectID) throws(SQLiteError) { keys.insert(object) }

    func seal(_ plain: [UInt8], in cell: Cell, of object: ObjectID) throws(SQLiteError) -> [UInt8] {
        try require(object)
        return place(cell, object) + Array("\(generation):".utf8) + plain
    }

    func open(_ sealed: Span<UInt8>, in cell: Cell, of object: ObjectID) throws(SQLiteError) -> [UInt8] {
        try require(object)
        let (sealed, place) = (sealed.indices.map { sealed[$0] }, place(cell, object))
        guard sealed.starts(with: place) else {
            throw SQLiteError(.corrupt, message: "sealed for another place", subject: "")
        }
        return Array(sealed.dropFirst(place.count).drop { $0 != UInt8(ascii: ":") }.dropFirst())
    }

    func erase(_ object: ObjectID) throws(SQLiteError) { keys.remove(object) }

    func isErased(_ object: ObjectID) throws(SQLiteError) -> Bool { !keys.contains(object) }

    func objects(after object: ObjectID?, limit: Int) throws(SQLiteError) -> [ObjectID] {
        let behind = keys.map(\.text).filter { $0 > object?.text ?? "" }.sorted()
        return behind.prefix(limit).map { ObjectID($0) }
    }

    func digest(_ label: StaticString, _ text: String) -> [UInt8] {
        Array(SHA256.digest(Array("\(tenant.text)|\(label)|\(text)".utf8)).bytes.prefix(16))
    }

    private func require(_ object: ObjectID) throws(SQLiteError) {
        guard keys.contains(object) else { throw SQLiteError(.erased, message: "no key", subject: object.text) }
    }

    private func place(_ cell: Cell, _ object: ObjectID) -> [UInt8] {
        Array("<\(tenant.text) \(object.text) \(cell.table).\(cell.column) \(cell.row) \(cell.version)>".utf8)
    }
}
