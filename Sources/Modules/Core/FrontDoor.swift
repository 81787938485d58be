// SPDX-License-Identifier: Apache-2.0

package import EventLoop
package import HTTP
import JSON
package import Log
package import Platform
import Synchronization

/// Where every request enters: finds the route, enforces its guard, runs its handler, and sends exactly one answer with
/// the house's fields on it. There is one for the network and one for the admin socket; both know the same routes.
///
///     host → route → identify → guard → admit → handler → answer → settle
package final class FrontDoor: Responder {
    private let table: RouteTable
    private let stages: Stages
    private let policy: DoorPolicy
    private let log: Logger
    /// Exchanges that go on after their answer.
    private let remainders = Atomic(0)

    package init(table: RouteTable, stages: Stages, policy: DoorPolicy, log: Logger) {
        self.table = table
        self.stages = stages
        self.policy = policy
        self.log = log
    }

    package func respond(to request: Request, with response: ResponseWriter) async {
        guard let exchange = open(request, response) else {
            return await turnAway(
                request, Answer(response: response, on: request.loop, head: request.head, policy: policy))
        }
        let outcome: Outcome
        do {
            if try !admitNow(exchange) { try await admit(exchange) }
            let reply = try await exchange.route.isAct ? act(exchange) : exchange.route.handler(exchange)
            try checkCredential(of: exchange, reply)
            if let end = end(of: exchange, reply), !exchange.concludeNow(end) { try await exchange.record(end) }
            // Not by `send`: mostly nobody has to wait, and a function that may would have memory of its own for it.
            switch exchange.sendNow(reply) {
            case .over(let end): outcome = end
            case .waits(let unwritten, let end): outcome = await exchange.finish(unwritten, end)
            }
        } catch {
            outcome = await fail(error, exchange)
        }
        // Mostly that is all.
        if exchange.remainder == nil, exchange.isConcluded, exchange.settleNow(outcome) {
            return logExchange(exchange, outcome)
        }
        await finish(exchange, outcome)
    }

    /// The exchange of a request to a route of this server; nil for any other request.
    private func open(_ request: Request, _ response: ResponseWriter) -> Exchange? {
        guard policy.accepts(host: request.head), !policy.isPreflight(request.head), !request.head.isForServer,
            case .found(let route, let parameters) = table.match(request.head)
        else { return nil }
        let exchange = Exchange(
            request: request, response: response, route: route, parameters: parameters, stages: stages, policy: policy)
        if route.shape == .anthropic { exchange.answerFields.append("request-id", exchange.id) }
        return exchange
    }

    /// Answers what is for no route.
    private func turnAway(_ request: Request, _ answer: Answer) async {
        guard policy.accepts(host: request.head) else {
            // Serving a foreign name would make this server an open mirror of whoever points a name at it.
            let failure = Failure(.misdirectedRequest, "this server does not answer to that host name")
            return await refuse(failure, answer, .house, request)
        }
        if policy.isPreflight(request.head) {
            return await answer.sendPreflight()
        }
        if request.head.isForServer {
            return await answer.sendAllowed()
        }
        guard case .methodNotAllowed(let allow) = table.match(request.head) else {
            return await refuse(Failure(.notFound, "there is nothing at this path"), answer, .house, request)
        }
        var failure = Failure(.methodNotAllowed, "this path does not know that method")
        failure.fields.append("allow", allow)
        await refuse(failure, answer, table.shape(ofPath: request.head), request)
    }

    /// A stream whose credential ended before the first of it was sent has not begun, and the client can be told why.
    private func checkCredential(of exchange: Exchange, _ reply: Reply) throws(Failure) {
        guard case .streamed = reply, !exchange.response.hasBegun, exchange.principal?.lifeline?.isEnded == true
        else { return }
        throw AnswerStream.revocation
    }

    /// How an exchange has ended that is answered whole, before its answer leaves; nil while it goes on.
    private func end(of exchange: Exchange, _ reply: Reply) -> Outcome? {
        guard case .whole(let status, _, _) = reply, exchange.remainder == nil else { return nil }
        return exchange.isCancelled ? .abandoned : .answered(status: status)
    }

    private func finish(_ exchange: Exchange, _ outcome: Outcome) async {
        guard let remainder = exchange.remainder else {
            // Written down by now, but for a stream whose client went away.
            if !exchange.isConcluded { try? await exchange.conclude(outcome) }
            return exchange.settleNow(outcome) ? logExchange(exchange, outcome) : await settle(exchange, outcome)
        }
        // The connection goes on to its next request while this exchange is still under way.
        remainders.add(1, ordering: .relaxed)
        exchange.request.loop.spawn {
            let outcome = await remainder()
            try? await exchange.conclude(outcome)
            await self.settle(exchange, outcome)
            self.remainders.subtract(1, ordering: .relaxed)
        }
    }

    private func fail(_ failure: Failure, _ exchange: Exchange) async -> Outcome {
        var failure = exchange.judged(failure)
        exchange.remainder = nil
        if exchange.failure == nil { exchange.failure = (failure, exchange.step) }
        do throws(Failure) {
            try await exchange.conclude(exchange.isCancelled ? .abandoned : .failed(failure.code))
        } catch {
            failure = error
        }
        logFailure(failure, exchange)
        return await exchange.send(failure, in: exchange.route.shape, exchange.answerFields)
    }

    private func settle(_ exchange: Exchange, _ outcome: Outcome) async {
        await exchange.settle(outcome)
        logExchange(exchange, outcome)
    }

    /// What an operator's request may hold.
    private static let actBytesMax = 1 << 20

    /// An operator's act, with what its record needs: here, at the one way to every such route, so that none can be
    /// registered without it. Who may not act has been refused before.
    private func act(_ exchange: Exchange) async throws(Failure) -> Reply {
        guard exchange.recorder != nil else { return try await exchange.route.handler(exchange) }
        var act = ActMaterial()
        act.parameters = try await exchange.body(max: Self.actBytesMax)
        let reader = table.reader(of: exchange.route)
        act.before = await shown(by: reader, exchange)
        exchange.act = act
        try await exchange.advance(through: .record)
        let reply = try await exchange.route.handler(exchange)
        if case .whole(_, _, let body) = reply { exchange.act?.reply = body }
        exchange.act?.after = await shown(by: reader, exchange)
        return reply
    }

    private func shown(by reader: Route?, _ exchange: Exchange) async -> [UInt8]? {
        guard let reader, case .whole(_, _, let body)? = try? await reader.handler(exchange) else { return nil }
        return body
    }

    /// Waits for what goes on after its answer, until a deadline; on a loop.
    ///
    /// - Returns: how many are still under way.
    package func drainRemainders(on loop: EventLoop, until deadline: Instant) async -> Int {
        while remainders.load(ordering: .relaxed) > 0, Instant.now() < deadline {
            await loop.sleep(Self.drainStep)
        }
        return remainders.load(ordering: .relaxed)
    }

    private static let drainStep = Duration.milliseconds(20)

    /// Identification, the guard, then admission: the limiter must know whom it counts, and an unauthenticated caller must
    /// not use up a tenant's rate.
    ///
    /// - Returns: false where a stage may have to wait, and `admit` has to go on.
    private func admitNow(_ exchange: Exchange) throws(Failure) -> Bool {
        if case .public = exchange.route.guard {
            try stages.meet(exchange)
            return true
        }
        exchange.principal = policy.principal(ofPeer: exchange.request.peer)
        guard try exchange.advanceNow(through: .identify) else { return false }
        try exchange.enforceGuard()
        return try exchange.advanceNow(through: .admit)
    }

    /// Goes on where `admitNow` stopped. A stage that was passed is not entered again, and the guard comes before admission
    /// on either way.
    private func admit(_ exchange: Exchange) async throws(Failure) {
        try await exchange.advance(through: .identify)
        try exchange.enforceGuard()
        try await exchange.advance(through: .admit)
    }

    private func refuse(_ failure: Failure, _ answer: Answer, _ shape: ErrorShape, _ request: Request) async {
        stages.recorder?.note(failure.code, requestID: answer.requestID.text, peer: request.peer)
        stages.note(failure.code, from: request.peer)
        _ = await answer.send(failure, in: shape, answer.fields)
        log.info(
            "refused",
            [
                "request": .string(answer.requestID.text), "code": .string(failure.code.rawValue),
                "peer": Self.value(of: request.peer),
            ])
    }

    private static func value(of peer: Peer) -> Logger.Value {
        if case .address(let address) = peer, let address = address.ip { return .peer(address) }
        return .string("socket")
    }

    private func logFailure(_ failure: Failure, _ exchange: Exchange) {
        // Of an answer that was cut off nobody else is told why.
        let isCut = exchange.response.hasBegun && !exchange.isCancelled
        guard let cause = failure.cause ?? (isCut ? failure.message : nil) else { return }
        log.notice(
            "failed",
            [
                "request": .string(exchange.id), "route": .string(exchange.route.pattern),
                "code": .string(failure.code.rawValue), "cause": .string(cause),
            ])
    }

    /// One line an exchange. The route stands there as its pattern: a path may hold the id of somebody's thread.
    private func logExchange(_ exchange: Exchange, _ outcome: Outcome) {
        guard log.isEnabled(.info) else { return }
        let elapsed = Instant.now() - exchange.request.arrival
        log.info(
            "served",
            [
                "request": .string(exchange.id),
                "method": .string(exchange.route.method.name),
                "route": .string(exchange.route.pattern),
                "outcome": .string(outcome.name),
                "key": .string(exchange.principal?.name ?? "-"),
                "model": .string(exchange.model ?? "-"),
                "peer": Self.value(of: exchange.request.peer),
                "ms": .int(elapsed.milliseconds),
            ])
    }
}

extension Exchange {
    /// The step of the journey it has come to, for the record of a failure there.
    fileprivate var step: String {
        if let refusedAt { return "\(refusedAt)" }
        if intent != nil || isIntentDue { return "perform" }
        if case .public = route.guard { return "validate" }
        do throws(Failure) { try GuardCheck.enforce(route.guard, on: principal) } catch { return "guard" }
        return "validate"
    }
}
