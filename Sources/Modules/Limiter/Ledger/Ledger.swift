// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Log
import Platform
import SQLite
import Synchronization

/// What was spent, as a projection of the audit log, and what else the limiter must know after a restart.
///
/// The log's thread hands over what each record tells once that is on the disk. Every five seconds the sums are copied, and
/// written with the place in the log up to which they tell: nothing is counted twice, and nothing is left out, whenever the
/// process dies. What was admitted lately is written beside it; a kill loses at most five seconds of that.
final class Ledger: SpendingBook {
    static let interval = Duration.seconds(5)
    /// Records that are read at a start although they tell nothing of money.
    private static let recordsMax = 10_000

    private struct State {
        var log = 0
        /// The first record that has not been written down.
        var from = 0
        /// Copied, and not written yet.
        var waiting: [Subject: LimiterTables.Spent] = [:]
        var through: Int?
        /// While the log is read at the start.
        var isReading = true
        /// Intents that a crash has left open and that count as spent, until the log says so itself.
        var open: Set<Int> = []
        /// The month in which those were forgotten last who have spent nothing since.
        var month = 0
    }

    let table: AccountTable
    let strikes: StrikeTable
    private let database: any Database
    private let log: Logger
    private let now: @Sendable () -> Instant
    private let state = Mutex(State())
    private let isDue = Atomic(false)
    private let isOpen = Atomic(false)
    private let thread = Mutex<EventLoop?>(nil)

    init(
        table: AccountTable, strikes: StrikeTable, database: any Database, log: Logger,
        now: @escaping @Sendable () -> Instant
    ) {
        self.strikes = strikes
        (self.table, self.database, self.log, self.now) = (table, database, log, now)
    }

    // MARK: The start

    /// Reads what was written down. Harmless twice.
    func load() throws(StartFailure) {
        guard !isOpen.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let rules: [LimiterTables.Rule]
        let spent: [LimiterTables.Spent]
        let windows: [LimiterTables.Windows]
        let blamed: [StrikeTable.Entry]
        let whole: (savedAt: WallTime, counts: [UInt8])?
        let position: (log: Int, sequence: Int)
        do throws(DatabaseFailure) {
            try database.migrate(LimiterTables.migrations)
            (rules, spent, windows, blamed, whole, position) = try database.writeBlocking {
                connection throws(SQLiteError) in
                (
                    try LimiterTables.rules(in: connection), try LimiterTables.spent(in: connection),
                    try LimiterTables.windows(in: connection), try LimiterTables.strikes(in: connection),
                    try LimiterTables.instance(in: connection),
                    try LimiterTables.position(in: connection)
                )
            }
        } catch {
            throw StartFailure("what the limiter has written down cannot be read: \(error)")
        }
        try use(rules)
        for row in spent { table.restore(row) }
        let (now, time) = (now(), WallTime.now())
        for row in windows { table.restore(row, at: now, time) }
        if let whole { table.restoreWhole(whole.counts, after: max(time - whole.savedAt, .zero), at: now) }
        for entry in blamed { strikes.restore(entry, at: time) }
        state.withLock { ($0.log, $0.from) = (position.log, position.sequence) }
    }

    private func use(_ rules: [LimiterTables.Rule]) throws(StartFailure) {
        for rule in rules {
            do throws(RuleError) {
                table.book.set(try rule.override, for: rule.subject)
            } catch {
                throw StartFailure("a limit that was set cannot be read: \(error.message)")
            }
        }
    }

    func open(log: Int) throws(StartFailure) -> Int {
        try load()
        return state.withLock { state in
            // Another log: its records begin anew, and what was spent stays spent.
            if state.log != log { (state.log, state.from) = (log, 0) }
            return state.from
        }
    }

    // MARK: The log

    func begin(leftOpen intents: [Spending]) {
        state.withLock { state in
            state.isReading = false
            for intent in intents { state.open.insert(intent.sequence) }
        }
        for intent in intents { table.spend(intent) }
    }

    func take(_ spending: Spending) {
        // What a call of this process held was counted when it ended, and what a crash has left open at the start.
        let isNew = state.withLock { state in
            if state.isReading { return true }
            guard let intent = spending.interrupted else { return !spending.isHeld }
            return state.open.remove(intent) == nil
        }
        table.tell(spending, isNew: isNew)
    }

    func told(through size: Int) {
        guard isDue.load(ordering: .relaxed), isDue.exchange(false, ordering: .acquiringAndReleasing) else { return }
        let spent = table.takeSpent()
        state.withLock { state in
            for row in spent { state.waiting[row.subject] = row }
            state.through = size
        }
    }

    // MARK: Writing

    func start() throws(StartFailure) {
        try load()
        let loop: EventLoop
        do throws(Errno) {
            loop = try EventLoop(name: "limiter")
            try loop.start()
        } catch {
            throw StartFailure("the thread of the limiter cannot be started: \(error)")
        }
        thread.withLock { $0 = loop }
        isDue.store(true, ordering: .releasing)
        loop.spawn { [self] in
            while true {
                await loop.sleep(Self.interval)
                await write()
            }
        }
    }

    private struct Batch: Sendable {
        var spent: [LimiterTables.Spent]
        var through: Int?
        var log: Int
        var windows: [LimiterTables.Windows]
        /// What the whole server has charged lately, and when that was asked.
        var whole: (counts: [UInt8], time: WallTime)?
        /// People whose month is over are forgotten.
        var month: Int?
        var strikes: (rows: [StrikeTable.Entry], gone: [Subject])
        /// Records that need not be read again, once there are enough of them that it matters.
        var hasMoved = false

        var isEmpty: Bool {
            spent.isEmpty && windows.isEmpty && whole == nil && !hasMoved && month == nil && strikes.rows.isEmpty
                && strikes.gone.isEmpty
        }

        func write(_ connection: SQLiteConnection) throws(SQLiteError) {
            if let through { try LimiterTables.write(spent, through: through, of: log, in: connection) }
            try LimiterTables.write(windows, in: connection)
            if let whole { try LimiterTables.write(instance: whole.counts, at: whole.time, in: connection) }
            try LimiterTables.write(strikes.rows, gone: strikes.gone, in: connection)
            if let month { try LimiterTables.forgetPeople(before: month, in: connection) }
        }
    }

    private func take() -> Batch {
        let time = WallTime.now()
        let windows = table.takeWindows(at: now(), time)
        let whole = table.takeWholeCounts(at: now()).map { (counts: $0, time: time) }
        let month = UTCDate(.now()).month
        let keepsPeople = table.book.rules(forEach: .user).budgets.contains { $0.period == .total }
        let isNewMonth = state.withLock { state in
            defer { if !keepsPeople { state.month = month } }
            return !keepsPeople && state.month < month
        }
        if isNewMonth { table.forgetPeople(before: month) }
        let blamed = strikes.takeUnwritten(at: .now())
        return state.withLock { state in
            let hasMoved = (state.through ?? state.from) - state.from >= Self.recordsMax
            let through = state.waiting.isEmpty && !hasMoved ? nil : state.through
            defer { (state.waiting, state.through, state.from) = ([:], nil, through ?? state.from) }
            return Batch(
                spent: Array(state.waiting.values), through: through, log: state.log, windows: windows,
                whole: whole, month: isNewMonth ? month : nil, strikes: blamed, hasMoved: hasMoved)
        }
    }

    private func write() async {
        let batch = take()
        // The next copy is taken when the log has next been flushed.
        isDue.store(true, ordering: .releasing)
        // Not for nothing: a write is a flush of the disk, on a server where nothing happens too.
        guard !batch.isEmpty else { return }
        do throws(DatabaseFailure) {
            try await database.write { connection throws(SQLiteError) in try batch.write(connection) }
        } catch {
            putBack(batch, error)
        }
    }

    /// It waits with what is copied next, whose rows are newer.
    private func putBack(_ batch: Batch, _ error: DatabaseFailure) {
        state.withLock { state in
            for row in batch.spent where state.waiting[row.subject] == nil { state.waiting[row.subject] = row }
            state.through = state.through ?? batch.through
        }
        strikes.putBack(batch.strikes.rows.map(\.subject) + batch.strikes.gone)
        log.warning("what was spent could not be written; it is tried again", ["cause": .string("\(error)")])
    }

    /// Writes what is there; what the log tells after this is read from it at the next start. Blocks.
    func stop() {
        let loop = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let loop else { return }
        loop.stop()
        loop.join()
        let batch = take()
        do throws(DatabaseFailure) {
            try database.writeBlocking { connection throws(SQLiteError) in try batch.write(connection) }
        } catch {
            log.warning("what was admitted lately could not be written", ["cause": .string("\(error)")])
        }
    }

    // MARK: Rules

    /// Sets what holds for one subject: on the disk first, then in force on every loop.
    func set(_ rule: LimiterTables.Rule) async throws(Failure) {
        let override: RuleBook.Override
        do throws(RuleError) {
            override = try rule.override
        } catch {
            throw Failure(.invalidParameter, error.hint.map { "\(error.message); \($0)" } ?? error.message)
        }
        do throws(DatabaseFailure) {
            try await database.write { connection throws(SQLiteError) in try LimiterTables.write(rule, in: connection) }
        } catch {
            throw Failure(error)
        }
        table.book.set(override, for: rule.subject)
    }

    /// Forgets a tenant that is being deleted. Its rows go with it.
    func forget(_ tenant: TenantID) {
        table.book.forget(tenant)
        table.forget(tenant)
        strikes.forget(tenant)
        state.withLock { state in state.waiting = state.waiting.filter { $0.value.tenant != tenant } }
    }

    /// Writes down at once what the operator has changed.
    func writeStrikes() async throws(Failure) {
        let (rows, gone) = strikes.takeUnwritten(at: .now())
        do throws(DatabaseFailure) {
            try await database.write { connection throws(SQLiteError) in
                try LimiterTables.write(rows, gone: gone, in: connection)
            }
        } catch {
            strikes.putBack(rows.map(\.subject) + gone)
            throw Failure(error)
        }
    }

    func rules() async throws(Failure) -> [LimiterTables.Rule] {
        do throws(DatabaseFailure) {
            return try await database.write { connection throws(SQLiteError) in
                try LimiterTables.rules(in: connection)
            }
        } catch {
            throw Failure(error)
        }
    }
}

extension LimiterTables.Rule {
    /// The same as it is in force.
    var override: RuleBook.Override {
        get throws(RuleError) {
            RuleBook.Override(
                tenant: tenant, limits: try limits.map { texts throws(RuleError) in try Rules(texts) },
                budgets: try budgets.map { texts throws(RuleError) in try Rules.budgets(texts) })
        }
    }
}
