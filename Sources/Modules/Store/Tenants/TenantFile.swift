// SPDX-License-Identifier: Apache-2.0

import Core
import Log
import Platform
import SQLite

/// One open file. Belongs to its store thread.
final class TenantFile {
    /// Tables that the store itself keeps in every tenant's file.
    static let migrations = SQLiteMigrations(
        module: "store",
        steps: [
            """
            CREATE TABLE store_tenant (id TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
            CREATE TABLE store_retention (
                class TEXT NOT NULL PRIMARY KEY, seconds INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            \(Outbox.table)
            """
        ])

    let tenant: TenantID
    var lastTurn: UInt64 = 0
    /// The log is not empty. Once the thread has nothing else to do it is emptied, so that what was deleted does not stay
    /// in it.
    private(set) var wantsCheckpoint = false
    /// Nothing has changed since the last mark (`FileMark`).
    private var isMarked = true
    /// The disk failed or the file is damaged: close it and start afresh.
    private(set) var isDoubtful = false
    /// Where a change of the page key is that is under way.
    var rewriter: PageRewriter?
    /// Somebody copies the file: nothing is written into it meanwhile, and it would be no use to try.
    private weak var held: FileSnapshot?

    private let path: String
    let plan: TenantFiles.Plan
    let connection: SQLiteConnection
    /// Keeps the schedule of the last object's key, until something is erased.
    private var cipher: FieldCipher
    /// What the file may have by its plan.
    private var bytesMax = 0
    /// What SQLite was told last; nil before that.
    private var appliedMax: Int?

    /// Opens the file, brings its tables up to date, and finishes the erasures that a crash cut short.
    init(_ tenant: TenantID, path: String, plan: TenantFiles.Plan) throws(SQLiteError) {
        self.tenant = tenant
        self.path = path
        self.plan = plan
        cipher = FieldCipher(tenant)
        connection = try plan.keys.openFile(at: path, of: tenant, options: plan.options, mayCreate: false)
        try connection.migrate([TenantFile.migrations, FileMark.migrations] + plan.migrations())
        try requireOwner()
        if try requireNewest() { try reconcile() }
        try replayOutbox()
    }

    func run(_ jobs: [Job]) {
        for job in jobs { if case .read(let body) = job.work { read(job, body) } }
        var writes = jobs.compactMap { job in
            if case .write(let body) = job.work { Write(job: job, body: body) } else { nil }
        }[...]
        if !writes.isEmpty {
            while !writes.isEmpty { writes = write(writes) }
            wantsCheckpoint = true
            isMarked = false
            if connection.framesInLog * 4096 > TenantLimit.walBytes { checkpoint(inPlace: true) }
        }
        for job in jobs { if case .upkeep(let body) = job.work { keepUp(job, body) } }
    }

    /// The one place in which a log is written into its database: whoever ships the log (a backup) does it before.
    ///
    /// - Parameter inPlace: leaves the log's file for the next transactions; what was deleted stays in it, sealed, until
    ///   there is nothing else to do.
    func checkpoint(inPlace: Bool = false) {
        guard held == nil else { return }
        mark()
        do throws(SQLiteError) {
            if inPlace {
                _ = try connection.checkpointInPlace()
            } else {
                try connection.checkpoint()
                wantsCheckpoint = false
            }
        } catch {
            // A reader on another thread stands in the way, or the disk has no room: the log stays and is tried again.
            if error.kind != .busy { log("a log cannot be written into its database", error) }
        }
    }

    /// An older copy of the file, put back, or an older keyring beside it, is refused.
    private func requireNewest() throws(SQLiteError) -> Bool {
        do throws(SQLiteError) {
            return try plan.keys.check(connection, of: tenant)
        } catch {
            log("a tenant's file and the keyring are not of one age", error)
            throw error
        }
    }

    /// A file from a backup still has the rows of what was erased since, and no key opens them: they go before anybody sees
    /// them. Done again after a crash, until the file is marked.
    private func reconcile() throws(SQLiteError) {
        let transaction = Transaction(cipher, connection: connection, keys: plan.keys, isReading: false)
        try connection.transaction { () throws(SQLiteError) in try plan.reconcile(transaction) }
        try finishErasure(of: transaction.erased)
        isMarked = false
        mark()
    }

    /// An older copy of the file, put back later, is noticed if it is from before this.
    private func mark() {
        guard !isMarked, !isDoubtful else { return }
        do throws(SQLiteError) {
            try plan.keys.mark(connection, of: tenant)
            isMarked = true
        } catch {
            log("a file is not marked", error)
        }
    }

    func close() {
        if walBytes > 0 { checkpoint() }
    }

    // MARK: - Reads

    private func read(_ job: Job, _ body: Job.Body) {
        let transaction = Transaction(cipher, connection: connection, keys: plan.keys, isReading: true)
        var failure: DatabaseFailure?
        do throws(SQLiteError) {
            try connection.snapshot { () throws(SQLiteError) in try body(transaction) }
        } catch {
            failure = judge(error)
        }
        job.finish(failure)
    }

    // MARK: - Writes

    /// One commit. Returns the writes that were not tried, because an error of one ended the transaction for all.
    private func write(_ jobs: ArraySlice<Write>) -> ArraySlice<Write> {
        applyQuota()
        countPages()
        let transaction = Transaction(cipher, connection: connection, keys: plan.keys, isReading: false)
        var outcomes: [Outcome] = []
        var hasBegun = false
        do throws(SQLiteError) {
            try connection.transaction { () throws(SQLiteError) in
                hasBegun = true
                for job in jobs { outcomes.append(try run(job.body, in: transaction)) }
                try transaction.finishKeys()
            }
        } catch {
            let failure = judge(error)
            // Whoever was in the transaction has nothing; who had an error of its own keeps it.
            let tried = hasBegun ? min(outcomes.count + 1, jobs.count) : jobs.count
            for (index, job) in jobs.prefix(tried).enumerated() {
                job.job.finish((index < outcomes.count ? outcomes[index].failure : nil) ?? failure)
            }
            return jobs.dropFirst(tried)
        }
        let unerased = erase(transaction.erased)
        for (write, outcome) in zip(jobs, outcomes) {
            write.job.finish(outcome.failure ?? (outcome.erases ? unerased : nil))
        }
        return []
    }

    private struct Write {
        let job: Job
        let body: Job.Body
    }

    /// What became of one write of a group, if the group commits.
    private struct Outcome {
        var failure: DatabaseFailure?
        var erases = false
    }

    /// One write of a group: what it throws is its own, unless it ended the transaction, which is everybody's.
    private func run(_ body: Job.Body, in transaction: Transaction) throws(SQLiteError) -> Outcome {
        let erased = transaction.erased.count
        do throws(SQLiteError) {
            try connection.savepoint { () throws(SQLiteError) in try body(transaction) }
            return Outcome(erases: transaction.erased.count > erased)
        } catch {
            transaction.keepErased(erased)
            if connection.isTransactionLost { throw error }
            return Outcome(failure: judge(error))
        }
    }

    // MARK: - Erasures

    /// The second half of an erasure (`Outbox`). Gives why it is not done yet: then the outbox has it still.
    private func erase(_ objects: [ObjectID]) -> DatabaseFailure? {
        do throws(SQLiteError) {
            try finishErasure(of: objects)
            return nil
        } catch {
            isDoubtful = true
            log("an erasure waits in the outbox", error)
            return DatabaseFailure(error, path: path)
        }
    }

    private func finishErasure(of objects: [ObjectID]) throws(SQLiteError) {
        guard !objects.isEmpty else { return }
        try plan.keys.erase(objects, of: tenant)
        cipher = FieldCipher(tenant)
        try Outbox.remove(objects, in: connection)
        // The log still has the deleted rows.
        checkpoint()
    }

    private func replayOutbox() throws(SQLiteError) {
        try finishErasure(of: try Outbox.waiting(in: connection))
    }

    // MARK: - Upkeep

    private func keepUp(_ job: Job, _ body: @Sendable (TenantFile) throws(SQLiteError) -> Void) {
        do throws(SQLiteError) {
            try body(self)
            job.finish(nil)
        } catch {
            job.finish(judge(error))
        }
    }

    /// A transaction of the store's own, between those of the modules.
    func transaction<R>(
        _ body: (any TenantTransaction) throws(SQLiteError) -> R
    ) throws(SQLiteError) -> R {
        countPages()
        (wantsCheckpoint, isMarked) = (true, false)
        if connection.framesInLog * 4096 > TenantLimit.walBytes { checkpoint(inPlace: true) }
        let transaction = Transaction(cipher, connection: connection, keys: plan.keys, isReading: false)
        return try connection.transaction { () throws(SQLiteError) in try body(transaction) }
    }

    /// The file as it stands, for a copy. Its log waits as long as that lives.
    func snapshot() throws(SQLiteError) -> FileSnapshot {
        if let held { return held }
        mark()
        let new = try FileSnapshot(connection) { () throws(SQLiteError) in
            try plan.keys.openFile(at: path, of: tenant, options: plan.options, mayCreate: false)
        }
        held = new
        return new
    }

    /// A page key is good for so many pages and no more.
    private func countPages() {
        do throws(SQLiteError) {
            if try plan.keys.notePageWrites(of: tenant) { plan.wornOut(tenant) }
        } catch {
            log("what the page key has sealed is not noted", error)
        }
    }

    // MARK: - Size

    private var walBytes: Int { (try? FileStatus(path: TenantPaths.log(of: path)).size) ?? 0 }

    /// SQLite itself refuses to let the file grow beyond the limit; what frees pages goes on. On a disk that is nearly full
    /// the limit is what the file has.
    private func applyQuota() {
        bytesMax = plan.bytesMax(tenant)
        let wanted = plan.isDiskLow(path) ? 0 : bytesMax
        guard wanted != appliedMax else { return }
        do throws(SQLiteError) {
            let pageBytes = try connection.first("PRAGMA page_size") { row throws(SQLiteError) in try row.int(0) }
            let pages = max(1, min(wanted / (pageBytes ?? 4096), 4_294_967_294))
            try connection.execute("PRAGMA max_page_count = \(pages)")
            appliedMax = wanted
        } catch {
            log("the largest size of a file cannot be set", error)
        }
    }

    /// SQLite says the same of a full disk and of a full file. It is the disk where that has less room than the file may
    /// still grow, or where the file is far from its limit.
    private var isAtQuota: Bool {
        let pages = (try? connection.first("PRAGMA page_count") { row throws(SQLiteError) in try row.int(0) }) ?? nil
        let size = (try? connection.first("PRAGMA page_size") { row throws(SQLiteError) in try row.int(0) }) ?? nil
        let left = bytesMax - (pages ?? 0) * (size ?? 4096)
        guard left < TenantLimit.writeBytes, !plan.isDiskLow(path) else { return false }
        return DiskSpace.bytes(at: path) ?? 0 > TenantLimit.writeBytes
    }

    // MARK: - Errors

    private func judge(_ error: SQLiteError) -> DatabaseFailure {
        switch error.kind {
        case .full where isAtQuota: return .quota(bytesMax: bytesMax)
        case .corrupt, .unavailable: isDoubtful = true
        default: break
        }
        return DatabaseFailure(error, path: path)
    }

    /// The file says whose it is. The key says so too; this finds a mistake of ours before it writes.
    private func requireOwner() throws(SQLiteError) {
        let owner = try connection.first("SELECT id FROM store_tenant") { row throws(SQLiteError) in try row.text(0) }
        guard let owner else {
            return try connection.transaction { () throws(SQLiteError) in
                try connection.execute("INSERT INTO store_tenant VALUES (?)", tenant.text)
            }
        }
        guard owner == tenant.text else {
            throw SQLiteError(.corrupt, message: "the file belongs to another tenant", subject: path)
        }
    }

    private func log(_ what: StaticString, _ error: SQLiteError) {
        plan.log.warning("\(what)", ["tenant": .string(tenant.text), "cause": .string(error.description)])
    }
}

extension DatabaseFailure {
    /// - Parameter path: the file it is about, where the error does not name one.
    init(_ error: SQLiteError, path: String? = nil) {
        switch error.kind {
        case .busy: self = .busy
        case .full: self = .full
        case .corrupt:
            if let damage = error.damage {
                self = .damaged(file: damage.file, page: Int(damage.page))
            } else {
                self = path.map { .damaged(file: $0, page: nil) } ?? .failed(error)
            }
        default: self = .failed(error)
        }
    }
}
