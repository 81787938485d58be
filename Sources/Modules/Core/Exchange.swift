// SPDX-License-Identifier: Apache-2.0

import EventLoop
package import HTTP
package import Platform

/// One request on its way through the house, from its guard to its last byte.
///
/// Belongs to the loop of its connection and lives until the handler has returned and every stage has settled. It is
/// `Sendable` because handlers are, and is still touched on its loop only: the connection's task never leaves it.
package final class Exchange: Answer, @unchecked Sendable {
    package let request: Request

    /// Lets the answer be broken off until its bytes have left, even where all of it has been given.
    package func makeRevocable() { response.isRevocable = true }
    package let route: Route
    /// The parts of the path that the route's pattern names.
    package let parameters: PathParameters
    /// `req_` and a ULID; on every answer and every record about this exchange.
    package private(set) lazy var id = requestID.text

    /// Whether the client went away, or the server has given up on it.
    package var isCancelled: Bool { request.isCancelled }

    /// Lends the characters of ``id``, without making a text of them.
    package func withID<Result>(_ body: (Span<UInt8>) -> Result) -> Result { requestID.withSpan(body) }

    /// Who is calling; set by the stage that identifies. Whoever only asks something of it does so by the functions below,
    /// which do not count it as held for that.
    package var principal: Principal?

    /// Whether somebody is calling who may name a model.
    package func mayUse(model: String) -> Bool {
        guard let principal = unsafe principal.map({ unsafe Unmanaged.passUnretained($0) }) else { return false }
        // SAFETY: this exchange holds it, and a look at the principal's list changes no exchange.
        return unsafe principal.lend { $0.mayUse(model: model) }
    }

    /// Throws unless the guard of its route lets in who is calling.
    func enforceGuard() throws(Failure) {
        guard let principal = unsafe principal.map({ unsafe Unmanaged.passUnretained($0) }) else {
            return try GuardCheck.enforce(route.guard, on: nil)
        }
        // SAFETY: as above; the check knows the principal alone.
        try unsafe principal.lend { (principal) throws(Failure) in try GuardCheck.enforce(route.guard, on: principal) }
    }

    /// The clock as it was last read for this exchange, and the turn of its loop in which that was.
    private var reading: (turn: Instant, at: Instant)?

    /// The moment, for whoever concludes what was just done: as it was last read in this turn of the loop, if it was. What is
    /// done between two steps of a turn is not worth a reading of its own. On the loop.
    package var moment: Instant {
        if let reading, reading.turn == request.loop.now { return reading.at }
        return readMoment()
    }

    /// The same, read anew.
    package func readMoment() -> Instant {
        let now = Instant.now()
        reading = (request.loop.now, now)
        return now
    }

    /// The time of day by the loop's clock: right to a few milliseconds, and free. On the loop.
    package var timeOfTurn: WallTime { time + (request.loop.now - request.arrival) }

    /// The fields of the answer: its request's id, and what stages and handlers add (`x-ratelimit-…`).
    package var answerFields: Fields {
        get { fields }
        _modify { yield &fields }
    }
    /// The model the client named, once known.
    package var model: String?
    /// The id of the node it is about, once known.
    package var node: String?

    /// What its work came to, for its record.
    package var figures = ExchangeFigures()
    /// The digest of `figures.endUser` by which records name them, where it was made already.
    package var endUserDigest: EndUserDigest?
    /// The place of its intent in the audit log, once that is written.
    package var intent: Int?
    /// Whether its intent is being written, before anything leaves.
    package var isIntentDue = false
    /// Whether it goes on as soon as its records are certain to be written before anything leaves by a socket of its loop. Set
    /// by a handler that does nothing but send and receive from its record on; any other is kept waiting for it.
    package var onlySends = false
    /// What its intent says of who and what, for its outcome, which says the same; the recorder's alone.
    package var intentHead: [UInt8] = []
    /// Where the recorder has written its intent; the recorder's alone.
    package var recordPlace: AnyObject?
    /// Why it was refused or failed, and at which step; once that is so.
    package internal(set) var failure: (cause: Failure, step: String)?
    /// Where it is counted as under way, for the limiter.
    package var counters: (any Counters)?
    /// What is held back for it.
    package var reservation: Reservation?
    /// Whether something is. What its call uses must then not pass the worst case, and its record says that this process has
    /// counted it.
    package var isHeld = false
    /// What kind of work its call to a model is, for the ledger of units.
    package var work = Work.call
    /// The same of its address, and of the person behind its key, where they were looked up; the limiter's alone.
    package var addressCounters: (any Counters)?
    package var userCounters: (any Counters)?
    /// What was charged for its call to a model, until it is over; the limiter's alone.
    package var charge: (any Charge)?
    /// The same for other work of it.
    package var charges: [any Charge] = []
    /// What is known of an operator's act; `nil` for everything else.
    package var act: ActMaterial?

    /// How many of the server's stages let this exchange in; kept by ``Stages``.
    var stagesEntered = 0
    /// The stage that refused.
    var refusedAt: StagePosition?
    /// Whether its end has been written down, or nobody wants it.
    var isConcluded = false
    /// Whether that has been done, or is done before anything leaves: what is made of the records knows of it.
    package internal(set) var isWrittenDown = false
    private let stages: Stages

    init(
        request: Request, response: ResponseWriter, route: Route, parameters: PathParameters, stages: Stages,
        policy: DoorPolicy
    ) {
        self.request = request
        self.route = route
        self.parameters = parameters
        self.stages = stages
        super.init(response: response, on: request.loop, head: request.head, policy: policy)
    }

    /// Goes on to a later part of the journey. A handler whose work costs or matters calls this with `.attribute` once it
    /// knows the model, and with `.record` before anything leaves the house.
    package func advance(through position: StagePosition) async throws(Failure) {
        if try stages.advanceNow(self, through: position) { return }
        try await stages.advance(self, through: position)
    }

    /// `advance` as far as nobody has to wait; false where it has to go on.
    package func advanceNow(through position: StagePosition) throws(Failure) -> Bool {
        try stages.advanceNow(self, through: position)
    }

    /// `settle` as far as nobody has to wait; false where it has to go on.
    func settleNow(_ outcome: Outcome) -> Bool { stages.settleNow(self, outcome) }

    /// Work that goes on after the answer has been sent (an asynchronous run, whose answer is its receipt); `nil` for none.
    ///
    /// It runs on the exchange's loop, without its connection; the exchange settles when it ends, with the outcome it
    /// returns. It must have its own bound in time and its own cancellation: the client that asked may be long gone. Whoever
    /// sets it bounds how many there are.
    package var remainder: (@Sendable () async -> Outcome)?

    /// The stage that writes this exchange down, if the server has one.
    var recorder: (any RecordStage)? { stages.recorder }

    /// The stage that keeps the ledger of units, if the server has one.
    var charger: (any ChargingStage)? { stages.charger }

    /// Whether this server writes exchanges down.
    package var isRecorded: Bool { stages.recorder != nil }

    /// Whether anybody wants to know what its work comes to: figures that take work need not be made for nobody.
    package var wantsFigures: Bool { stages.wantsFigures }

    /// Breaks off what it is doing, with whatever was to leave and has not: a record of it could not be written.
    package func cutOff() {
        isIntentDue = false
        request.cancellation.fire()
        response.abort()
    }

    func judged(_ failure: Failure) -> Failure { stages.judged(failure, of: self) }

    func settle(_ outcome: Outcome) async {
        await stages.settle(self, outcome)
    }

    /// Reads the body whole.
    ///
    /// - Throws: `payload_too_large`, `request_timeout`, `invalid_parameter` for broken framing.
    package func body(max bytesMax: Int) async throws(Failure) -> [UInt8] {
        if let act {
            // Read already, for its record.
            guard act.parameters.count <= bytesMax else { throw Failure(reading: .tooLarge, bytesMax: bytesMax) }
            return act.parameters
        }
        do {
            return try await request.body(max: bytesMax)
        } catch {
            throw Failure(reading: error, bytesMax: bytesMax)
        }
    }

    /// The same where nobody has to wait; nil where ``body(max:)`` has to be asked.
    package func bodyNow(max bytesMax: Int) -> [UInt8]? {
        act == nil ? request.bodyNow(max: bytesMax) : nil
    }

    /// Reads the next bytes of the body; nil at its end.
    ///
    /// - Parameter bytesMax: what the whole body may have, for the words of the refusal; the caller counts.
    /// - Throws: as ``body(max:)``.
    package func nextChunk(max bytesMax: Int) async throws(Failure) -> [UInt8]? {
        do {
            return try await request.nextChunk()
        } catch {
            throw Failure(reading: error, bytesMax: bytesMax)
        }
    }
}
