// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Testing

@testable import Store

/// What `store verify` says of a file.
@Suite struct FileCheckTests {
    private static let page = 4096

    /// A store with one tenant that has some hundred pages; stopped. Its directory, and the tenant's file.
    private func filled() async throws -> (directory: TemporaryDirectory, name: String, path: String) {
        let harness = try TenantHarness()
        let database = try harness.database("acme")
        for number in 0..<200 { try await database.note("\(number) " + String(repeating: "x", count: 2000)) }
        let path = TenantPaths.file(of: database.tenant, in: TenantPaths.directory(in: harness.directory.path))
        harness.stop()
        return (harness.directory, "tenants/\(database.tenant.text).db", path)
    }

    private func flip(_ path: String, pages: [Int]) throws {
        var bytes = try AtomicFile.read(path: path, bytesMax: 64 << 20)
        for page in pages { bytes[(page - 1) * Self.page + 1000] ^= 4 }
        try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
    }

    @Test func `every damaged page is named, and the rest is counted`() async throws {
        let (directory, name, path) = try await filled()
        let damaged = [7, 8, 31, 90]
        try flip(path, pages: damaged)
        var harness = try TenantHarness(in: directory)
        var check = try await harness.tenants.check(name)
        #expect(check.problems.map(\.page) == damaged)
        #expect(check.problems.allSatisfy { $0.message.contains(path) })
        #expect(check.more == 0 && check.pages > 100)
        harness.stop()

        // Those four are mended by the second flip.
        try flip(path, pages: Array(3...120))
        harness = try TenantHarness(in: directory)
        check = try await harness.tenants.check(name)
        #expect(check.problems.count == FileCheck.problemsMax)
        #expect(check.problems.count + check.more == 118 - damaged.count)
        harness.stop()
    }

    @Test func `a file whose first page is damaged is looked through all the same`() async throws {
        let (directory, name, path) = try await filled()
        try flip(path, pages: [1, 20])
        let harness = try TenantHarness(in: directory)
        defer { harness.stop() }
        let check = try await harness.tenants.check(name)
        #expect(check.problems.map(\.page) == [1, 20])
    }

    @Test func `a check beside writing finds nothing that is not there`() async throws {
        let harness = try TenantHarness()
        defer { harness.stop() }
        let database = try harness.database("acme")
        async let writing: Void = write(60, to: database)
        for _ in 0..<20 {
            let check = try await harness.tenants.check("tenants/\(database.tenant.text).db")
            #expect(check.problems.isEmpty, "\(check.problems)")
        }
        try await writing
    }

    private func write(_ count: Int, to database: any TenantDatabase) async throws {
        for number in 0..<count { try await database.note("\(number) " + String(repeating: "x", count: 100_000)) }
    }

    @Test func `every flipped bit of a tenant's file is named by the check, and nothing wrong is read`() async throws {
        let (directory, name, path) = try await filled()
        let tenant = TenantID(String(name.dropFirst("tenants/".count).dropLast(".db".count)))
        let whole = try AtomicFile.read(path: path, bytesMax: 64 << 20)
        var harness = try TenantHarness(in: directory)
        let notes = try await harness.tenants.database(of: tenant, actor: "test").notes()
        #expect(notes.count == 200)
        harness.stop()
        var random = SeededGenerator()
        for _ in 0..<Repetition.rounds(40, full: 10_000) {
            let bit = random.below(whole.count * 8)
            let page = bit / 8 / Self.page + 1
            var changed = whole
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            try AtomicFile.write(path: path, bytes: changed, mode: 0o600)
            harness = try TenantHarness(in: directory)
            defer { harness.stop() }
            let what = "seed \(SeededGenerator.seed), bit \(bit), page \(page)"
            #expect(try await harness.tenants.check(name).problems.map(\.page) == [page], "\(what)")
            let database = try harness.tenants.database(of: tenant, actor: "test")
            switch await read(database) {
            case .success(let read): #expect(read == notes, "\(what)")
            case .failure(.damaged(let file, let number)): #expect(file == path && number == page, "\(what)")
            // The byte that tells a sealed file from a plain one.
            case .failure(.failed(let error)): #expect(page == 1 && error.kind == .schema, "\(what): \(error)")
            case .failure(let failure): Issue.record("\(what): \(failure)")
            }
        }
    }

    private func read(_ database: any TenantDatabase) async -> Result<[String], DatabaseFailure> {
        do throws(DatabaseFailure) {
            return .success(try await database.notes())
        } catch {
            return .failure(error)
        }
    }
}
