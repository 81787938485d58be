// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import SQLite
import Support
import Testing

@testable import Store

@Suite struct TenantDatabaseTests {
    private static let mistake = SQLiteError(.mistake, message: "no", subject: "")

    @Test func `gives back what was written, to its tenant only`() throws {
        let harness = try TenantHarness()
        let (acme, globex) = (try harness.database(asKeyOf: "acme"), try harness.database(asKeyOf: "globex"))
        try onLoop { _ in
            try await acme.note("a")
            try await globex.note("g")
            let notes = try await (acme.notes(), globex.notes())
            #expect(notes == (["\(acme.tenant.text):a"], ["\(globex.tenant.text):g"]))
        }
        #expect(acme.tenant != globex.tenant)
    }

    @Test func `a write that throws leaves nothing, and its neighbours in the group stay`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database(asKeyOf: "acme")
        try onLoop { _ in
            // Enough at once that many share a commit.
            let refused = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        do {
                            try await acme.write { transaction throws(SQLiteError) in
                                try transaction.note("\(number)")
                                if number % 3 == 0 { throw Self.mistake }
                            }
                            return false
                        } catch {
                            return true
                        }
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(refused == 67)
            let numbers = try await acme.notes().compactMap { Int($0.split(separator: ":")[1]) }
            #expect(numbers.sorted() == (0..<200).filter { $0 % 3 != 0 })
        }
    }

    @Test func `a read writes nothing`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database(asKeyOf: "acme")
        try onLoop { _ in
            await #expect(throws: DatabaseFailure.self) {
                try await acme.read { transaction throws(SQLiteError) in try transaction.note("sly") }
            }
            let notes = try await acme.notes()
            #expect(notes == [])
        }
    }

    @Test func `content opens in its place, for its object, until the object is erased`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database(asKeyOf: "acme")
        let (thread, cell) = (ObjectID("thr_1"), Cell(table: "notes", column: "text", row: "1"))
        try onLoop { _ in
            let sealed = try await acme.write { transaction throws(SQLiteError) in
                try transaction.createKey(of: thread)
                return try transaction.seal(Array("secret".utf8), in: cell, of: thread)
            }
            let opened = try await acme.read { transaction throws(SQLiteError) in
                try transaction.open(sealed, in: cell, of: thread)
            }
            #expect(opened == Array("secret".utf8))
            await #expect(throws: DatabaseFailure.self) {
                try await acme.read { transaction throws(SQLiteError) in
                    try transaction.open(sealed, in: Cell(table: "notes", column: "text", row: "2"), of: thread)
                }
            }
            try await acme.write { transaction throws(SQLiteError) in try transaction.erase(thread) }
            do throws(DatabaseFailure) {
                _ = try await acme.read { transaction throws(SQLiteError) in
                    try transaction.open(sealed, in: cell, of: thread)
                }
                Issue.record("it still opens")
            } catch {
                guard case .failed(let cause) = error else { throw error }
                #expect(cause.kind == .erased)
            }
        }
    }

    @Test func `content sealed with a key of the same write opens in it, and after it`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database(asKeyOf: "acme")
        let (thread, cell) = (ObjectID("thr_1"), Cell(table: "notes", column: "text", row: "1"))
        let sealed = try onLoop { _ in
            try await acme.write { transaction throws(SQLiteError) in
                try transaction.createKey(of: thread)
                let sealed = try transaction.seal([1, 2, 3], in: cell, of: thread)
                #expect(try transaction.open(sealed, in: cell, of: thread) == [1, 2, 3])
                return sealed
            }
        }
        harness.stop()
        let restarted = try TenantHarness(in: harness.directory)
        let again = try restarted.database("acme")
        let opened = try onLoop { _ in
            try await again.read { transaction throws(SQLiteError) in
                try transaction.open(sealed, in: cell, of: thread)
            }
        }
        #expect(opened == [1, 2, 3])
    }

    @Test func `an erasure that the keyring refuses is said, and done when the file is opened again`() throws {
        let harness = try TenantHarness(wrap: { StubbornKeys($0, erasures: 1) })
        let acme = try harness.database(asKeyOf: "acme")
        let (thread, cell) = (ObjectID("thr_1"), Cell(table: "notes", column: "text", row: "1"))
        try onLoop { _ in
            let sealed = try await acme.write { transaction throws(SQLiteError) in
                try transaction.createKey(of: thread)
                return try transaction.seal([1], in: cell, of: thread)
            }
            await #expect(throws: DatabaseFailure.self) {
                try await acme.write { transaction throws(SQLiteError) in try transaction.erase(thread) }
            }
            // The file was closed; opening it finishes what was begun, before anybody reads.
            do throws(DatabaseFailure) {
                _ = try await acme.read { transaction throws(SQLiteError) in
                    try transaction.open(sealed, in: cell, of: thread)
                }
                Issue.record("it still opens")
            } catch {
                guard case .failed(let cause) = error else { throw error }
                #expect(cause.kind == .erased)
            }
        }
    }

    @Test func `an erasure in a write that throws is none`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database(asKeyOf: "acme")
        let (thread, cell) = (ObjectID("thr_1"), Cell(table: "notes", column: "text", row: "1"))
        let opened = try onLoop { _ in
            let sealed = try await acme.write { transaction throws(SQLiteError) in
                try transaction.createKey(of: thread)
                return try transaction.seal([1], in: cell, of: thread)
            }
            await #expect(throws: DatabaseFailure.self) {
                try await acme.write { transaction throws(SQLiteError) in
                    try transaction.erase(thread)
                    throw Self.mistake
                }
            }
            return try await acme.read { transaction throws(SQLiteError) in
                try transaction.open(sealed, in: cell, of: thread)
            }
        }
        #expect(opened == [1])
    }
}
