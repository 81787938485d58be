// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Glibc
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Store

/// Many tenants in few open files, and files that are full, damaged, or somebody else's.
@Suite(.serialized) struct TenantFilesTests {
    /// How many of a directory's files this process has open.
    private func openFiles(below directory: String) -> Int {
        TemporaryDirectory.names(of: "/proc/self/fd").count { name in
            var buffer = [CChar](repeating: 0, count: 4096)
            // One byte less than the buffer has, so that it ends with a zero (readlink(2)).
            let count = unsafe readlink("/proc/self/fd/\(name)", &buffer, buffer.count - 1)
            let path = String(decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return path.hasPrefix(directory) && path.hasSuffix(".db")
        }
    }

    @Test func `many tenants take turns within few open files, and none sees another's rows`() throws {
        let openMax = Repetition.rounds(8, full: 64)
        let harness = try TenantHarness("open_files = \(openMax)")
        let count = Repetition.rounds(100, full: 1000)
        let databases = try (0..<count).map { try harness.database("t\($0)") }
        for round in 0..<2 {
            for (number, database) in databases.enumerated() {
                try onLoop { _ in try await database.note("\(number) \(round)") }
                if number % 10 == 0 { #expect(openFiles(below: harness.directory("tenants")) <= openMax) }
            }
        }
        for (number, database) in databases.enumerated() {
            let notes = try onLoop { _ in try await database.notes() }
            #expect(notes == (0..<2).map { "\(database.tenant.text):\(number) \($0)" })
        }
        #expect(openFiles(below: harness.directory("tenants")) > 0)
    }

    @Test func `callers at once get their own tenant's rows, each`() throws {
        let harness = try TenantHarness("open_files = 4")
        let databases = try (0..<20).map { try harness.database("t\($0)") }
        try onLoop { _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<10 {
                    for database in databases {
                        group.addTask {
                            try await database.note("x")
                            let notes = try await database.notes()
                            #expect(notes.allSatisfy { $0 == "\(database.tenant.text):x" } && !notes.isEmpty)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `a tenant at its largest size reads and deletes, and grows again when there is room`() throws {
        let harness = try TenantHarness("tenant_bytes_max = \"1MiB\"")
        let (acme, globex) = (try harness.database("acme"), try harness.database("globex"))
        let text = String(repeating: "x", count: 20_000)
        try onLoop { _ in
            var written = 0
            do throws(DatabaseFailure) {
                while written < 200 {
                    try await acme.note(text)
                    written += 1
                }
                Issue.record("it grew on")
            } catch {
                guard case .quota(let bytesMax) = error else { throw error }
                #expect(bytesMax == 1 << 20)
            }
            #expect((20...60).contains(written))
            let notes = try await acme.notes()
            #expect(notes.count == written)
            try await globex.note(text)
            try await acme.write { transaction throws(SQLiteError) in
                try transaction.connection.execute("DELETE FROM notes WHERE id % 2 = 0")
            }
            try await acme.note(text)
        }
    }

    @Test func `on a disk that is nearly full nothing grows, and what was written can be deleted`() throws {
        let isLow = Atomic(false)
        let harness = try TenantHarness(isDiskLow: { isLow.load(ordering: .relaxed) })
        let acme = try harness.database("acme")
        let text = String(repeating: "x", count: 20_000)
        try onLoop { _ in
            for _ in 0..<20 { try await acme.note(text) }
            isLow.store(true, ordering: .relaxed)
            do throws(DatabaseFailure) {
                for _ in 0..<20 { try await acme.note(text) }
                Issue.record("it grew on")
            } catch {
                // Not the tenant's own limit: it cannot help it.
                guard case .full = error else { throw error }
            }
            let count = try await acme.notes().count
            #expect((20..<40).contains(count))
            try await acme.write { transaction throws(SQLiteError) in
                try transaction.connection.execute("DELETE FROM notes WHERE id % 2 = 0")
            }
            #expect(try await acme.notes().count < count)
            isLow.store(false, ordering: .relaxed)
            for _ in 0..<40 { try await acme.note(text) }
        }
    }

    @Test func `a file of another tenant is refused, and says so`() throws {
        let harness = try TenantHarness()
        let (acme, globex) = (try harness.database("acme"), try harness.database("globex"))
        try onLoop { _ in
            try await acme.note("a")
            try await globex.note("g")
        }
        harness.stop()
        let paths = [acme, globex].map { TenantPaths.file(of: $0.tenant, in: harness.directory("tenants")) }
        #expect(unsafe rename(paths[1], paths[0]) == 0)
        let again = try TenantHarness(in: harness.directory)
        let swapped = try again.database("acme")
        try onLoop { _ in
            do throws(DatabaseFailure) {
                let notes = try await swapped.notes()
                Issue.record("it gave \(notes)")
            } catch {
                guard case .damaged(let file, _) = error else { throw error }
                #expect(file == paths[0])
            }
        }
    }

    @Test func `a flood waits behind itself and is refused at the end of its queue`() throws {
        let harness = try TenantHarness("open_files = 4")
        let acme = try harness.database("acme")
        try onLoop { _ in
            let refused = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<(TenantLimit.jobsOfOne * 3) {
                    group.addTask {
                        do throws(DatabaseFailure) {
                            try await acme.write { _ throws(SQLiteError) in _ = usleep(200) }
                            return false
                        } catch {
                            guard case .busy = error else { throw error }
                            return true
                        }
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(refused > 0 && refused <= TenantLimit.jobsOfOne * 2)
            try await acme.note("after")
        }
    }

    @Test func `tables that come too late are refused`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database("acme")
        try onLoop { _ in try await acme.note("a") }
        #expect(throws: StartFailure.self) {
            try harness.tenants.register(SQLiteMigrations(module: "late", steps: ["CREATE TABLE late (x) STRICT"]))
        }
    }
}
