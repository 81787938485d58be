// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Synchronization

// What the audit log tells of the accounts, and what is written down of them.

extension AccountTable {
    /// Sums in one shard of those who have no account; with more of them nobody new behind a key is let in. Keys and nodes are
    /// as many as there are, but of people a key can name any number.
    static let sumsPerShardMax = 65_536

    /// Counts what the log tells for everybody whom it counts for.
    ///
    /// - Parameter isNew: whether nobody has held and settled it in this process.
    func tell(_ spending: Spending, isNew: Bool) {
        let sum = Meter.Sum(cost: spending.cost ?? 0, tokens: spending.tokens)
        let date = UTCDate(spending.time)
        shard(of: spending.tenant).withLock { shard in
            func tell(_ subject: Subject) {
                shard.tell(subject, of: spending.tenant) { sums in
                    sums.told.spend(sum, at: date)
                    if isNew { sums.known.spend(sum, at: date) }
                }
            }
            tell(.tenant(spending.tenant))
            if let key = spending.key { tell(.key(key)) }
            if let node = spending.node { tell(.node(NodeID(node))) }
            if book.hasPeopleBudgets, let digest = spending.endUser { tell(.user(EndUser(digest: digest))) }
        }
    }

    /// Counts what a crash has left open as spent, before the log tells so.
    func spend(_ intent: Spending) {
        let sum = Meter.Sum(cost: intent.cost ?? 0, tokens: intent.tokens)
        shard(of: intent.tenant).withLock { shard in
            for subject in subjects(of: intent) {
                shard.change(spentBy: subject, of: intent.tenant) { $0.known.spend(sum, at: UTCDate(intent.time)) }
            }
        }
    }

    private func subjects(of spending: Spending) -> [Subject] {
        var subjects: [Subject] = [.tenant(spending.tenant)]
        if let key = spending.key { subjects.append(.key(key)) }
        if let node = spending.node { subjects.append(.node(NodeID(node))) }
        // Of people there may be any number: their sums are kept once they have budgets.
        if book.hasPeopleBudgets, let digest = spending.endUser {
            subjects.append(.user(EndUser(digest: digest)))
        }
        return subjects
    }

    /// What the log has told since the last call, of whom.
    func takeSpent() -> [LimiterTables.Spent] {
        shards.flatMap { locked in
            locked.withLock { shard in
                defer { shard.unwritten = [] }
                return shard.unwritten.compactMap { subject -> LimiterTables.Spent? in
                    if let account = shard.accounts[subject] {
                        account.isUnwritten = false
                        return account.tenant.map { .init(subject: subject, tenant: $0, meter: account.spent.told) }
                    }
                    return shard.spent[subject].map { .init(subject: subject, tenant: $0.tenant, meter: $0.sums.told) }
                }
            }
        }
    }

    func restore(_ spent: LimiterTables.Spent) {
        shard(of: spent.tenant).withLock { shard in
            shard.change(spentBy: spent.subject, of: spent.tenant) {
                $0 = SpentSums(known: spent.meter, told: spent.meter)
            }
        }
    }

    /// Forgets what people have spent whose month is over; where nobody has a budget for all time.
    func forgetPeople(before month: Int) {
        for locked in shards {
            locked.withLock { shard in
                shard.spent = shard.spent.filter { subject, spent in
                    subject.kind != .user || spent.sums.known.month >= month
                }
            }
        }
    }

    /// What has been admitted lately, of everybody for whom something was counted since the last call.
    func takeWindows(at now: Instant, _ time: WallTime) -> [LimiterTables.Windows] {
        shards.flatMap { locked in
            locked.withLock { shard in
                shard.accounts.values.compactMap { account -> LimiterTables.Windows? in
                    guard account.isFresh, let tenant = account.tenant else { return nil }
                    account.isFresh = false
                    return LimiterTables.Windows(
                        subject: account.subject, tenant: tenant, savedAt: time,
                        counts: WindowCounts.encode(account.limits, at: now))
                }
            }
        }
    }

    func restore(_ windows: LimiterTables.Windows, at now: Instant, _ time: WallTime) {
        guard let entries = WindowCounts.decode(windows.counts) else { return }
        // A clock that went back makes nothing older.
        let pause = max(time - windows.savedAt, .zero)
        shard(of: windows.tenant).withLock {
            $0.account(of: windows.subject, windows.tenant, book).restore(entries, after: pause, at: now)
        }
    }
}
