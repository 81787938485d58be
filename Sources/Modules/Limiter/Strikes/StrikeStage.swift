// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Log
import Platform

/// Notes who does what nobody does by mistake so often, and turns away whoever is blocked for it.
///
/// A key is struck for what was done with it, a person behind a key in its place where the key says who that is, and an
/// address only for what nobody's credential stands behind. So a block of an address keeps out only who comes without a valid
/// credential: those who share the address and have one go on.
final class StrikeStage: ImmediateStage, JudgingStage {
    /// Writes down that somebody was blocked.
    typealias Recorder = @Sendable (BlockSubject, TenantID?) -> Void

    let table: StrikeTable
    private let people: (any EndUserDigests)?
    private let record: Recorder?
    private let log: Logger

    init(table: StrikeTable, people: (any EndUserDigests)?, record: Recorder?, log: Logger) {
        (self.table, self.people, self.record, self.log) = (table, people, record, log)
    }

    var position: StagePosition { .admit }

    func enter(_ exchange: Exchange) throws(Failure) {
        guard table.blocksKeys, let key = exchange.principal?.keyID else { return }
        if let wait = table.isBlocked(.key(key), at: exchange.time) { throw .blocked(.key, wait) }
    }

    func meet(_ exchange: Exchange) throws(Failure) {
        // What everybody may read is read by everybody.
        guard table.blocksAddresses, exchange.route.method != .get, let address = exchange.request.peer.block else {
            return
        }
        if let wait = table.isBlocked(.address(address), at: exchange.time) { throw .blocked(.address, wait) }
    }

    func judge(_ failure: Failure, of exchange: Exchange) -> Failure {
        let now = exchange.time
        if let (subject, offence) = blame(failure, of: exchange) {
            strike(subject, of: exchange.principal?.tenant, offence, at: now)
        }
        guard failure.code.status == 401, table.blocksAddresses, let address = exchange.request.peer.block,
            let wait = table.isBlocked(.address(address), at: now)
        else { return failure }
        return .blocked(.address, wait)
    }

    func note(_ code: ErrorCode, from peer: Peer) {
        guard let address = peer.block else { return }
        switch code {
        case .invalidParameter: strike(.address(address), of: nil, .malformedRequest, at: .now())
        case .notFound: strike(.address(address), of: nil, .probe, at: .now())
        default: break
        }
    }

    /// Whose fault it is that something was refused, and what it was; `nil` for what may happen to anybody.
    private func blame(_ failure: Failure, of exchange: Exchange) -> (Subject, Offence)? {
        switch failure.code {
        case .invalidAPIKey, .expired, .revoked, .invalidLogin, .invalidSession, .invalidSignature:
            return exchange.request.peer.block.map { (.address($0), .badCredential) }
        case .contentFilter, .policyRefusal, .payloadRejected:
            return who(exchange).map { ($0, .refusedInput) }
        case .rateLimitExceeded where failure.limit?.scope == SubjectKind.address.rawValue:
            return exchange.request.peer.block.map { (.address($0), .flood) }
        case .rateLimitExceeded where failure.limit?.scope == SubjectKind.user.rawValue:
            return who(exchange).map { ($0, .flood) }
        // What the whole server has used up is nobody's fault alone.
        case .abuseBudgetExceeded where failure.limit?.scope == SubjectKind.instance.rawValue: return nil
        case .abuseBudgetExceeded where failure.limit?.scope == SubjectKind.user.rawValue:
            return who(exchange).map { ($0, .flood) }
        case .rateLimitExceeded, .abuseBudgetExceeded: return exchange.principal?.keyID.map { (.key($0), .flood) }
        default: return nil
        }
    }

    /// The person behind the key, where the key says who; else the key. Nobody where that person cannot be told apart at this
    /// moment: the key would pay for one of many.
    private func who(_ exchange: Exchange) -> Subject? {
        guard let principal = exchange.principal, let key = principal.keyID else { return nil }
        guard let name = exchange.figures.endUser ?? exchange.request[.endUser] else {
            return .key(key)
        }
        guard let tenant = principal.tenant else { return nil }
        return people?.knownDigest(ofEndUser: name, of: tenant).map { .user(EndUser($0)) }
    }

    private func strike(_ subject: Subject, of tenant: TenantID?, _ offence: Offence, at now: WallTime) {
        guard let block = table.strike(subject, of: tenant, offence, at: now) else { return }
        if let named = subject.blockSubject { record?(named, tenant) }
        let who: Logger.Value =
            switch subject {
            case .address(let block): .peer(block.address)
            case .key(let id): .string(id.text)
            default: .string("-")
            }
        log.warning(
            "blocked for a while",
            [
                "kind": .string(subject.kind.rawValue), "who": who, "offence": .string(offence.rawValue),
                "seconds": .int(Int(block.pause.clampedMilliseconds / 1000)),
            ])
    }
}

extension Subject {
    /// As its record names it; `nil` for what cannot be blocked.
    var blockSubject: BlockSubject? {
        switch self {
        case .key(let id): .key(id)
        case .user(let user): .user(user.digest)
        case .address(let block): .address(block.bytes)
        case .tenant, .node, .instance: nil
        }
    }
}

extension Failure {
    static func blocked(_ kind: SubjectKind, _ wait: Duration) -> Failure {
        let who =
            switch kind {
            case .key: "this key is"
            case .user: "this person is"
            default: "requests without a valid credential from this address are"
            }
        return Failure(.blocked, "\(who) blocked for a while").retrying(after: wait)
    }
}
