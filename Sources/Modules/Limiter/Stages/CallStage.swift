// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Log
import Platform

/// Counts a call to a model once it is known what it is about: for its node, for the person behind the key, and its tokens at
/// the worst case, which are put right when it is known what was used.
final class CallStage: PromptStage, FiguresStage {
    private let table: AccountTable
    private let people: (any EndUserDigests)?
    private let now: (@Sendable () -> Instant)?
    private let strikes: StrikeTable
    private let log: Logger

    /// - Parameter people: knows by which digest the records name an end user.
    init(
        table: AccountTable, people: (any EndUserDigests)?,
        strikes: StrikeTable, now: (@Sendable () -> Instant)?, log: Logger
    ) {
        (self.table, self.people, self.now, self.log) = (table, people, now, log)
        self.strikes = strikes
    }

    var position: StagePosition { .reserve }

    var wantsFigures: Bool { table.book.limitsCalls || strikes.blocksPeople }

    func enterNow(_ exchange: Exchange) throws(Failure) -> Bool {
        guard wantsFigures, let pair = exchange.counters as? AccountTable.Pair else { return true }
        guard let worst = exchange.heldBack else { return true }
        var user: EndUser?
        if let name = exchange.figures.endUser, let tenant = pair.tenant.tenant {
            guard let people else { throw .nobodyKnown }
            guard let digest = people.knownDigest(ofEndUser: name, of: tenant) else { return false }
            exchange.endUserDigest = digest
            user = EndUser(digest)
        }
        try require(user, exchange)
        try reserve(exchange, pair, worst, user)
        return true
    }

    func enter(_ exchange: Exchange) async throws(Failure) {
        guard let pair = exchange.counters as? AccountTable.Pair, let worst = exchange.heldBack,
            let name = exchange.figures.endUser, let tenant = pair.tenant.tenant
        else { return }
        guard let people else { throw .nobodyKnown }
        let digest = await people.digest(ofEndUser: name, of: tenant)
        exchange.endUserDigest = digest
        let user = EndUser(digest)
        try require(user, exchange)
        try reserve(exchange, pair, worst, user)
    }

    private func require(_ user: EndUser?, _ exchange: Exchange) throws(Failure) {
        guard strikes.blocksPeople, let user else { return }
        if let wait = strikes.isBlocked(.user(user), at: exchange.time) { throw .blocked(.user, wait) }
    }

    private func reserve(
        _ exchange: Exchange, _ pair: consuming AccountTable.Pair, _ worst: ExchangeFigures.WorstCase, _ user: EndUser?
    ) throws(Failure) {
        let (sum, isTooMany) = worst.input.addingReportingOverflow(worst.output)
        let call = AccountTable.Call(
            node: exchange.node.map(NodeID.init), user: user,
            tokens: isTooMany ? Rate.limitMax : min(sum, Rate.limitMax),
            cost: worst.cost.map(Int.init(clamping:)), time: exchange.time)
        var admission = AccountTable.Admission()
        switch table.admit(call, of: consume pair, at: now?() ?? exchange.request.arrival, &admission) {
        case nil:
            if let hold = admission.hold.take() {
                exchange.userCounters = admission.user.take()
                exchange.reservation = Reservation(consume hold)
                exchange.isHeld = true
            }
            if let tightest = admission.tightest { exchange.announce(tokens: tightest) }
            if let warning = admission.warning { warn(exchange, warning) }
        case .refused(let standing):
            if case .rate(let rate) = standing.limiter, rate.unit == .tokens { exchange.announce(tokens: standing) }
            throw Failure(standing)
        case .unpriced:
            throw Failure(
                .modelNotPriced, "this model has no price, and there is a budget of money", param: "model",
                cause: "input_price and output_price of the model, or a file of prices")
        case .full: throw .crowded
        }
    }

    /// A budget that is nearly spent is told on the answer, and in the log once in its day or month.
    private func warn(_ exchange: Exchange, _ warning: AccountTable.Warning) {
        let (name, scope) = (warning.standing.name, warning.standing.subject.rawValue)
        exchange.answerFields.append("x-gatehouse-budget-warning", "\(name); \(scope); \(warning.percent)%")
        guard warning.isNew else { return }
        log.warning(
            "a budget is nearly spent",
            [
                "budget": .string(name), "scope": .string(scope), "percent": .int(warning.percent),
                "tenant": .string(exchange.principal?.tenant?.text ?? "-"),
                "key": .string(exchange.principal?.name ?? "-"),
            ])
    }

    func leave(_ exchange: Exchange, _ outcome: Outcome) {
        // What has left the house and is not written down stands at its worst case.
        guard exchange.isWrittenDown || exchange.intent == nil else { return }
        exchange.reservation.take()?.settle(exchange.settled, at: exchange.timeOfTurn)
    }
}

extension Failure {
    /// The limits of end users cannot be kept where nobody knows them.
    fileprivate static var nobodyKnown: Failure {
        Failure(.disabled, "end users are limited here, and nothing tells them apart", cause: "[audit] is off")
    }
}
