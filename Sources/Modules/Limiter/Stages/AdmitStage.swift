// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Platform

/// Counts each request of a key, and refuses those above the limits of its key, its tenant and its address. The operator at
/// the admin socket is not counted.
///
/// It also counts attempts: requests that end with 401. They are limited by address, apart from everything else, and only they
/// are refused for it. A key that is known answers for itself, so that whoever tries keys behind the same address disturbs
/// nobody.
final class AdmitStage: ImmediateStage, JudgingStage {
    private let table: AccountTable
    /// Of attempts; every account in it is an address.
    private let attempts: AccountTable
    /// `nil` for the times at which requests arrived.
    private let now: (@Sendable () -> Instant)?

    init(table: AccountTable, attempts: AccountTable, now: (@Sendable () -> Instant)?) {
        (self.table, self.attempts, self.now) = (table, attempts, now)
    }

    var position: StagePosition { .admit }

    func enter(_ exchange: Exchange) throws(Failure) {
        guard let principal = unsafe exchange.principal.map({ unsafe Unmanaged.passUnretained($0) }) else { return }
        let now = now?() ?? exchange.request.arrival
        // Of the address and of the key with its tenant, what is tightest is told: a client that reads one name twice reads none.
        var tightest: Standing?
        if table.book.limitsAddresses, let address = exchange.request.peer.block {
            var account: Account?
            let decision = table.admit(address, at: now, &account)
            exchange.addressCounters = account.take()
            tightest = try required(decision, exchange)
        }
        var pair: AccountTable.Pair?
        // SAFETY: the exchange holds it, and the table knows no exchange.
        if let decision = unsafe principal.lend({ table.admit($0, at: now, &pair) }) {
            exchange.counters = pair.take()
            let own = try required(decision, exchange)
            if let own, own.remaining <= tightest?.remaining ?? .max { tightest = own }
        }
        if let tightest { exchange.announce(requests: tightest) }
    }

    func leave(_ exchange: Exchange, _ outcome: Outcome) {
        guard let pair = exchange.counters as? AccountTable.Pair else { return }
        exchange.counters = nil
        table.leave(pair)
    }

    /// Puts 429 in the place of 401 for an address that has tried too often. Counted where the attempt has failed: between two
    /// that fail at the same moment on two loops the lock decides.
    func judge(_ failure: Failure, of exchange: Exchange) -> Failure {
        guard failure.code.status == 401, attempts.book.limitsAddresses, let address = exchange.request.peer.block
        else { return failure }
        switch attempts.admit(address, at: now?() ?? exchange.request.arrival) {
        case .admitted: return failure
        case .refused(let standing):
            var refusal = Failure(.rateLimitExceeded, "too many attempts without a valid credential")
            refusal.limit = standing.state
            refusal.limit?.name = "unauthenticated"
            refusal.retryAfter = standing.nextAfter
            return refusal
        case .full: return .crowded
        }
    }

    /// - Returns: the tightest limit, if there is any.
    @inline(__always)
    private func required(_ decision: AccountTable.Decision, _ exchange: Exchange) throws(Failure) -> Standing? {
        switch decision {
        case .admitted(let tightest): return tightest
        case .refused(let standing):
            if case .rate = standing.limiter { exchange.announce(requests: standing) }
            throw Failure(standing)
        // More live keys than the table holds: refusing costs a request, forgetting would cost the limit.
        case .full: throw .crowded
        }
    }
}

extension Failure {
    static var crowded: Failure {
        Failure(.overloaded, "too many keys are in use at once; try again").retrying(after: .seconds(15))
    }

    /// The refusal for a limit that is reached.
    init(_ standing: Standing) {
        switch standing.limiter {
        case .rate(let rate) where rate.unit == .units:
            self.init(.abuseBudgetExceeded, standing.sentence)
            retryAfter = standing.nextAfter
        case .rate:
            self.init(.rateLimitExceeded, standing.sentence)
            retryAfter = standing.nextAfter
        case .concurrency:
            self.init(.concurrencyExceeded, standing.sentence)
            retryAfter = .seconds(1)
        case .budget(let budget):
            self.init(.insufficientQuota, standing.sentence)
            if budget.period != .total { retryAfter = standing.nextAfter }
        }
        limit = standing.state
    }
}

extension Peer {
    /// What an address is counted as; `nil` for the admin socket.
    var block: AddressBlock? {
        if case .address(let address) = self { return address.ip.map(AddressBlock.init) }
        return nil
    }
}
