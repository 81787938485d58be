// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Synchronization

/// The asynchronous runs of this process: those under way, of which there are so many at most, and the results that lie in
/// memory because they may lie nowhere else.
final class Runs: Sendable {
    private struct Run {
        let receipt: Receipt
        let nodeID: String
        var status = RunStatus.queued
        /// Ends it early; nil until it runs. Any thread.
        var cancel: (@Sendable () -> Void)?
    }

    private struct Finished {
        let receipt: Receipt
        let nodeID: String
        let at: WallTime
        let result: RunResult
    }

    private struct Table {
        var underWay: [String: Run] = [:]
        var counts: [TenantID: Int] = [:]
        var finished: TenantShelf<Finished>
    }

    /// Guards both.
    private let table: Mutex<Table>
    private let runsMax: Int
    private let runsPerTenantMax: Int

    init(
        runsMax: Int = ChatLimits.runsMax, perTenant: Int = ChatLimits.runsPerTenantMax,
        results: ShelfBounds = ChatLimits.heldResults
    ) {
        table = Mutex(Table(finished: TenantShelf(results)))
        self.runsMax = runsMax
        runsPerTenantMax = perTenant
    }

    // MARK: Under way

    /// - Throws: `overloaded` where as many are under way as may be.
    func begin(_ receipt: Receipt, node: String) throws(Failure) {
        let hasRoom = table.withLock { table in
            let count = table.counts[receipt.tenant] ?? 0
            guard count < runsPerTenantMax, table.underWay.count < runsMax else { return false }
            table.counts[receipt.tenant] = count + 1
            table.underWay[receipt.id] = Run(receipt: receipt, nodeID: node)
            return true
        }
        guard hasRoom else {
            throw Failure(.overloaded, "too many asynchronous runs are under way").retrying(after: .seconds(5))
        }
    }

    /// - Parameter cancel: ends the run early, for nobody wants its result any more.
    func start(_ receipt: Receipt, cancel: @escaping @Sendable () -> Void) {
        table.withLock { table in
            table.underWay[receipt.id]?.status = .running
            table.underWay[receipt.id]?.cancel = cancel
        }
    }

    func end(_ receipt: Receipt) {
        table.withLock { table in
            guard table.underWay.removeValue(forKey: receipt.id) != nil else { return }
            let left = (table.counts[receipt.tenant] ?? 1) - 1
            table.counts[receipt.tenant] = left > 0 ? left : nil
        }
    }

    // MARK: Results

    /// Keeps a result in memory.
    func hold(_ result: RunResult, of receipt: Receipt, node: String, at now: WallTime) {
        var bytes = 0
        if case .answered(let answer) = result { bytes = answer.content.utf8.count + (answer.refusal?.utf8.count ?? 0) }
        let finished = Finished(receipt: receipt, nodeID: node, at: now, result: result)
        table.withLock { _ = $0.finished.put(finished, receipt.id, bytes: bytes, of: receipt.tenant, at: now) }
    }

    /// What memory knows of a run of this tenant.
    func find(_ id: String, of tenant: TenantID, at now: WallTime) -> InvocationView? {
        table.withLock { table in
            if let run = table.underWay[id], run.receipt.tenant == tenant {
                return InvocationView(
                    id: id, nodeID: run.nodeID, owner: run.receipt.owner, createdAt: run.receipt.createdAt,
                    status: run.status)
            }
            guard let finished = table.finished.value(id, of: tenant, at: now) else { return nil }
            let isFailure = if case .failed = finished.result { true } else { false }
            return InvocationView(
                id: id, nodeID: finished.nodeID, owner: finished.receipt.owner, createdAt: finished.receipt.createdAt,
                finishedAt: finished.at,
                status: isFailure ? .failed : .done, result: finished.result)
        }
    }

    func tend(tenants: Set<TenantID>, at now: WallTime) {
        table.withLock { $0.finished.tend(tenants: tenants, at: now) }
    }

    /// Removes the results of a tenant that is being deleted, and ends its runs: they would go on being paid for.
    ///
    /// - Parameter node: of one node only.
    func forget(_ tenant: TenantID, node: String? = nil) {
        let cancels = table.withLock { table in
            table.finished.remove(of: tenant) { node == nil || $0.nodeID == node }
            return table.underWay.values.filter {
                $0.receipt.tenant == tenant && (node == nil || $0.nodeID == node)
            }.map(\.cancel)
        }
        for cancel in cancels { cancel?() }
    }
}
