// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import Platform
import Synchronization

/// Writes exchanges down: the intent before anything leaves the house, the outcome before the last byte of the answer, and
/// one record alone for what was refused before that. What cannot be written down does not happen.
final class RecordingStage: RecordStage {
    /// The log at work; `nil` before the start and after the stop, when nothing is let through.
    private let desk: @Sendable () -> Desk?
    private let directory: any TenantDirectory
    private let endUsers: KnownEndUsers
    /// Where the records of each loop were written last: found with one lock and without the rest of the log. One of a log that has
    /// stopped promises nothing.
    private let places = Mutex<[AuditDesk]>([])
    /// Whether those are for as long as the process.
    private let areForever: @Sendable () -> Bool

    /// What the stage works with while the log is open.
    final class Desk: Sendable {
        let log: AuditLog
        let digests: Digests
        let floods: Floods

        init(log: AuditLog, digests: Digests, floods: Floods) {
            (self.log, self.digests, self.floods) = (log, digests, floods)
        }

        func digester(of tenant: TenantID?) async -> Digester {
            if let digester = digests.cached(tenant) { return digester }
            return await digests.digester(of: tenant)
        }
    }

    init(
        desk: @escaping @Sendable () -> Desk?, directory: any TenantDirectory, endUsers: KnownEndUsers,
        areForever: @escaping @Sendable () -> Bool
    ) {
        (self.desk, self.directory, self.endUsers, self.areForever) = (desk, directory, endUsers, areForever)
    }

    var position: StagePosition { .record }

    func enterNow(_ exchange: Exchange) throws(Failure) -> Bool {
        if enterLikeBefore(exchange) { return true }
        guard exchange.onlySends, exchange.act == nil, let desk = desk(),
            let digester = desk.digests.cached(exchange.principal?.tenant)
        else { return false }
        let place = desk.log.desk(of: exchange.request.loop)
        guard place.mayHold() else { return false }
        if exchange.endUserDigest == nil, let name = exchange.figures.endUser, let tenant = exchange.principal?.tenant {
            exchange.endUserDigest = desk.digests.knownEndUser(name, of: tenant)
        }
        let subject = RecordSubject(of: exchange, directory)
        let entry = AuditEntry.intent(
            exchange, subject, digester, caller: Self.caller(exchange, subject, digester, place))
        exchange.isIntentDue = true
        exchange.recordPlace = place
        place.hold(entry, .intent, of: exchange)
        keep(place)
        return true
    }

    /// Holds the intent of a call that begins as one before it: nothing has to be digested or looked up.
    ///
    /// - Returns: false where there was none, or there is more to say.
    private func enterLikeBefore(_ exchange: Exchange) -> Bool {
        guard exchange.onlySends, exchange.act == nil, exchange.parameters.isEmpty,
            let principal = unsafe exchange.principal.map({ unsafe Unmanaged.passUnretained($0) }),
            let address = Self.address(of: exchange.request.peer)
        else { return false }
        // SAFETY: the exchange holds it, and nobody says here who else is calling.
        return unsafe principal.lend { principal in
            guard knowsEndUser(of: exchange, principal), let place = place(of: exchange.request.loop),
                hold(intentOf: exchange, principal, address, at: place)
            else { return false }
            exchange.isIntentDue = true
            exchange.recordPlace = place
            return true
        }
    }

    /// - Returns: false where nobody like them called lately, or the record cannot be held.
    @inline(__always)
    private func hold(
        intentOf exchange: Exchange, _ principal: Principal, _ address: IPAddress, at place: AuditDesk
    ) -> Bool {
        let isHeld = place.callers.lend(headOf: principal, at: address) { caller in
            guard place.mayHold() else { return false }
            place.hold(.intent, .intent, of: exchange) { writer in
                writer.set(headOf: exchange, caller: caller)
                exchange.intentHead = writer.written
                writer.set(provider: exchange)
                writer.set(reserved: exchange)
            }
            return true
        }
        return isHeld ?? false
    }

    /// Whether the digest of whoever it names, if it names somebody, is at hand.
    private func knowsEndUser(of exchange: Exchange, _ principal: Principal) -> Bool {
        guard exchange.endUserDigest == nil, let name = exchange.figures.endUser else { return true }
        guard let tenant = principal.tenant, let digest = endUsers.digest(of: name, tenant) else { return false }
        exchange.endUserDigest = digest
        return true
    }

    private func place(of loop: EventLoop) -> AuditDesk? {
        places.withLock { places in
            for index in places.indices where places[index].loop === loop { return places[index] }
            return nil
        }
    }

    private func keep(_ place: AuditDesk) {
        if areForever() { Immortal.keep(place) }
        places.withLock { places in
            if let index = places.firstIndex(where: { $0.loop === place.loop }) {
                places[index] = place
            } else {
                places.append(place)
            }
        }
    }

    func enter(_ exchange: Exchange) async throws(Failure) {
        guard let desk = desk() else { throw Self.unavailable(nil) }
        let subject = RecordSubject(of: exchange, directory)
        exchange.act?.tenant = subject.tenant
        let place = desk.log.desk(of: exchange.request.loop)
        let entry: AuditEntry
        if let digester = desk.digests.cached(subject.tenant) {
            entry = AuditEntry.intent(
                exchange, subject, digester, caller: Self.caller(exchange, subject, digester, place))
        } else {
            let digester = await desk.digester(of: subject.tenant)
            entry = AuditEntry.intent(
                exchange, subject, digester, caller: AuditEntry.caller(exchange, subject, digester))
        }
        do throws(AuditRefusal) {
            exchange.intent = try await place.write(entry, exchange.act == nil ? .intent : .actIntent)
        } catch {
            throw Self.unavailable(error)
        }
    }

    /// How an intent begins; mostly as the one before.
    private static func caller(
        _ exchange: Exchange, _ subject: RecordSubject, _ digester: Digester, _ desk: AuditDesk
    ) -> [UInt8] {
        guard exchange.act == nil, let principal = exchange.principal, let address = address(of: exchange.request.peer)
        else { return AuditEntry.caller(exchange, subject, digester) }
        if let known = desk.callers.head(of: principal, at: address) { return known }
        let head = AuditEntry.caller(exchange, subject, digester)
        desk.callers.keep(head, of: principal, at: address)
        return head
    }

    func concludeNow(_ exchange: Exchange, _ outcome: Outcome) -> Bool {
        let place = exchange.recordPlace as? AuditDesk
        if exchange.isIntentDue { place?.settle() }
        if let intent = exchange.intent {
            guard let place, place.mayHold() else { return false }
            exchange.makeRevocable()
            let now = exchange.moment
            place.hold(.outcome, .outcome, of: exchange) { $0.set(outcomeOf: exchange, intent, outcome, at: now) }
            return true
        }
        // What is only read, and was answered, is no act of anybody.
        guard case .failed(let code) = outcome, let desk = desk() else { return true }
        // It was this very log that refused.
        if code == .auditUnavailable { return true }
        let principal = exchange.principal
        let isKnown = principal?.keyID != nil
        var kind = Floods.Kind(
            tenant: principal?.tenant, key: principal?.keyID, action: exchange.route.action, code: code)
        if !isKnown { kind.address = Self.address(of: exchange.request.peer) }
        return !desk.floods.isSingle(
            kind, prefix: isKnown ? principal?.name : nil, step: exchange.failure?.step ?? "", request: exchange.id,
            at: .now())
    }

    func conclude(_ exchange: Exchange, _ outcome: Outcome) async throws(Failure) {
        guard let desk = desk() else { throw Self.unavailable(nil) }
        do throws(AuditRefusal) {
            if let intent = exchange.intent, exchange.act == nil {
                let entry = AuditEntry.outcome(exchange, of: intent, outcome, at: .now())
                _ = try await desk.log.desk(of: exchange.request.loop).write(entry, .outcome)
                return
            }
            let subject = RecordSubject(of: exchange, directory)
            let digester = await desk.digester(of: subject.tenant)
            if let intent = exchange.intent {
                let entry = AuditEntry.act(exchange, of: intent, outcome, subject, digester, at: .now())
                _ = try await desk.log.desk(of: exchange.request.loop).write(entry, .outcome)
            } else {
                let entry = AuditEntry.refusal(exchange, outcome, subject, digester, at: .now())
                _ = try await desk.log.desk(of: exchange.request.loop).write(entry, .plain)
            }
        } catch {
            // A refusal is a refusal, written down or not: nothing came of it.
            if exchange.intent != nil { throw Self.unavailable(error) }
        }
    }

    func note(_ code: ErrorCode, requestID: String, peer: Peer) {
        guard let desk = desk() else { return }
        let kind = Floods.Kind(address: Self.address(of: peer), action: "", code: code)
        _ = desk.floods.isSingle(kind, prefix: nil, step: "door", request: requestID, at: .now())
    }

    private static func address(of peer: Peer) -> IPAddress? {
        if case .address(let address) = peer { return address.ip }
        return nil
    }

    private static func unavailable(_ cause: AuditRefusal?) -> Failure {
        Failure(
            .auditUnavailable, "this cannot be recorded, so it is not done; try again",
            cause: cause.map { "\($0)" } ?? "the audit log is not open"
        ).retrying(after: .seconds(1))
    }
}

extension Exchange: RecordOwner {
    func take(intent: Int) {
        self.intent = intent
        isIntentDue = false
    }
}
