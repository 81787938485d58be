// SPDX-License-Identifier: Apache-2.0

import Core
import Log
import Platform
import SQLite

/// Deletes what has outlived its retention, in steps of bounded size, one tenant after the other. The time is an argument.
///
/// Retention counts from when something was made: a message goes when it is old, and its thread stays while it has younger
/// ones; the thread goes, with its key, when its last message is old.
struct Sweeper: Sendable {
    let context: NodesContext

    private static let threadsPerStep = 32
    private static let messagesPerStep = 256
    private static let filesPerStep = 8
    private static let creationsPerStep = 500
    /// Steps of one tenant in one go; then the others get theirs.
    private static let stepsMax = 10_000

    /// Sweeps every tenant of whom something may be due.
    func run() async {
        let tenants = context.directory.list().map(\.id)
        context.schedule.keep(Set(tenants))
        context.keyRounds.keep(Set(tenants))
        context.chat.tend(tenants: Set(tenants), at: context.now())
        for tenant in tenants {
            do throws(Failure) {
                try await tend(tenant)
            } catch {
                context.schedule.hasten(tenant)
                context.log.warning(
                    "a tenant could not be swept",
                    ["tenant": .string(tenant.text), "cause": .string(error.cause ?? error.message)])
            }
        }
    }

    private func tend(_ tenant: TenantID) async throws(Failure) {
        let now = context.now()
        if context.schedule.isDue(tenant, under: context.directory.limits(of: tenant), at: now) {
            try await sweep(context.store.database(of: tenant, actor: "sweeper"))
        }
        if context.keyRounds.next(of: tenant, at: now) != nil {
            try await sweepKeys(of: context.store.database(of: tenant, actor: "sweeper"))
        }
    }

    /// Sweeps one tenant, until nothing is left to delete.
    ///
    /// Where its plan has changed since, first under the old one: what had outlived that is not brought back by a plan that
    /// allows more.
    func sweep(_ database: any TenantDatabase) async throws(Failure) {
        let limits = context.directory.limits(of: database.tenant)
        if let former = context.schedule.formerLimits(of: database.tenant, before: limits) {
            try await sweep(database, under: former)
        }
        try await sweep(database, under: limits)
    }

    private func sweep(_ database: any TenantDatabase, under limits: TenantLimits) async throws(Failure) {
        let now = context.now()
        context.schedule.begin(database.tenant, under: limits)
        for _ in 0..<Self.stepsMax {
            let (hasMore, due) = try await database.change {
                transaction throws(SQLiteError) -> Verdict<(Bool, WallTime?)> in
                let hasMore = try step(in: transaction, under: limits, at: now)
                return .success((hasMore, hasMore ? nil : try next(in: transaction, under: limits)))
            }
            if hasMore { continue }
            if let due { context.schedule.note(database.tenant, due: due) }
            return
        }
        context.schedule.hasten(database.tenant)
    }

    /// Deletes some of what is due.
    ///
    /// - Returns: whether there may be more.
    private func step(
        in transaction: any TenantTransaction, under limits: TenantLimits, at now: WallTime
    ) throws(SQLiteError) -> Bool {
        if try Remains.step(in: transaction) { return true }
        if try sweepThreads(in: transaction, under: limits, at: now) { return true }
        if try sweepFiles(in: transaction, under: limits, at: now) { return true }
        let receiptsMax = ChatLimits.receiptsPerStep
        if try InvocationTables.sweep(in: transaction, at: now, max: receiptsMax) == receiptsMax { return true }
        return try IdempotencyKey.sweep(in: transaction, at: now, max: Self.creationsPerStep) == Self.creationsPerStep
    }

    // MARK: Threads

    private func sweepThreads(
        in transaction: any TenantTransaction, under limits: TenantLimits, at now: WallTime
    ) throws(SQLiteError) -> Bool {
        for term in try terms(in: transaction, under: limits) {
            let cutoff = now - .seconds(term.retention.seconds)
            let threads = try ThreadTables.aged(
                nodeID: term.nodeID, cutoff: cutoff, max: Self.threadsPerStep, in: transaction)
            guard !threads.isEmpty else { continue }
            for thread in threads { try sweep(thread, cutoff: cutoff, in: transaction) }
            return true
        }
        return false
    }

    private func sweep(
        _ thread: ThreadOutline, cutoff: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        guard thread.activeAt > cutoff else { return try ThreadTables.delete(thread, in: transaction) }
        var thread = thread
        try MessageTables.trim(&thread, cutoff: cutoff, max: Self.messagesPerStep, in: transaction)
        try ThreadTables.update(thread, in: transaction)
    }

    /// How long threads are kept: all of them, and less those of nodes that wish less.
    private func terms(
        in transaction: any TenantTransaction, under limits: TenantLimits
    ) throws(SQLiteError) -> [(nodeID: String?, retention: Retention)] {
        let general = try context.retention(.threads, under: limits, in: transaction)
        var terms: [(nodeID: String?, retention: Retention)] = [(nil, general)]
        for wish in try NodeTables.wishes(in: transaction) where wish.seconds < general.seconds {
            terms.append((wish.id, Retention(seconds: wish.seconds)))
        }
        return terms
    }

    // MARK: Files

    private func sweepFiles(
        in transaction: any TenantTransaction, under limits: TenantLimits, at now: WallTime
    ) throws(SQLiteError) -> Bool {
        let cutoff = now - .seconds(try context.retention(.files, under: limits, in: transaction).seconds)
        var files = try FileTables.aged(cutoff: cutoff, now: now, max: Self.filesPerStep, in: transaction)
        if files.isEmpty {
            files = try FileTables.halves(
                except: context.uploads.underWay(of: transaction.tenant), max: Self.filesPerStep, in: transaction)
        }
        for file in files { try FileTables.delete(file, in: transaction) }
        return !files.isEmpty
    }

    // MARK: The next time

    /// When the next thing is due; nil where nothing is kept.
    private func next(
        in transaction: any TenantTransaction, under limits: TenantLimits
    ) throws(SQLiteError) -> WallTime? {
        var times: [WallTime] = []
        for term in try terms(in: transaction, under: limits) {
            guard let oldest = try ThreadTables.oldest(nodeID: term.nodeID, in: transaction) else { continue }
            times.append(oldest + .seconds(term.retention.seconds))
        }
        let files = try FileTables.oldest(in: transaction)
        if let made = files.made {
            times.append(made + .seconds(try context.retention(.files, under: limits, in: transaction).seconds))
        }
        if let ends = files.ends { times.append(ends) }
        if let key = try IdempotencyKey.oldest(in: transaction) {
            times.append(key + .seconds(NodesLimits.idempotencySeconds))
        }
        if let receipt = try InvocationTables.oldest(in: transaction) {
            times.append(receipt + .seconds(ChatLimits.receiptSeconds))
        }
        return times.min()
    }
}
