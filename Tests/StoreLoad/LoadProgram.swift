// SPDX-License-Identifier: Apache-2.0
//
// A program that does to a store whatever a server would, as fast as it can, until it is killed. It says on standard output
// what was promised to it, one line each, after the promise:
//
//     started
//     wrote NAME ROUND NUMBER        a row of a tenant is on the disk
//     threw NAME ROUND NUMBER        a write threw: nothing of it may be there
//     sealed NAME ID HEX             content of an object is sealed
//     erasing NAME ID                its erasure has been asked for
//     erased NAME ID                 it is gone for good
//     deleting NAME                  the deletion of a tenant has been asked for
//     deleted NAME                   it is gone for good
//
// A line that begins with "wrong" is a promise broken before its eyes. Usage: StoreLoad DIRECTORY ROUND SEED

import Configuration
import Core
import EventLoop
import Glibc
import Log
import Platform
import SQLite
import Store
import Support

@main
struct LoadProgram {
    static let tables = SQLiteMigrations(
        module: "load",
        steps: [
            """
            CREATE TABLE load_rows (
                round INTEGER NOT NULL, number INTEGER NOT NULL, text BLOB NOT NULL, PRIMARY KEY (round, number)
            ) STRICT;
            CREATE TABLE load_objects (id TEXT NOT NULL PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
            """
        ])

    static func main() {
        do {
            let arguments = CommandLine.arguments
            guard arguments.count == 4, let round = Int(arguments[2]), let seed = UInt64(arguments[3]) else {
                say("wrong usage")
                exit(2)
            }
            let store = try open(arguments[1])
            try store.tenants.register(tables)
            let loop = try EventLoop(name: "load")
            try loop.start()
            let tenants = try ["a", "b", "c"].map { try store.tenants.ensureBlocking(name: $0) }
            say("started")
            for worker in 0..<24 {
                let load = Load(
                    store: store.tenants, tenants: tenants, round: round, worker: worker,
                    generator: SeededGenerator(seed &+ UInt64(worker)))
                loop.spawn { await load.run() }
            }
            loop.join()
        } catch {
            say("wrong start: \(error)")
            exit(1)
        }
    }

    /// The store of a server in development, with its root key beside the data.
    static func open(_ directory: String) throws -> Store {
        let text = """
            mode = "development"
            data = "\(directory)/data"
            [store]
            unlock = ["file:\(directory)/root.key"]
            open_files = 4
            """
        let configuration = try Configuration(text: text)
        let settings = try HouseSettings(configuration)
        guard let section = try configuration.section("store") else { throw Errno.noSuchFile }
        let store = try Store(section, settings: settings, log: .disabled)
        try store.start()
        return store
    }

    /// One write(2) a line: a pipe takes it whole or not at all (PIPE_BUF, pipe(7)).
    static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = unsafe write(1, bytes, bytes.count)
    }
}

/// What one of many callers does.
final class Load: @unchecked Sendable {
    private let store: Tenants
    private let tenants: [Tenant]
    private let round: Int
    private let worker: Int
    private var generator: SeededGenerator
    private var count = 0

    init(store: Tenants, tenants: [Tenant], round: Int, worker: Int, generator: SeededGenerator) {
        self.store = store
        self.tenants = tenants
        self.round = round
        self.worker = worker
        self.generator = generator
    }

    func run() async {
        while true {
            count += 1
            do {
                switch generator.below(20) {
                case 0: try await eraseOne()
                case 1 where worker == 0: try await deleteOne()
                default: try await writeOne()
                }
            } catch {
                LoadProgram.say("wrong \(error)")
            }
        }
    }

    private var number: Int { worker * 1_000_000 + count }

    /// Some rows are large enough to leave the page, some writes throw and must leave nothing.
    private func writeOne() async throws {
        let tenant = tenants[generator.below(tenants.count)]
        let database = try store.database(of: tenant.id, actor: "load")
        let (round, number) = (round, number)
        let text = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1 << generator.below(15))
        let throwing = generator.below(8) == 0
        do throws(DatabaseFailure) {
            try await database.write { transaction throws(SQLiteError) in
                try transaction.connection.execute("INSERT INTO load_rows VALUES (?, ?, ?)", round, number, text)
                if throwing { throw SQLiteError(.mistake, message: "on purpose", subject: "") }
            }
        } catch {
            guard throwing else { throw error }
            return LoadProgram.say("threw \(tenant.name) \(round) \(number)")
        }
        LoadProgram.say("wrote \(tenant.name) \(round) \(number)")
    }

    private func eraseOne() async throws {
        let tenant = tenants[generator.below(tenants.count)]
        let database = try store.database(of: tenant.id, actor: "load")
        let id = "thr_\(round)_\(number)"
        let sealed = try await database.write { transaction throws(SQLiteError) in
            try transaction.createKey(of: ObjectID(id))
            let sealed = try transaction.seal(Array(id.utf8), in: Load.cell(id), of: ObjectID(id))
            try transaction.connection.execute("INSERT INTO load_objects VALUES (?, ?)", id, sealed)
            return sealed
        }
        let digits = sealed.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
        LoadProgram.say("sealed \(tenant.name) \(id) \(digits)")
        guard generator.below(2) == 0 else { return }
        LoadProgram.say("erasing \(tenant.name) \(id)")
        try await database.write { transaction throws(SQLiteError) in
            try transaction.connection.execute("DELETE FROM load_objects WHERE id = ?", id)
            try transaction.erase(ObjectID(id))
        }
        LoadProgram.say("erased \(tenant.name) \(id)")
    }

    static func cell(_ id: String) -> Cell { Cell(table: "load_objects", column: "sealed", row: id) }

    private func deleteOne() async throws {
        let name = "x\(round)-\(count)"
        let tenant = try await store.create(name: name, plan: nil)
        let database = try store.database(of: tenant.id, actor: "load")
        try await database.write { transaction throws(SQLiteError) in
            try transaction.connection.execute("INSERT INTO load_rows VALUES (1, 1, x'00')")
        }
        LoadProgram.say("deleting \(name)")
        try await store.delete(tenant.id)
        LoadProgram.say("deleted \(name)")
    }
}
