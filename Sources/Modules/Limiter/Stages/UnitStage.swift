// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import Log
import Platform
import Synchronization

/// Keeps the one ledger of units that all work is paid from: calls to models on their way, and whatever else is charged. From
/// some share of a limit on it warns, from a higher one on it has whoever spends wait, and at its end it refuses.
final class UnitStage: PromptStage, FiguresStage, ChargingStage {
    /// Exchanges that are made to wait at once; those beyond are refused, so that waiting fills no memory.
    static let delayedMax = 1024

    private let table: AccountTable
    private let people: (any EndUserDigests)?
    private let now: (@Sendable () -> Instant)?
    private let log: Logger
    /// A reload changes them.
    private let terms: Atomic<UnitTerms.Reference>
    private let delayed = Atomic(0)
    let figures = UnitFigures()

    init(
        _ settings: UnitSettings, table: AccountTable, people: (any EndUserDigests)?,
        now: (@Sendable () -> Instant)?, log: Logger
    ) {
        terms = Atomic(UnitTerms.made(settings, figures))
        (self.table, self.people, self.now, self.log) = (table, people, now, log)
    }

    func set(_ settings: UnitSettings) {
        guard settings != terms.load(ordering: .acquiring).with(\.settings) else { return }
        terms.store(UnitTerms.made(settings, figures), ordering: .releasing)
    }

    var position: StagePosition { .reserve }

    var wantsFigures: Bool { table.book.limitsUnits }

    // MARK: Calls to models

    func enterNow(_ exchange: Exchange) throws(Failure) -> Bool {
        guard wantsFigures, let tokens = exchange.heldBack?.tokens else { return true }
        // Asked again: it has been charged, and has to wait.
        guard exchange.charge == nil else { return false }
        guard let pair = exchange.counters as? AccountTable.Pair else { return true }
        var (user, account) = (EndUser?.none, Account?.none)
        guard findNow(&user, &account, pair, exchange) else { return false }
        guard let charge = try charge(exchange.work, tokens, pair, user, account, exchange) else { return true }
        let waits = charge.delay != nil
        exchange.charge = consume charge
        return !waits
    }

    func enter(_ exchange: Exchange) async throws(Failure) {
        guard wantsFigures, let tokens = exchange.heldBack?.tokens else { return }
        // One that only has to wait has been charged already.
        var charge = exchange.charge as? UnitHold
        if charge == nil, let pair = exchange.counters as? AccountTable.Pair {
            let (user, account) = await knownUser(pair, exchange)
            charge = try self.charge(exchange.work, tokens, pair, user, account, exchange)
            exchange.charge = charge
        }
        if let charge { try await wait(charge, exchange) }
    }

    func leave(_ exchange: Exchange, _ outcome: Outcome) {
        if let charge = exchange.charge.take() as? UnitHold { settle(charge, exchange) }
        guard !exchange.charges.isEmpty else { return }
        let charges = exchange.charges
        exchange.charges = []
        for case let charge as UnitHold in charges { settle(charge, exchange) }
    }

    @inline(__always)
    private func settle(_ charge: UnitHold, _ exchange: Exchange) {
        if exchange.intent == nil, exchange.isRecorded {
            // Refused behind this stage: nothing of it was begun.
            charge.cancel()
        } else if charge.isCall, exchange.isWrittenDown || exchange.intent == nil {
            let tokens = exchange.settled?.tokens
            let (sum, isTooMany) = (tokens?.input ?? 0).addingReportingOverflow(tokens?.output ?? 0)
            charge.settle(isTooMany ? .max : sum)
        }
    }

    // MARK: Whatever else

    func charge(_ work: Work, atMost amount: Int, _ exchange: Exchange) async throws(Failure) -> (any Charge)? {
        guard table.book.limitsUnits, let pair = exchange.counters as? AccountTable.Pair else { return nil }
        let (user, account) = await knownUser(pair, exchange)
        guard let charge = try charge(work, amount, pair, user, account, exchange) else { return nil }
        exchange.charges.append(charge)
        try await wait(charge, exchange)
        return charge
    }

    // MARK: Charging

    /// Finds out for which person it is charged beside key and tenant.
    ///
    /// - Parameter account: theirs, if it was found for the same exchange.
    /// - Returns: false where the person's name must be looked up first.
    @inline(__always)
    private func findNow(
        _ user: inout EndUser?, _ account: inout Account?, _ pair: AccountTable.Pair, _ exchange: Exchange
    ) -> Bool {
        guard table.book.limitsUnits(of: .user) else { return true }
        if let known = exchange.userCounters as? Account, case .user(let subject) = known.subject {
            (user, account) = (subject, known)
            return true
        }
        guard let name = name(exchange), let people, let tenant = pair.tenant.tenant else { return true }
        guard let digest = people.knownDigest(ofEndUser: name, of: tenant) else { return false }
        user = EndUser(digest)
        return true
    }

    /// For which person it is charged, and their account if it was found for the same exchange.
    private func knownUser(_ pair: AccountTable.Pair, _ exchange: Exchange) async -> (EndUser?, Account?) {
        var (user, account) = (EndUser?.none, Account?.none)
        guard !findNow(&user, &account, pair, exchange) else { return (user, account) }
        guard let name = name(exchange), let tenant = pair.tenant.tenant, let people else { return (nil, nil) }
        return (EndUser(await people.digest(ofEndUser: name, of: tenant)), nil)
    }

    private func name(_ exchange: Exchange) -> String? {
        // Of a call the field was read with its body.
        if exchange.figures.endUser != nil || exchange.figures.worstCase != nil { return exchange.figures.endUser }
        return exchange.request[.endUser]
    }

    /// - Throws: `abuse_budget_exceeded`.
    private func charge(
        _ work: Work, _ amount: Int, _ pair: consuming AccountTable.Pair, _ user: EndUser?,
        _ userAccount: consuming Account?, _ exchange: Exchange
    ) throws(Failure) -> UnitHold? {
        let terms = terms.load(ordering: .acquiring)
        let settings = terms.with(\.settings)
        let hold = UnitHold(consume pair, settings.weights.units(work, amount), of: work, terms)
        let asked = AccountTable.Asked(
            warningPercent: settings.warningPercent,
            toldPercent: min(settings.warningPercent, settings.delayPercent), now: now?() ?? exchange.request.arrival)
        // Taken, since mostly nobody asks again: for a second charge of the same exchange it is looked up.
        var (userAccount, addressAccount) = (consume userAccount, exchange.addressCounters.take() as? Account)
        let outcome = table.charge(
            asked, hold, exchange.node.map(NodeID.init), user, exchange.request.peer.block, known: &userAccount,
            &addressAccount)
        switch outcome {
        case .charged(let fullness):
            figures.count(work, hold.units)
            if let fullness {
                if fullness.percent >= settings.warningPercent { warn(exchange, fullness) }
                hold.delay = settings.delay(used: fullness.used, of: fullness.standing.limit)
            }
            return hold
        case .uncounted: return nil
        case .refused(let standing):
            figures.refusals.add(1, ordering: .relaxed)
            throw Failure(standing)
        case .full: throw .crowded
        }
    }

    /// That little is left is told on the answer, and in the log once within the time of the limit.
    private func warn(_ exchange: Exchange, _ fullness: AccountTable.Fullness) {
        let (name, scope) = (fullness.standing.name, fullness.standing.subject.rawValue)
        exchange.answerFields.append("x-gatehouse-units-warning", "\(name); \(scope); \(fullness.percent)%")
        guard fullness.isNew else { return }
        log.warning(
            "the units of a limit are nearly used",
            [
                "limit": .string(name), "scope": .string(scope), "percent": .int(fullness.percent),
                "tenant": .string(exchange.principal?.tenant?.text ?? "-"),
                "key": .string(exchange.principal?.name ?? "-"),
            ])
    }

    private func wait(_ charge: UnitHold, _ exchange: Exchange) async throws(Failure) {
        guard let delay = charge.delay else { return }
        charge.delay = nil
        let waiting = delayed.add(1, ordering: .relaxed).newValue
        defer { delayed.subtract(1, ordering: .relaxed) }
        guard waiting <= Self.delayedMax else {
            charge.cancel()
            throw Failure(.overloaded, "too many requests are made to wait; try again").retrying(after: delay)
        }
        figures.delays.add(1, ordering: .relaxed)
        exchange.answerFields.append("x-gatehouse-delayed", "\(delay.milliseconds)ms")
        let request = exchange.request
        guard await request.loop.sleep(delay, unless: request.cancellation) else {
            charge.cancel()
            throw Failure(.overloaded, "the client went away")
        }
    }
}

extension ExchangeFigures.WorstCase {
    fileprivate var tokens: Int {
        let (sum, isTooMany) = input.addingReportingOverflow(output)
        return isTooMany ? .max : sum
    }
}
