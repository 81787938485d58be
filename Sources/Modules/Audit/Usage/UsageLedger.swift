// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// Usage that the log tells of and the tenants' databases do not yet. The log adds to it, record by record, from its own
/// thread; the flusher takes from it.
///
/// What is lost of it in a crash is read from the log again, from ``position`` on.
final class UsageLedger: AuditProjection {
    /// Cells in memory, of all tenants. Beyond, end users of one cell are counted together, so that somebody who invents
    /// a new end user with each request cannot fill the memory while a disk is slow.
    static let cellsMax = 65_536

    /// What is to be written for one tenant.
    struct Batch: Sendable {
        let tenant: TenantID
        /// ``UsagePosition/log``
        let log: Int
        /// Read from the log at the start: the tenant's database may tell of some of them already.
        var recovered: [UsageFact] = []
        var cells: [UsageCell: UsageSums] = [:]
        /// The first record in it, and the one behind the last record that the log had then.
        var first: Int
        var end: Int

        /// The same with the end users of each cell counted together.
        var withoutUsers: Batch {
            var batch = self
            batch.recovered = recovered.map { $0.withoutUser }
            batch.cells = [:]
            for (cell, sums) in cells {
                var cell = cell
                cell.user = []
                batch.cells[cell, default: UsageSums()].add(sums)
            }
            return batch
        }
    }

    /// Cells that are looked for first; a search among more would cost more than it spares.
    private static let recentMax = 8

    /// An object, so that looking through them copies nothing.
    private final class Recent {
        let tenant: TenantID
        let cell: UsageCell
        /// ``UsageFact/cellFields`` of its records.
        let fields: [UInt8]
        /// The first record of it.
        let first: Int
        var sums = UsageSums()

        init(tenant: TenantID, cell: UsageCell, fields: [UInt8], first: Int) {
            (self.tenant, self.cell, self.fields, self.first) = (tenant, cell, fields, first)
        }

        /// Whether a record is of this cell. Records that look alike are; one that does not may be all the same.
        func holds(_ time: WallTime, _ fields: Span<UInt8>) -> Bool {
            let own = self.fields
            return cell.start <= time.seconds && time.seconds - cell.start < Int64(UsageCell.Span.hour.rawValue)
                && fields.hasFields(UsageFact.cellFields, own.span)
        }

        func add(_ mark: AuditRecords.Mark, _ fields: Span<UInt8>) {
            UsageFigures(mark.kind, fields.extracting(mark.figures...))?.add(to: &sums)
        }
    }

    private struct State {
        var batches: [TenantID: Batch] = [:]
        /// Tenants whose batch is being written, and the first record in it.
        var underWay: [TenantID: Int] = [:]
        var cells = 0
        /// Behind the last record that was taken.
        var next = 0
        /// ``UsagePosition/log``
        var log = 0
        /// What control.db has.
        var written = UsagePosition()
        var isRecovering = true
        var feeds = UsageFeeds()
        var totals = UsageTotals()

        /// What the records of a moment tell, not in its cells yet: most are of the same few, which then need not be looked up
        /// for each record.
        var recent: [Recent] = []
        var texts = TextCache()

        mutating func batch(of tenant: TenantID, first: Int, _ change: (inout Batch) -> Void) {
            change(&batches[tenant, default: Batch(tenant: tenant, log: log, first: first, end: 0)])
        }

        /// What is recent of the cell of a record.
        func like(_ mark: AuditRecords.Mark, _ fields: Span<UInt8>) -> Recent? {
            for index in recent.indices where recent[index].holds(mark.place.time, fields) { return recent[index] }
            return nil
        }

        /// Adds a fact to what is recent.
        ///
        /// - Parameter fields: of its record.
        mutating func count(_ fact: UsageFact, _ fields: Span<UInt8>) {
            if recent.count == UsageLedger.recentMax { settle() }
            let new = Recent(
                tenant: fact.tenant, cell: fact.cell, fields: fields.fields(UsageFact.cellFields),
                first: fact.sequence)
            fact.add(to: &new.sums)
            recent.append(new)
        }

        /// Adds what is recent to its cells.
        mutating func settle() {
            for recent in recent {
                totals.take(recent.sums, of: recent.cell)
                var cell = recent.cell
                if cells >= UsageLedger.cellsMax, batches[recent.tenant]?.cells[cell] == nil { cell.user = [] }
                var added = 0
                batch(of: recent.tenant, first: recent.first) { batch in
                    added = -batch.cells.count
                    batch.cells[cell, default: UsageSums()].add(recent.sums)
                    added += batch.cells.count
                }
                cells += added
            }
            recent.removeAll(keepingCapacity: true)
        }
    }

    private let state = Monitor(State())

    // MARK: The log

    /// Which log it is told of.
    var log: Int { state.withLock { $0.log } }

    /// Behind the last record that was taken.
    var next: Int { state.withLock { $0.next } }

    /// Where reading begins at a start.
    func begin(at position: UsagePosition) {
        state.withLock { state in
            (state.next, state.log) = (position.sequence, position.log)
            state.written = position
        }
    }

    /// What comes from now on is new; no tenant's database can know it.
    func endRecovery() { state.withLock { $0.isRecovering = false } }

    /// Takes records, in the order of the log. They are on the disk: a power cut would give their sequences to others.
    func apply(_ records: AuditRecords) {
        guard let last = records.marks.last else { return }
        let bytes = records.bytes.span
        state.withLock { state in
            state.next = last.place.sequence + 1
            let isPlain = !state.isRecovering && state.feeds.isEmpty
            // Many are of the same cell as the one before: it is found once for all of them. Never one that may have been settled.
            var latest: Recent?
            for mark in records.marks where UsageFact.mayTell(mark.kind) {
                let fields = bytes.extracting(mark.fields)
                if isPlain {
                    if latest?.holds(mark.place.time, fields) != true { latest = state.like(mark, fields) }
                    if let latest {
                        latest.add(mark, fields)
                        continue
                    }
                }
                guard let fact = UsageFact(mark.kind, mark.place, fields, &state.texts) else { continue }
                guard !state.isRecovering else {
                    state.batch(of: fact.tenant, first: fact.sequence) { $0.recovered.append(fact) }
                    continue
                }
                if let like = state.like(mark, fields) {
                    like.add(mark, fields)
                } else {
                    state.count(fact, fields)
                }
                state.feeds.take(fact)
            }
            state.settle()
        }
    }

    // MARK: The flusher

    /// Tenants for whom there is something to write.
    var tenants: [TenantID] { state.withLock { Array($0.batches.keys) } }

    /// The first record that some tenant's database may not tell of: where reading begins after a crash.
    var position: UsagePosition {
        state.withLock { state in
            let waiting = state.batches.values.map(\.first).min() ?? state.next
            let underWay = state.underWay.values.min() ?? state.next
            return UsagePosition(log: state.log, sequence: min(waiting, underWay, state.next))
        }
    }

    /// ``position``, where control.db has another; nil where nothing has moved.
    var movedPosition: UsagePosition? {
        let (position, written) = (position, state.withLock { $0.written })
        return position == written ? nil : position
    }

    /// control.db has it now.
    func noteWritten(_ position: UsagePosition) { state.withLock { $0.written = position } }

    enum Taking: Sendable {
        case batch(Batch)
        case nothing
        /// Another flush of this tenant is under way; its end has to be waited for.
        case underWay
    }

    /// Takes what is to be written for a tenant. ``done(_:)`` or ``putBack(_:)`` must follow.
    func take(_ tenant: TenantID) -> Taking {
        state.withLock { state in
            guard state.underWay[tenant] == nil else { return .underWay }
            guard var batch = state.batches.removeValue(forKey: tenant) else { return .nothing }
            state.cells -= batch.cells.count
            batch.end = state.next
            state.underWay[tenant] = batch.first
            return .batch(batch)
        }
    }

    func done(_ tenant: TenantID) {
        state.withLock { state in _ = state.underWay.removeValue(forKey: tenant) }
    }

    /// It could not be written: it waits with what has come since.
    func putBack(_ batch: Batch) {
        state.withLock { state in
            state.underWay[batch.tenant] = nil
            guard var since = state.batches[batch.tenant] else {
                state.cells += batch.cells.count
                state.batches[batch.tenant] = batch
                return
            }
            let before = since.cells.count
            since.recovered = batch.recovered + since.recovered
            for (cell, sums) in batch.cells { since.cells[cell, default: UsageSums()].add(sums) }
            since.first = batch.first
            state.cells += since.cells.count - before
            state.batches[batch.tenant] = since
        }
    }

    /// Forgets a tenant that is deleted.
    func forget(_ tenant: TenantID) {
        state.withLock { state in
            state.cells -= state.batches.removeValue(forKey: tenant)?.cells.count ?? 0
        }
    }

    // MARK: Those who watch

    /// Begins to collect what a tenant uses.
    ///
    /// - Returns: nil where as many watch as may.
    func openFeed(of tenant: TenantID) -> Int? { state.withLock { $0.feeds.open(of: tenant) } }

    /// What has happened since the last call.
    func drainFeed(_ number: Int) -> UsageFeeds.Interval { state.withLock { $0.feeds.drain(number) } }

    func closeFeed(_ number: Int) { state.withLock { $0.feeds.close(number) } }

    /// Sums since the start of the process.
    var totals: UsageTotals { state.withLock { $0.totals } }
}
