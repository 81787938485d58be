// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// Refusals that are alike, counted by the second, so that nobody fills the log for everybody: of one principal, action and
/// code the first ten have a record each, and what follows in that second is one record together. What nobody is known for
/// (no credential, a wrong one) is counted from the first on, by address.
///
/// The number of records a second is bounded for each tenant, and for all together, whatever anybody does.
final class Floods: Sendable {
    /// Of one principal, action and code, recorded by themselves within a second.
    static let singlesMax = 10
    /// Of one tenant with all its keys.
    static let singlesPerTenantMax = 100
    /// Kinds that are counted apart within a second; those that come after are counted together, by code alone.
    static let kindsMax = 1024

    struct Kind: Hashable, Sendable {
        var tenant: TenantID?
        var key: KeyID?
        /// Of somebody who is not known.
        var address: IPAddress?
        var action: String
        var code: ErrorCode
    }

    /// Refusals of one kind that have no record of their own.
    struct Count: Sendable {
        let kind: Kind
        let prefix: String?
        let step: String
        var count: Int
        let first: String
        var last: String
    }

    private struct State {
        var second: Int64 = 0
        var singles: [Kind: Int] = [:]
        var singlesOfTenants: [TenantID: Int] = [:]
        var counts: [Kind: Count] = [:]
        /// Of seconds that are over.
        var closed: [Count] = []

        mutating func advance(to now: Int64) {
            guard now != second else { return }
            second = now
            closed += counts.values
            counts.removeAll(keepingCapacity: true)
            singles.removeAll(keepingCapacity: true)
            singlesOfTenants.removeAll(keepingCapacity: true)
        }
    }

    private let state = Monitor(State())
    /// Called when there is something to be taken after the second is over. On any thread.
    private let onFirst: @Sendable () -> Void

    init(onFirst: @escaping @Sendable () -> Void) { self.onFirst = onFirst }

    /// Counts a refusal.
    ///
    /// - Returns: whether it has a record of its own.
    func isSingle(_ kind: Kind, prefix: String?, step: String, request: String, at now: WallTime) -> Bool {
        let (isSingle, isFirst) = state.withLock { state -> (Bool, Bool) in
            state.advance(to: now.seconds)
            if Self.takeSingle(kind, &state) { return (true, false) }
            let isFirst = state.counts.isEmpty
            var kind = kind
            if state.counts[kind] == nil, state.counts.count >= Self.kindsMax {
                kind = Kind(action: "", code: kind.code)
            }
            if state.counts[kind] != nil {
                state.counts[kind]?.count += 1
                state.counts[kind]?.last = request
            } else {
                state.counts[kind] = Count(
                    kind: kind, prefix: kind.key == nil ? nil : prefix, step: step, count: 1, first: request,
                    last: request)
            }
            return (false, isFirst)
        }
        if isFirst { onFirst() }
        return isSingle
    }

    private static func takeSingle(_ kind: Kind, _ state: inout State) -> Bool {
        guard let tenant = kind.tenant, kind.key != nil,
            state.singlesOfTenants[tenant, default: 0] < singlesPerTenantMax,
            state.singles[kind, default: 0] < singlesMax,
            state.singles.count < kindsMax || state.singles[kind] != nil
        else { return false }
        state.singles[kind, default: 0] += 1
        state.singlesOfTenants[tenant, default: 0] += 1
        return true
    }

    /// What has been counted in seconds that are over, or at all where the log stops.
    ///
    /// - Returns: the counts, and whether no more will come.
    func take(at now: WallTime, all: Bool = false) -> (counts: [Count], isEmpty: Bool) {
        state.withLock { state in
            state.advance(to: all ? .min : now.seconds)
            defer { state.closed = [] }
            return (state.closed, state.counts.isEmpty)
        }
    }
}
