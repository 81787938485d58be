// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// What the ledger has seen since the start, for metrics.
final class UnitFigures: Sendable {
    private let calls = Atomic(0)
    private let embeddings = Atomic(0)
    private let files = Atomic(0)
    private let executions = Atomic(0)
    let delays = Atomic(0)
    let refusals = Atomic(0)

    func count(_ work: Work, _ units: Int) {
        switch work {
        case .call: calls.wrappingAdd(units, ordering: .relaxed)
        case .embedding: embeddings.wrappingAdd(units, ordering: .relaxed)
        case .file: files.wrappingAdd(units, ordering: .relaxed)
        case .execution: executions.wrappingAdd(units, ordering: .relaxed)
        }
    }

    func units(_ work: Work) -> Int {
        switch work {
        case .call: calls.load(ordering: .relaxed)
        case .embedding: embeddings.load(ordering: .relaxed)
        case .file: files.load(ordering: .relaxed)
        case .execution: executions.load(ordering: .relaxed)
        }
    }

    /// - Parameter accounts: how many are held.
    func write(_ text: inout MetricsText, accounts: Int) {
        text.family("gatehouse_limiter_units", .gauge, "Units of the ledger of work that were charged since the start.")
        for work in Work.allCases {
            text.sample("gatehouse_limiter_units", [("work", work.rawValue)], units(work))
        }
        text.family(
            "gatehouse_limiter_units_delayed_total", .counter, "Requests that were made to wait for their units.")
        text.sample("gatehouse_limiter_units_delayed_total", [], delays.load(ordering: .relaxed))
        text.family("gatehouse_limiter_units_refused_total", .counter, "Requests that were refused for their units.")
        text.sample("gatehouse_limiter_units_refused_total", [], refusals.load(ordering: .relaxed))
        text.family(
            "gatehouse_limiter_accounts", .gauge, "Keys, tenants, nodes, people and addresses.")
        text.sample("gatehouse_limiter_accounts", [], accounts)
    }
}
