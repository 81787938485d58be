// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// What conversations have in memory.
final class ChatMemory: Sendable {
    let threads = HeldThreads()
    let turns = TurnsUnderWay()
    let runs = Runs()

    /// Lets go of what has been here for its time, and of tenants that are no more.
    func tend(tenants: Set<TenantID>, at now: WallTime) {
        threads.tend(tenants: tenants, at: now)
        runs.tend(tenants: tenants, at: now)
    }

    /// A tenant is being deleted.
    func forget(_ tenant: TenantID) {
        _ = threads.delete(ThreadFilter(), of: tenant)
        runs.forget(tenant)
    }

    /// A node was deleted.
    func forget(node id: String, of tenant: TenantID) {
        _ = threads.delete(ThreadFilter(nodeID: id), of: tenant)
        runs.forget(tenant, node: id)
    }
}
