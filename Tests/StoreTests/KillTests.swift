// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Glibc
import Log
import Platform
import SQLite
import Support
import Testing

@testable import Store
@testable import StoreLoad

/// kill -9 at random moments, while a program writes, erases, makes and deletes tenants as fast as it can. Whatever it was
/// promised must hold in the next process; whatever threw must have left nothing.
@Suite(.serialized) struct KillTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    @Test func `no promise is lost to a kill at any moment`() throws {
        var generator = SeededGenerator()
        var promises = 0
        let rounds = Repetition.rounds(12, full: 1000)
        for round in 0..<rounds {
            let said = try live(round, &generator)
            promises += said.count
            #expect(said.complaints == [], "seed \(SeededGenerator.seed), round \(round)")
            let broken = try check(said, round)
            #expect(broken == [], "seed \(SeededGenerator.seed), round \(round)")
            if !broken.isEmpty { return }
        }
        // A test in which nothing was ever promised would pass too.
        #expect(promises > rounds * 10, "\(promises) promises in \(rounds) rounds")
        if Repetition.isFull { print("kill: \(rounds) rounds, \(promises) promises kept") }
    }

    /// The control: a row that was never promised is missed by the same check.
    @Test func `the check misses what is missing`() throws {
        var generator = SeededGenerator()
        var said = try live(0, &generator)
        said.read("wrote a 0 999\nsealed a thr_none 00\nerased a thr_0_1\n")
        let broken = try check(said, 0)
        #expect(broken.contains("a lost row 0/999"))
        #expect(broken.contains("a lost thr_none"))
    }

    /// Starts the program, and kills it after some milliseconds: during its start in one round of four.
    private func live(_ round: Int, _ generator: inout SeededGenerator) throws -> Promises {
        let seed = generator.next()
        let program = try Conversation(
            BuiltProgram.path("StoreLoad"), [directory.path, "\(round)", "\(seed)"])
        var said = Promises()
        if round == 0 || generator.below(4) > 0 {
            guard let line = program.readLine(), line == "started" else {
                program.kill()
                said.read("wrong: it did not start\n\(program.readAll())")
                return said
            }
        }
        usleep(UInt32(generator.below(Repetition.isFull ? 80_000 : 120_000)) + (round == 0 ? 200_000 : 0))
        program.kill()
        said.read(program.readAll())
        return said
    }

    /// What of the promises does not hold in a new process. Older rows are taken out, so that a thousand rounds stay quick.
    private func check(_ said: Promises, _ round: Int) throws -> [String] {
        let store = try LoadProgram.open(directory.path)
        defer { store.stop(by: .now()) }
        try store.tenants.register(LoadProgram.tables)
        var broken: [String] = []
        for name in ["a", "b", "c"] {
            guard let tenant = store.tenants.find(name) else {
                if !(said.rows[name] ?? []).isEmpty { broken.append("\(name) lost") }
                continue
            }
            let database = try store.tenants.database(of: tenant.id, actor: "test")
            broken += try onLoop { _ in try await Self.check(said, name, database, round) }
        }
        broken += said.deleted.filter { store.tenants.find($0) != nil }.map { "\($0) is back" }
        // Every file belongs to a tenant: what a deletion left is gone since the start.
        let names = Set(store.tenants.list().map(\.id.text))
        for file in TemporaryDirectory.names(of: directory("data/tenants")) {
            let owner = String(file.prefix { $0 != "." })
            if !names.contains(owner) { broken.append("\(file) is left") }
        }
        return broken
    }

    private static func check(
        _ said: Promises, _ name: String, _ database: any TenantDatabase, _ round: Int
    ) async throws -> [String] {
        var broken: [String] = []
        let (rows, objects, problems) = try await database.read { transaction throws(SQLiteError) in
            let rows = try transaction.connection.query("SELECT round, number FROM load_rows") {
                row throws(SQLiteError) in "\(try row.int(0))/\(try row.int(1))"
            }
            let objects = try transaction.connection.query("SELECT id FROM load_objects") {
                row throws(SQLiteError) in try row.text(0)
            }
            let check = try transaction.connection.query("PRAGMA integrity_check") {
                row throws(SQLiteError) in try row.text(0)
            }
            return (Set(rows), Set(objects), check)
        }
        if problems != ["ok"] { broken.append("\(name): \(problems)") }
        for row in said.rows[name] ?? [] where !rows.contains("\(row.round)/\(row.number)") {
            broken.append("\(name) lost row \(row.round)/\(row.number)")
        }
        broken += (said.thrown[name] ?? []).filter(rows.contains).map { "\(name) has row \($0), which threw" }
        for (id, sealed) in said.sealed[name] ?? [:] {
            let opened = try await open(sealed, id, database)
            if said.erased.contains(id) {
                if opened != nil { broken.append("\(name) \(id) still opens") }
                if objects.contains(id) { broken.append("\(name) \(id) still has its row") }
            } else if !said.erasing.contains(id), opened != Array(id.utf8) || !objects.contains(id) {
                broken.append("\(name) lost \(id)")
            } else if (opened == nil) == objects.contains(id) {
                broken.append("\(name) \(id): row and key disagree")
            }
        }
        try await database.write { transaction throws(SQLiteError) in
            try transaction.connection.execute("DELETE FROM load_rows WHERE round < ?", round - 1)
            try transaction.connection.execute("DELETE FROM load_objects")
        }
        return broken
    }

    /// The content; nil where its key is gone or it was never sealed here.
    private static func open(
        _ sealed: [UInt8], _ id: String, _ database: any TenantDatabase
    ) async throws -> [UInt8]? {
        try? await database.read { transaction throws(SQLiteError) in
            try transaction.open(sealed, in: Load.cell(id), of: ObjectID(id))
        }
    }
}
