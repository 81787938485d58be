// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Platform

/// Counts a call to a model once it is known what it is about: for its node, for the person behind the key, and its tokens at
/// the worst case, which are put right when it is known what was used.
final class CallStage: PromptStage, FiguresStage {
    private let table: AccountTable
    private let people: @Sendable () -> (any EndUserDigests)?
    private let now: (@Sendable () -> Instant)?

    /// - Parameter people: knows by which digest the records name an end user.
    init(
        table: AccountTable, people: @escaping @Sendable () -> (any EndUserDigests)?,
        now: (@Sendable () -> Instant)?
    ) {
        (self.table, self.people, self.now) = (table, people, now)
    }

    var position: StagePosition { .reserve }

    var wantsFigures: Bool { table.book.limitsCalls }

    func enterNow(_ exchange: Exchange) throws(Failure) -> Bool {
        guard table.book.limitsCalls, let pair = exchange.counters as? AccountTable.Pair else { return true }
        guard let reservation = exchange.figures.reservation else { return true }
        var user: EndUser?
        if let name = exchange.figures.endUser, let tenant = pair.tenant.tenant {
            guard let digests = people() else { throw .nobodyKnown }
            guard let digest = digests.knownDigest(ofEndUser: name, of: tenant) else { return false }
            user = EndUser(digest: digest)
        }
        try reserve(exchange, pair, reservation, user)
        return true
    }

    func enter(_ exchange: Exchange) async throws(Failure) {
        guard let pair = exchange.counters as? AccountTable.Pair, let reservation = exchange.figures.reservation,
            let name = exchange.figures.endUser, let tenant = pair.tenant.tenant
        else { return }
        guard let digests = people() else { throw .nobodyKnown }
        let digest = await digests.digest(ofEndUser: name, of: tenant)
        try reserve(exchange, pair, reservation, EndUser(digest: digest))
    }

    private func reserve(
        _ exchange: Exchange, _ pair: AccountTable.Pair, _ reservation: ExchangeFigures.Reservation, _ user: EndUser?
    ) throws(Failure) {
        let (sum, isTooMany) = reservation.input.addingReportingOverflow(reservation.output)
        let call = AccountTable.Call(
            node: exchange.node.map(NodeID.init), user: user,
            tokens: isTooMany ? Rate.limitMax : min(sum, Rate.limitMax))
        switch table.admit(call, of: pair, at: now?() ?? exchange.request.arrival) {
        case .admitted(let hold, let tightest):
            if let hold { exchange.reservation = Reservation(hold) }
            if let tightest { exchange.announce(tokens: tightest) }
        case .refused(let standing):
            if case .rate(let rate) = standing.limiter, rate.unit == .tokens { exchange.announce(tokens: standing) }
            throw Failure(standing)
        case .full: throw .crowded
        }
    }

    func leave(_ exchange: Exchange, _ outcome: Outcome) {
        // What was not written down stands at its worst case.
        guard exchange.isWrittenDown else { return }
        let figures = exchange.figures
        let unknown: Int? = figures.mayHaveUsed ? nil : 0
        exchange.reservation.take()?.settle(tokens: figures.tokens.map { $0.input + $0.output } ?? unknown)
    }
}

extension Failure {
    /// The limits of end users cannot be kept where nobody knows them.
    fileprivate static var nobodyKnown: Failure {
        Failure(.disabled, "end users are limited here, and nothing tells them apart", cause: "[audit] is off")
    }
}
