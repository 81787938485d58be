// SPDX-License-Identifier: Apache-2.0
//
// Writes and reads the messages of many threads, and says what it cost: the same rows and the same statements in
//
//     plain       SQLite as it is
//     pages       SQLite under the sealing layer
//     store       a tenant's database of the store: pages sealed, each content sealed with its thread's key
//     cipher      SQLCipher, its own library, called without our wrapper
//
// Usage: StoreBench plain|pages|store|cipher DIRECTORY ROWS. One line of JSON comes out: for each part of the work the
// seconds of processor time of all threads (`cpu`), and those that passed (`wall`).

import Glibc
import JSON
import Platform
import SQLite
import Store
import Support

@main
struct BenchProgram {
    static func main() {
        do {
            let arguments = CommandLine.arguments
            guard arguments.count == 4, let rows = Int(arguments[3]), rows >= 10_000 else { throw Errno.noSuchFile }
            let figures: [Figure]
            switch arguments[1] {
            case "store": figures = try StoreWork(directory: arguments[2], rows: rows).run()
            case "cipher":
                figures = try SQLWork(try CipherConnection(path: "\(arguments[2])/bench.db"), rows: rows).run()
            case "pages": figures = try SQLWork(try pages(arguments[2]), rows: rows).run()
            case "plain":
                figures = try SQLWork(try SQLiteConnection(path: "\(arguments[2])/bench.db"), rows: rows).run()
            default: throw Errno.noSuchFile
            }
            let json = figures.reduce(into: JSONObject()) { object, figure in
                object[figure.name] = ["cpu": .int(figure.cpu), "wall": .int(figure.wall)]
            }
            print(JSONValue.object(json))
        } catch {
            print("StoreBench: \(error)")
            exit(1)
        }
    }

    private static func pages(_ directory: String) throws -> SQLiteConnection {
        let key = PageKey(generation: 1, bytes: SecretBytes(randomCount: 32))
        let identity = FileIdentity(id: Random.bytes(16), role: .tenant, tenant: "ten_bench")
        return try SealedFile(path: "\(directory)/bench.db", keys: [key], identity: identity).connect(mayCreate: true)
    }
}

/// The work, the same for everybody.
enum Plan {
    static let contentBytes = 1024
    static let rowsOfThread = 100
    static let rowsOfTransaction = 100
    static let singleTransactions = 1000
    static let threadReads = 1000
    static let rowsOfThreadRead = 20
    static let pointReads = 20_000
    /// Points that one visit to the database reads.
    static let pointsOfRead = 50

    static let table = """
        CREATE TABLE bench_messages (
            place INTEGER PRIMARY KEY, id TEXT NOT NULL, created_at INTEGER NOT NULL, content BLOB NOT NULL)
        """
    static let insert = "INSERT INTO bench_messages VALUES (?, ?, ?, ?)"
    static let scan = "SELECT place, content FROM bench_messages WHERE place > ? ORDER BY place LIMIT 1000"
    static let thread = """
        SELECT place, content FROM bench_messages WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT \(rowsOfThreadRead)
        """
    static let point = "SELECT place, content FROM bench_messages WHERE place = ?"

    /// As in the store's own tables: the number of the thread, then that of the message.
    static func place(_ row: Int) -> Int { (row / rowsOfThread + 1) << 24 | (row % rowsOfThread) }

    static func id(_ row: Int) -> String { "msg_\(String(row + 1_000_000_000_000, radix: 36).uppercased())" }

    static func content(_ row: Int) -> [UInt8] {
        var generator = SeededGenerator(UInt64(row))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(contentBytes)
        while bytes.count < contentBytes {
            var word = generator.next()
            for _ in 0..<8 {
                bytes.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        return bytes
    }

    /// The contents, made before anything is measured.
    static func contents(_ rows: Int) -> [[UInt8]] { (0..<rows).map(content) }
}

/// What a part of the work has cost, in microseconds.
struct Figure {
    let name: String
    let cpu: Int
    let wall: Int

    init(_ name: String, _ body: () throws -> Void) throws {
        self.name = name
        let (cpu, wall) = (Figure.processor, Instant.now())
        try body()
        self.cpu = Figure.processor - cpu
        self.wall = Int((Instant.now() - wall) / .microseconds(1))
    }

    /// User and system time of all threads (getrusage(2)).
    private static var processor: Int {
        var usage = rusage()
        unsafe _ = getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000 + usage.ru_utime.tv_usec
            + usage.ru_stime.tv_usec
    }
}

/// What the work asks of a database.
protocol BenchDatabase {
    func run(script: String) throws(SQLiteError)
    func insert(_ place: Int, _ id: String, _ at: Int, _ content: [UInt8]) throws(SQLiteError)
    func read(_ sql: String, _ values: [Int]) throws(SQLiteError) -> [(place: Int, content: [UInt8])]
    func checkpoint() throws(SQLiteError)
}

extension SQLiteConnection: BenchDatabase {
    func insert(_ place: Int, _ id: String, _ at: Int, _ content: [UInt8]) throws(SQLiteError) {
        try execute(Plan.insert, place, id, at, content)
    }

    func read(_ sql: String, _ values: [Int]) throws(SQLiteError) -> [(place: Int, content: [UInt8])] {
        let read = { (row: borrowing SQLiteRow) throws(SQLiteError) -> (place: Int, content: [UInt8]) in
            (try row.int(0), try row.blob(1))
        }
        return values.count == 1
            ? try query(sql, values[0], body: read) : try query(sql, values[0], values[1], body: read)
    }
}

/// A connection and nothing else.
struct SQLWork {
    private let database: any BenchDatabase
    private let rows: Int

    init(_ database: any BenchDatabase, rows: Int) {
        self.database = database
        self.rows = rows
    }

    func run() throws -> [Figure] {
        try database.run(script: Plan.table)
        let contents = Plan.contents(rows + Plan.singleTransactions)
        return [
            try Figure("insert") {
                for start in stride(from: 0, to: rows, by: Plan.rowsOfTransaction) {
                    try insert(start..<min(start + Plan.rowsOfTransaction, rows), contents)
                }
                try database.checkpoint()
            },
            try Figure("durable") {
                for row in rows..<(rows + Plan.singleTransactions) { try insert(row..<(row + 1), contents) }
            },
            try Figure("scan") {
                var (last, count) = (0, 0)
                while true {
                    let found = try database.read(Plan.scan, [last])
                    guard let end = found.last else { break }
                    last = end.place
                    count += found.count
                }
                try require(count == rows + Plan.singleTransactions)
            },
            try Figure("thread") {
                var generator = SeededGenerator(1)
                for _ in 0..<Plan.threadReads {
                    let thread = generator.below(rows / Plan.rowsOfThread) + 1
                    let found = try database.read(Plan.thread, [thread << 24, thread << 24 | 0xFF_FFFF])
                    try require(found.count == Plan.rowsOfThreadRead)
                }
            },
            try Figure("point") {
                var generator = SeededGenerator(2)
                for _ in 0..<Plan.pointReads {
                    let row = generator.below(rows)
                    let found = try database.read(Plan.point, [Plan.place(row)])
                    try require(found.first?.content == contents[row])
                }
            },
        ]
    }

    private func insert(_ range: Range<Int>, _ contents: [[UInt8]]) throws(SQLiteError) {
        try database.run(script: "BEGIN IMMEDIATE")
        for row in range { try database.insert(Plan.place(row), Plan.id(row), row, contents[row]) }
        try database.run(script: "COMMIT")
    }
}

/// A wrong answer ends the run.
func require(_ condition: Bool) throws {
    guard condition else { throw SQLiteError(.corrupt, message: "a wrong answer", subject: "") }
}
