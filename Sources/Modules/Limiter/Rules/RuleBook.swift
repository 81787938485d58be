// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Which rules hold for whom: the configuration's for every subject of a kind, and in their place what the operator has set
/// for one tenant, key or node. A change is in force on every loop with the next request.
package final class RuleBook: Sendable {
    private struct State {
        var standard: [SubjectKind: Rules]
        var overrides: [Subject: Override] = [:]
        /// What those who manage a key have set for it, which only narrows what the operator allows.
        var narrowings: [Subject: (tenant: TenantID, rules: Rules)] = [:]

        func rules(for subject: Subject) -> Rules {
            var rules = standard[subject.kind] ?? .none
            if let override = overrides[subject] {
                let limits = override.limits ?? rules
                // Whoever sets requests for somebody does not open the ledger of units for them by saying nothing of it.
                rules = limits.with(units: limits.units.isEmpty ? rules.units : limits.units)
                    .with(budgets: override.budgets ?? rules.budgets)
            }
            guard let narrowing = narrowings[subject] else { return rules }
            return rules.narrowed(by: narrowing.rules)
        }
    }

    /// What is set for one subject; `nil` for what the configuration says.
    struct Override: Sendable {
        /// Whose it is.
        var tenant: TenantID?
        var limits: Rules?
        var budgets: [Budget]?

        var isEmpty: Bool { limits == nil && budgets == nil }
    }

    // Guards the tables. Asked where an account is new, and once for each account after a change.
    private let state: Mutex<State>
    private let changes = Atomic(0)
    /// Whether calls to models are limited by more than their number per key and tenant.
    private let callRules = Atomic(false)
    private let addressRules = Atomic(false)
    private let peopleBudgets = Atomic(false)
    /// For which kinds of subjects units are counted: a bit each, in the order of the kinds.
    private let unitKinds = Atomic(0)

    /// - Parameter standard: the configuration's, for each subject of a kind.
    package init(_ standard: [SubjectKind: Rules]) {
        state = Mutex(State(standard: standard))
        note()
    }

    /// Counts the changes.
    var generation: Int { changes.load(ordering: .acquiring) }

    /// Whether there is any rule for nodes, end users or tokens.
    var limitsCalls: Bool { callRules.load(ordering: .acquiring) }

    /// Whether there is any rule for addresses.
    var limitsAddresses: Bool { addressRules.load(ordering: .acquiring) }

    /// Whether each person behind a key has a budget.
    var hasPeopleBudgets: Bool { peopleBudgets.load(ordering: .acquiring) }

    /// Whether there is any rule of units.
    var limitsUnits: Bool { unitKinds.load(ordering: .acquiring) != 0 }

    /// Whether there is one for some subjects of a kind.
    func limitsUnits(of kind: SubjectKind) -> Bool { unitKinds.load(ordering: .acquiring) & kind.bit != 0 }

    func rules(for subject: Subject, of tenant: TenantID?) -> Rules {
        state.withLock { $0.rules(for: subject) }
    }

    /// The configuration's, for each subject of a kind.
    func rules(forEach kind: SubjectKind) -> Rules { state.withLock { $0.standard[kind] ?? .none } }

    func setStandard(_ standard: [SubjectKind: Rules]) {
        change { $0.standard = standard }
    }

    func set(_ override: Override, for subject: Subject) {
        change { $0.overrides[subject] = override.isEmpty ? nil : override }
    }

    /// Narrows what a subject of a tenant may ask for; `nil` for not at all.
    func narrow(_ subject: Subject, of tenant: TenantID, by rules: Rules?) {
        // Each change has every account look again: none for what stays.
        guard rules != nil || state.withLock({ $0.narrowings[subject] != nil }) else { return }
        change { $0.narrowings[subject] = rules.map { (tenant, $0) } }
    }

    /// Forgets what was set for a tenant that is being deleted, and for what is its own.
    func forget(_ tenant: TenantID) {
        change {
            $0.overrides = $0.overrides.filter { $0.value.tenant != tenant }
            $0.narrowings = $0.narrowings.filter { $0.value.tenant != tenant }
        }
    }

    func override(of subject: Subject) -> Override { state.withLock { $0.overrides[subject] ?? Override() } }

    private func change(_ body: (inout State) -> Void) {
        state.withLock { body(&$0) }
        note()
        // After the tables: whoever sees the new number finds the new rules.
        changes.add(1, ordering: .acquiringAndReleasing)
    }

    private func note() {
        let (standard, overrides, narrowings) = state.withLock { ($0.standard, $0.overrides, $0.narrowings) }
        func each(_ kind: SubjectKind) -> Rules { standard[kind] ?? .none }
        let all = Array(standard.values) + overrides.values.compactMap(\.limits) + narrowings.values.map(\.rules)
        let ofCalls =
            !each(.node).requests.isEmpty || !each(.user).requests.isEmpty
            || overrides.contains { $0.key.kind == .node || !($0.value.budgets ?? []).isEmpty }
            || all.contains { !$0.tokens.isEmpty || !$0.budgets.isEmpty }
        callRules.store(ofCalls, ordering: .releasing)
        peopleBudgets.store(!each(.user).budgets.isEmpty, ordering: .releasing)
        addressRules.store(!each(.address).requests.isEmpty, ordering: .releasing)
        let named =
            standard.map { ($0.key, $0.value) } + narrowings.map { ($0.key.kind, $0.value.rules) }
            + overrides.compactMap { subject, override in override.limits.map { (subject.kind, $0) } }
        let kinds = named.filter { !$0.1.units.isEmpty }.reduce(0) { $0 | $1.0.bit }
        unitKinds.store(kinds, ordering: .releasing)
    }
}
