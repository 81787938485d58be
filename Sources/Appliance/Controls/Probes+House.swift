// SPDX-License-Identifier: Apache-2.0

import Audit
import Bytes
import Core
import Glibc
import HTTP
import JSON
import Platform
import SQLite
import Sandbox

// Data.
extension Probes {
    /// D4: pages of every database, as they lie on the disk.
    static func sealedPages(_ world: ProbeWorld) -> ProbeResult {
        var wrong: [String] = []
        var seen = 0
        for path in databases(world.facts.dataDirectory) {
            guard let pages = samples(of: path) else { continue }
            seen += 1
            // What is sealed looks like noise; what is not has names, text and empty room.
            if let index = pages.firstIndex(where: { !isNoise($0) }) {
                wrong.append("sample \(index) of \(path) can be read as it lies on the disk")
            }
        }
        guard seen > 0 else { return .untried("there is no database in \(world.facts.dataDirectory)") }
        return result(wrong)
    }

    /// Files of databases looked at: the house's own, and some tenants'.
    private static let databasesMax = 64
    private static let pageBytes = 4096
    private static let pagesMax = 8

    private static func databases(_ directory: String) -> [String] {
        let own = ["control.db", "keyring.db"].map { "\(directory)/\($0)" }
        let tenants = FileFacts.names(in: "\(directory)/tenants").filter { $0.hasSuffix(".db") }
        return own + tenants.prefix(databasesMax).map { "\(directory)/tenants/\($0)" }
    }

    /// Pieces of a file at even distances, its first included; nil where it cannot be read or is empty.
    private static func samples(of path: String) -> [[UInt8]]? {
        guard let status = try? FileStatus(path: path), status.size >= pageBytes else { return nil }
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        let descriptor = FileDescriptor(owning: raw)
        let step = max(pageBytes, status.size / pagesMax / pageBytes * pageBytes)
        var pages: [[UInt8]] = []
        for offset in stride(from: 0, to: status.size - pageBytes + 1, by: step) {
            var page = [UInt8](repeating: 0, count: pageBytes)
            // SAFETY: the buffer is as long as said, and lives through the call (pread(2)).
            let count = unsafe page.withUnsafeMutableBytes { buffer in
                unsafe pread(descriptor.rawValue, buffer.baseAddress, buffer.count, offset)
            }
            // Every file begins with the hundred bytes by which SQLite knows its own: page size, counters, no content.
            if count == pageBytes { pages.append(offset == 0 ? Array(page.dropFirst(100)) : page) }
        }
        return pages.isEmpty ? nil : pages
    }

    /// Whether every byte is about as frequent as any other. Of 4096 random bytes each value has 16, give or take 4: that one
    /// of the 256 has more than 64 happens to nobody, and any page that is not sealed has many zeros, or is text.
    static func isNoise(_ page: [UInt8]) -> Bool {
        var counts = [Int](repeating: 0, count: 256)
        for byte in page { counts[Int(byte)] += 1 }
        return counts.allSatisfy { $0 <= 64 } && counts.count(where: { $0 == 0 }) < 16
    }

    /// D12: every column of the files as they are has a line in the list, and every line a column.
    static func inventory(_ world: ProbeWorld) -> ProbeResult {
        guard let database = world.facts.database else { return .untried("there is no store") }
        var wrong: [String] = []
        do {
            let inventory = try Inventory(world.facts.schemas)
            wrong += inventory.missing.map { "\($0) is stored, and nobody says what it is" }
            wrong += inventory.strays.map { "\($0) is said to be stored, and is not there" }
            func compare(_ found: [String], _ place: Schema.Place, _ file: String) {
                let listed = Set(inventory.rows.filter { $0.place == place }.map { "\($0.table).\($0.column)" })
                wrong += found.filter { !listed.contains($0) }.map { "\($0) of \(file) is not listed" }
                wrong += listed.subtracting(found).sorted().map { "\($0) is listed, and \(file) has it not" }
            }
            compare(
                try database.writeBlocking { connection throws(SQLiteError) in try Inventory.columns(of: connection) },
                .control, "control.db")
            for tenant in sample(world.facts.directory?.list() ?? [], world.round) {
                guard let own = try world.facts.tenants?.database(of: tenant.id, actor: "controls") else { continue }
                let found = try world.client.wait { () async throws(ProbeClient.Failure) -> [String] in
                    do {
                        return try await own.read { transaction throws(SQLiteError) in
                            try Inventory.columns(of: transaction.connection)
                        }
                    } catch {
                        throw ProbeClient.Failure(reason: "a tenant's file cannot be read: \(error)")
                    }
                }
                compare(found, .tenant, "the file of tenant \(tenant.id)")
            }
        } catch {
            return .untried("the tables cannot be read: \(error)")
        }
        return result(wrong)
    }

    /// Tenants whose files are looked at in one round.
    private static let tenantsEachRound = 4

    /// Some of the tenants, in each round others.
    private static func sample(_ tenants: [Tenant], _ round: Int) -> [Tenant] {
        guard !tenants.isEmpty else { return [] }
        let start = round &* tenantsEachRound % tenants.count
        return (0..<min(tenantsEachRound, tenants.count)).map { tenants[(start + $0) % tenants.count] }
    }
}

// Code, record, house.
extension Probes {
    /// C1: a program in a box of now tries to break out of it, in every way that the self-test knows.
    static func sandbox(_ world: ProbeWorld) -> ProbeResult {
        guard let sandbox = world.facts.sandbox else { return .untried("there is no sandbox") }
        // Where the start found that boxes do not hold, no code is run; the operator is told all the same.
        let known = sandbox.inspection.troubles
        guard known.isEmpty else { return result(known) }
        guard let found = sandbox.examine() else { return .untried("no box can be begun now") }
        guard found.troubles.isEmpty else { return result(found.troubles) }
        return found.held.isEmpty ? .untried("nothing was tried") : .held
    }

    /// R2: the log, from its first record to its last.
    static func auditChain(_ world: ProbeWorld) -> ProbeResult {
        do throws(AuditInspection.Failure) {
            let report = try AuditInspection(dataDirectory: world.facts.dataDirectory).verify(key: nil, against: []) {
                _, _ in
            }
            return result(report.damages)
        } catch {
            return .untried(error.message)
        }
    }

    /// H1: files and memory are closed to everybody else.
    static func closedHouse(_ world: ProbeWorld) -> ProbeResult {
        let files = FileFacts(dataDirectory: world.facts.dataDirectory, keyFiles: world.facts.keyFiles).findings
        var wrong = files.filter { $0.level >= .warning }.map(\.reason)
        if world.facts.coreBytesMax() != 0 { wrong.append("a crash would leave the process's memory in a file") }
        return result(wrong)
    }
}
