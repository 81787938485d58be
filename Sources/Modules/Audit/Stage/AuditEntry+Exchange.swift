// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Platform

// What the records of an exchange say. Fields come in the order of their numbers.

extension AuditEntry {
    /// That something is about to leave the house, or to be changed.
    ///
    /// - Parameter caller: how it begins, from ``caller(_:_:_:)``.
    static func intent(
        _ exchange: Exchange, _ subject: RecordSubject, _ digester: Digester, caller: borrowing [UInt8]
    ) -> AuditEntry {
        var entry = AuditEntry(.intent)
        entry.begin(caller.span, upTo: .address)
        entry.set(endUser: exchange.endUserDigest ?? exchange.figures.endUser.map(digester.endUser))
        entry.set(what: exchange, subject, digester)
        if let act = exchange.act {
            entry.set(.before, digest: act.before.map { digester.digest("state", $0) })
            entry.set(.parameters, digest: digester.digest("parameters", act.parameters))
        }
        entry.set(call: exchange)
        exchange.intentHead = entry.bytes
        entry.set(provider: exchange)
        entry.set(reserved: exchange)
        return entry
    }

    /// The fields that say who calls and from where.
    static func caller(_ exchange: Exchange, _ subject: RecordSubject, _ digester: Digester) -> [UInt8] {
        var entry = AuditEntry(.intent)
        entry.set(caller: exchange, subject, digester)
        return entry.bytes
    }

    /// How a call ended that has an intent.
    static func outcome(_ exchange: Exchange, of intent: Int, _ outcome: Outcome, at now: Instant) -> AuditEntry {
        var entry = AuditEntry(.outcome)
        entry.set(outcomeOf: exchange, intent, outcome, at: now)
        return entry
    }

    /// How an operator's act ended that has an intent.
    static func act(
        _ exchange: Exchange, of intent: Int, _ outcome: Outcome, _ subject: RecordSubject, _ digester: Digester,
        at now: Instant
    ) -> AuditEntry {
        var entry = AuditEntry(.act)
        entry.set(who: exchange, subject, digester)
        entry.set(what: exchange, subject, digester)
        if let act = exchange.act {
            entry.set(.before, digest: act.before.map { digester.digest("state", $0) })
            var after = act.before == nil && act.after == nil ? act.reply : act.after ?? []
            // Nothing came of it.
            if case .failed = outcome { after = act.before ?? [] }
            entry.set(.after, digest: after.isEmpty ? nil : digester.digest("state", after))
            entry.set(.parameters, digest: digester.digest("parameters", act.parameters))
        }
        entry.set(call: exchange)
        entry.set(provider: exchange)
        entry.set(used: exchange)
        entry.set(end: exchange, outcome, at: now)
        entry.set(.intent, intent)
        return entry
    }

    /// That an exchange was refused before anything left the house.
    static func refusal(
        _ exchange: Exchange, _ outcome: Outcome, _ subject: RecordSubject, _ digester: Digester, at now: Instant
    ) -> AuditEntry {
        var entry = AuditEntry(.refusal)
        entry.set(who: exchange, subject, digester)
        entry.set(what: exchange, subject, digester)
        entry.set(.node, exchange.node)
        entry.set(name: .model, exchange.model)
        entry.set(end: exchange, outcome, at: now)
        return entry
    }

    /// Refusals that were counted together; one of them is told as what it is.
    static func flood(_ count: Floods.Count, _ digester: Digester) -> AuditEntry {
        var entry = AuditEntry(count.count == 1 ? .refusal : .flood)
        entry.set(.tenant, count.kind.tenant?.text)
        entry.set(.actorKind, count.kind.key == nil ? "unknown" : "key")
        entry.set(.actorID, count.kind.key?.text)
        entry.set(.keyPrefix, count.prefix)
        entry.set(.address, digest: count.kind.address.map { digester.digest("address", $0.bytes) })
        entry.set(.action, count.kind.action.isEmpty ? nil : count.kind.action)
        if count.count == 1 { entry.set(.requestID, count.first) }
        entry.set(.outcome, "refused")
        entry.set(.status, count.kind.code.status)
        entry.set(.code, count.kind.code.rawValue)
        entry.set(.stage, count.step)
        if count.count > 1 {
            entry.set(.count, count.count)
            entry.set(.firstRequestID, count.first)
            entry.set(.lastRequestID, count.last)
        }
        return entry
    }
}

extension FieldSink where Self: ~Copyable {
    /// What an intent and its outcome begin with alike, of a call that names nothing and of whose end user, if there is one, the
    /// digest is known.
    mutating func set(headOf exchange: Exchange, caller: Span<UInt8>) {
        begin(caller, upTo: .address)
        set(endUser: exchange.endUserDigest)
        set(.action, exchange.route.action)
        exchange.withID { set(.requestID, characters: $0) }
        set(call: exchange)
    }

    /// How a call ended that has an intent. Who called and what for stands there already.
    mutating func set(outcomeOf exchange: Exchange, _ intent: Int, _ outcome: Outcome, at now: Instant) {
        exchange.intentHead.lend { begin($0, upTo: .model) }
        set(provider: exchange)
        set(used: exchange)
        set(end: exchange, outcome, at: now)
        set(.intent, intent)
    }

    // MARK: Parts

    /// What stands at the worst case until it is known what it comes to.
    mutating func set(reserved exchange: Exchange) {
        guard let held = exchange.heldBack else { return }
        // After a kill nobody knows who was asked: each of them may have counted.
        set(.reservedInputTokens, held.input)
        set(.reservedOutputTokens, held.output)
        set(.reservedCost, held.cost.map(Int.init(clamping:)))
    }

    mutating func set(who exchange: Exchange, _ subject: RecordSubject, _ digester: Digester) {
        set(caller: exchange, subject, digester)
        set(endUser: exchange.endUserDigest ?? exchange.figures.endUser.map(digester.endUser))
    }

    mutating func set(caller exchange: Exchange, _ subject: RecordSubject, _ digester: Digester) {
        set(.tenant, subject.tenant?.text)
        switch exchange.principal?.kind {
        case .key(let id, let prefix):
            set(.actorKind, "key")
            set(.actorID, id.text)
            set(.keyPrefix, prefix)
        case .person(let id, _):
            set(.actorKind, "person")
            set(.actorID, id.text)
        case .operator(let id):
            set(.actorKind, "operator")
            set(.actorID, id.text)
        case .socketPeer(let userID):
            set(.actorKind, "socket")
            set(.actorID, "uid \(userID)")
        case nil:
            set(.actorKind, "unknown")
        }
        if case .address(let address) = exchange.request.peer, let address = address.ip {
            set(.address, digest: digester.digest("address", address.bytes))
        }
    }

    mutating func set(what exchange: Exchange, _ subject: RecordSubject, _ digester: Digester) {
        set(.action, exchange.route.action)
        switch subject.object {
        case .plain(let id): set(.object, id)
        case .erasable(let id): set(.objectDigest, digest: digester.digest("object", id))
        case nil: break
        }
        exchange.withID { set(.requestID, characters: $0) }
    }

    mutating func set(call exchange: Exchange) {
        set(.node, exchange.node)
        set(name: .model, exchange.model)
    }

    mutating func set(provider exchange: Exchange) {
        set(name: .provider, exchange.figures.provider)
        set(name: .upstreamModel, exchange.figures.upstreamModel)
        if exchange.figures.isStreamed { set(.isStreamed, 1) }
    }

    /// What the provider counted, or else what was reserved; and what others may have counted that were asked before it.
    mutating func set(used exchange: Exchange) {
        if let settled = exchange.settled {
            set(.inputTokens, settled.tokens.input)
            set(.outputTokens, settled.tokens.output)
            set(.cachedTokens, settled.tokens.cached > 0 ? settled.tokens.cached : nil)
            set(.cost, settled.cost.map(Int.init(clamping:)))
            if settled.tokens.isEstimated { set(.isEstimated, 1) }
        }
        if exchange.isHeld { set(.isHeld, 1) }
    }

    mutating func set(end exchange: Exchange, _ outcome: Outcome, at now: Instant) {
        switch outcome {
        case .answered(let status):
            set(.outcome, literal: "answered")
            set(.status, status)
        case .failed(let code):
            set(.outcome, exchange.intent == nil ? "refused" : "failed")
            // A stream's head has said 200 already.
            let hasBegun = exchange.figures.firstByte != nil
            set(.status, hasBegun ? 200 : exchange.failure?.cause.status(in: exchange.route.shape) ?? code.status)
            set(.code, code.rawValue)
            set(.stage, exchange.failure?.step ?? "perform")
            set(.rule, exchange.failure?.cause.limit?.name)
        case .abandoned:
            set(.outcome, "abandoned")
        }
        set(.latency, (now - exchange.request.arrival).milliseconds)
        set(.firstByte, exchange.figures.firstByte.map { ($0 - exchange.request.arrival).milliseconds })
    }
}
