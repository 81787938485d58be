// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Tenants and plans in memory, shared by all loops.
final class TenantIndex: Sendable {
    private struct State {
        private(set) var tenants: [TenantID: Tenant] = [:]
        /// What every request asks of them: to read it there would copy a tenant with its texts.
        private(set) var statuses: [TenantID: TenantStatus] = [:]
        /// Names in use; that of a tenant being deleted stays taken until the end.
        var names: [String: TenantID] = [:]
        var plans: [String: Plan] = [:]

        mutating func set(_ tenant: Tenant?, at id: TenantID) {
            tenants[id] = tenant
            statuses[id] = tenant?.status
        }
    }

    // Guards the tables. Held for a look-up.
    private let state = Mutex(State())

    func load(_ tenants: [Tenant], _ plans: [Plan]) {
        state.withLock { state in
            for plan in plans { state.plans[plan.name] = plan }
            for tenant in tenants {
                state.set(tenant, at: tenant.id)
                state.names[tenant.name] = tenant.id
            }
        }
    }

    /// Whether the tenant may use the appliance.
    func status(of id: TenantID) -> TenantStatus? { state.withLock { $0.statuses[id] } }

    subscript(_ id: TenantID) -> Tenant? { state.withLock { $0.tenants[id] } }

    func find(_ nameOrID: String) -> Tenant? {
        state.withLock { state in
            state.tenants[TenantID(nameOrID)] ?? state.names[nameOrID].flatMap { state.tenants[$0] }
        }
    }

    func isTaken(_ name: String) -> Bool { state.withLock { $0.names[name] != nil } }

    var count: Int { state.withLock { $0.tenants.count } }

    var all: [Tenant] {
        state.withLock { Array($0.tenants.values) }.sorted { $0.id.text < $1.id.text }
    }

    func put(_ tenant: Tenant) {
        state.withLock { state in
            state.set(tenant, at: tenant.id)
            state.names[tenant.name] = tenant.id
        }
    }

    /// From now on nothing finds the tenant; its name stays taken.
    func hide(_ id: TenantID) { state.withLock { $0.set(nil, at: id) } }

    func free(_ name: String) { state.withLock { $0.names[name] = nil } }

    // MARK: - Plans

    func plan(_ name: String) -> Plan? { state.withLock { $0.plans[name] } }

    var plans: [Plan] { state.withLock { Array($0.plans.values) }.sorted { $0.name < $1.name } }

    func put(_ plan: Plan) { state.withLock { $0.plans[plan.name] = plan } }

    /// The plan that a tenant is on.
    func plan(of tenant: TenantID) -> Plan? {
        state.withLock { state in state.tenants[tenant]?.plan.flatMap { state.plans[$0] } }
    }
}
