// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Log
import Platform
import SQLite

/// Writes usage from memory into the tenants' databases, exactly once.
struct UsageFlusher: Sendable {
    let ledger: UsageLedger
    let store: any TenantStore
    let directory: any TenantDirectory
    /// `control.db`, where the log's reading begins after a crash.
    let control: any Database
    let log: Logger

    /// How often what is in memory is written.
    static let interval = Duration.seconds(10)
    /// How long a reader waits for a flush that is under way.
    static let waitMax = Duration.seconds(5)
    private static let waitStep = Duration.milliseconds(5)

    /// Writes everything, then where reading has to begin.
    func run() async {
        for tenant in ledger.tenants {
            do throws(Failure) {
                try await flush(tenant)
            } catch {
                log.warning(
                    "usage could not be written; it is tried again",
                    ["tenant": .string(tenant.text), "cause": .string(error.cause ?? error.message)])
            }
        }
        // Not for nothing: a write is a flush of the disk, on a server where nothing happens too.
        guard let position = ledger.movedPosition else { return }
        do throws(DatabaseFailure) {
            try await control.write { connection throws(SQLiteError) in try position.write(connection) }
            ledger.noteWritten(position)
        } catch {
            log.warning("the place of usage in the audit log could not be written", ["cause": .string("\(error)")])
        }
    }

    /// Writes what is there for one tenant; when this returns, its database tells of every record that the log had when it
    /// was called.
    func flush(_ tenant: TenantID, on loop: EventLoop) async throws(Failure) {
        let deadline = Instant.now() + Self.waitMax
        while try await flush(tenant) == false {
            guard Instant.now() < deadline else {
                throw Failure(.overloaded, "usage is being written; try again").retrying(after: .seconds(1))
            }
            await loop.sleep(Self.waitStep)
        }
    }

    /// - Returns: false where another flush of this tenant is under way.
    @discardableResult
    private func flush(_ tenant: TenantID) async throws(Failure) -> Bool {
        let batch: UsageLedger.Batch
        switch ledger.take(tenant) {
        case .nothing: return true
        case .underWay: return false
        case .batch(let taken): batch = taken
        }
        guard directory.status(of: tenant) != nil else {
            // Deleted: what it used is told by the audit log alone, without a name.
            ledger.done(tenant)
            return true
        }
        do throws(Failure) {
            let database = try store.database(of: tenant, actor: "usage")
            do throws(Failure) {
                try await database.change { transaction throws(SQLiteError) in
                    .success(try Self.write(batch, in: transaction))
                }
            } catch {
                // The tenant's file is as large as it may be.
                guard error.code == .payloadTooLarge else { throw error }
                try await database.change { transaction throws(SQLiteError) in
                    .success(try Self.writeBeyond(batch.withoutUsers, in: transaction))
                }
            }
            ledger.done(tenant)
            return true
        } catch {
            if error.code == .notFound {
                ledger.done(tenant)
                return true
            }
            ledger.putBack(batch)
            throw error
        }
    }

    /// Pages that one batch may add to a file beyond its largest size.
    private static let pagesBeyond = 256

    /// What was used is the house's own to know: a tenant whose file is full is told that nothing more of its own fits, and its
    /// usage is still written. Otherwise the log would have to be read from there on at every start, longer each time. Without
    /// telling end users apart: those a tenant can invent.
    private static func writeBeyond(
        _ batch: UsageLedger.Batch, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        let connection = transaction.connection
        let pages = try connection.first("PRAGMA max_page_count") { row throws(SQLiteError) in try row.int(0) } ?? 0
        let count = try connection.first("PRAGMA page_count") { row throws(SQLiteError) in try row.int(0) } ?? 0
        // Only SQLite's own statements: these numbers come from it.
        try connection.execute("PRAGMA max_page_count = \(max(pages, count) + pagesBeyond)")
        try write(batch, in: transaction)
        // Not below what the file has now.
        try connection.execute("PRAGMA max_page_count = \(pages)")
    }

    /// One transaction: rows, and the position that says which records they tell of.
    private static func write(_ batch: UsageLedger.Batch, in transaction: any TenantTransaction) throws(SQLiteError) {
        let position = try UsageTables.position(of: batch.log, in: transaction)
        var cells = batch.cells
        for fact in batch.recovered where fact.sequence >= position {
            fact.add(to: &cells[fact.cell, default: UsageSums()])
        }
        for (cell, sums) in cells { try UsageTables.add(sums, to: cell, in: transaction) }
        try UsageTables.setPosition(max(position, batch.end), of: batch.log, in: transaction)
    }

    // MARK: Detail that has had its time

    private static let rowsPerStep = 500

    /// Turns hours into days where they are older than that, for every tenant.
    func fold(before cutoff: WallTime) async {
        for tenant in directory.list() {
            do throws(Failure) {
                let database = try store.database(of: tenant.id, actor: "usage")
                while try await database.change({ transaction throws(SQLiteError) -> Verdict<Bool> in
                    .success(try UsageTables.fold(before: cutoff, max: Self.rowsPerStep, in: transaction))
                }) {}
            } catch {
                log.warning(
                    "usage could not be summed up by days",
                    ["tenant": .string(tenant.id.text), "cause": .string(error.cause ?? error.message)])
            }
        }
    }
}
