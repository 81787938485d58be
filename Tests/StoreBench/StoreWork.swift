// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import EventLoop
import Log
import Platform
import SQLite
import Store
import Support
import Synchronization

/// A tenant of a store, as a module uses it: from a loop, through the tenant's handle, content sealed.
struct StoreWork {
    private let store: Store
    private let database: any TenantDatabase
    private let rows: Int

    init(directory: String, rows: Int) throws {
        let configuration = try Configuration(
            text: """
                mode = "development"
                data = "\(directory)/data"
                [store]
                unlock = ["file:\(directory)/root.key"]
                """)
        guard let section = try configuration.section("store") else { throw Errno.noSuchFile }
        store = try Store(section, settings: try HouseSettings(configuration), log: .disabled)
        try store.start()
        try store.tenants.register(SQLiteMigrations(module: "bench", steps: [Plan.table]))
        let tenant = try store.tenants.ensureBlocking(name: "bench")
        database = try store.tenants.database(of: tenant.id, actor: "bench")
        self.rows = rows
    }

    func run() throws -> [Figure] {
        defer { store.stop(by: .now()) }
        let (database, rows) = (database, rows)
        let loop = try EventLoop(name: "bench")
        try loop.start()
        defer {
            loop.stop()
            loop.join()
        }
        let contents = Plan.contents(rows + Plan.singleTransactions)
        // Threads are there before their messages.
        try on(loop) {
            for start in stride(from: 0, through: (rows + Plan.singleTransactions) / Plan.rowsOfThread, by: 500) {
                try await database.write { transaction throws(SQLiteError) in
                    for thread in start..<(start + 500) { try transaction.createKey(of: Self.object(ofThread: thread)) }
                }
            }
        }
        return [
            try Figure("insert") {
                try on(loop) {
                    for start in stride(from: 0, to: rows, by: Plan.rowsOfTransaction) {
                        try await Self.insert(start..<min(start + Plan.rowsOfTransaction, rows), contents, database)
                    }
                }
            },
            try Figure("durable") {
                try on(loop) {
                    for row in rows..<(rows + Plan.singleTransactions) {
                        try await Self.insert(row..<(row + 1), contents, database)
                    }
                }
            },
            try Figure("scan") {
                try on(loop) {
                    var (last, count) = (0, 0)
                    while true {
                        let after = last
                        let found = try await database.read { transaction throws(SQLiteError) in
                            try Self.read(Plan.scan, [after], transaction)
                        }
                        guard let end = found.last else { break }
                        last = end.place
                        count += found.count
                    }
                    try require(count == rows + Plan.singleTransactions)
                }
            },
            try Figure("thread") {
                try on(loop) {
                    var generator = SeededGenerator(1)
                    for _ in 0..<Plan.threadReads {
                        let thread = generator.below(rows / Plan.rowsOfThread) + 1
                        let found = try await database.read { transaction throws(SQLiteError) in
                            try Self.read(Plan.thread, [thread << 24, thread << 24 | 0xFF_FFFF], transaction)
                        }
                        try require(found.count == Plan.rowsOfThreadRead)
                    }
                }
            },
            try Figure("point") {
                try on(loop) {
                    var generator = SeededGenerator(2)
                    for _ in 0..<(Plan.pointReads / Plan.pointsOfRead) {
                        let points = (0..<Plan.pointsOfRead).map { _ in generator.below(rows) }
                        let found = try await database.read { transaction throws(SQLiteError) in
                            var found: [[UInt8]] = []
                            for row in points {
                                found += try Self.read(Plan.point, [Plan.place(row)], transaction).map(\.content)
                            }
                            return found
                        }
                        try require(found == points.map { contents[$0] })
                    }
                }
            },
        ]
    }

    private func on(_ loop: EventLoop, _ body: @escaping @Sendable () async throws -> Void) throws {
        try onLoop(loop, within: .seconds(300)) { _ in try await body() }
    }

    private static func object(ofThread thread: Int) -> ObjectID { ObjectID("thr_\(thread)") }

    private static func object(ofPlace place: Int) -> ObjectID { object(ofThread: place >> 24) }

    private static func cell(_ place: Int) -> Cell {
        Cell(table: "bench_messages", column: "content", row: place)
    }

    private static func insert(
        _ range: Range<Int>, _ contents: [[UInt8]], _ database: any TenantDatabase
    ) async throws {
        try await database.write { transaction throws(SQLiteError) in
            for row in range {
                let place = Plan.place(row)
                let sealed = try transaction.seal(contents[row], in: cell(place), of: object(ofPlace: place))
                try transaction.connection.execute(Plan.insert, place, Plan.id(row), row, sealed)
            }
        }
    }

    private static func read(
        _ sql: String, _ values: [Int], _ transaction: any TenantTransaction
    ) throws(SQLiteError) -> [(place: Int, content: [UInt8])] {
        guard values.count == 2 else {
            return try transaction.connection.query(sql, values[0]) { row throws(SQLiteError) in
                let place = try row.int(0)
                return (place, try transaction.open(1, of: row, in: cell(place), of: object(ofPlace: place)))
            }
        }
        // Whoever reads a thread's messages has the thread's id.
        let thread = object(ofPlace: values[0])
        return try transaction.connection.query(sql, values[0], values[1]) { row throws(SQLiteError) in
            let place = try row.int(0)
            return (place, try transaction.open(1, of: row, in: cell(place), of: thread))
        }
    }
}
