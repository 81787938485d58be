// SPDX-License-Identifier: Apache-2.0

package import EventLoop
package import HTTP
package import Platform

/// What every answer of one request carries, and the only way in which an answer leaves the house. A request to a route is an
/// ``Exchange``, which is one, and no object beside it; a request that is turned away is answered by this alone.
package class Answer {
    final let requestID: RequestID
    /// When the request's head was looked at: the time of day for whatever is done about it. One reading of the clock will do
    /// for a request.
    package final let time: WallTime
    /// The fields of the answer. It begins with what each answer to this request carries, whoever gives it: the request's
    /// id, and the cross-origin fields.
    final var fields = Fields()
    package final let response: ResponseWriter

    init(response: ResponseWriter, on loop: EventLoop, head: RequestHead, policy: DoorPolicy) {
        self.response = response
        time = .now()
        requestID = RequestID(at: time, on: loop)
        fields.reserve(bytes: Self.expectedBytes)
        requestID.withSpan { _ = fields.append(Self.requestIDLabel, $0) }
        policy.appendCrossOriginFields(for: head, to: &fields)
    }

    /// Lets the page of an origin read the answer, if that is not allowed yet.
    final func allow(origin: String) {
        guard fields.count(of: "access-control-allow-origin") == 0 else { return }
        DoorPolicy.appendAllowed(origin, to: &fields)
    }

    private static let requestIDLabel = FieldLabel("x-request-id: ")

    /// What most answers have at most, so that room is made once.
    private static let expectedBytes = 480

    /// Sends a handler's answer, with ``fields``.
    final func send(_ reply: Reply) async -> Outcome {
        switch sendNow(reply) {
        case .over(let outcome): return outcome
        case .waits(let unwritten, let outcome): return await finish(unwritten, outcome)
        }
    }

    /// What sending comes to.
    enum Sent {
        case over(Outcome)
        /// The rest is `finish`'s, and the outcome where that succeeds.
        case waits(ResponseWriter.Unwritten, Outcome)
    }

    /// The same as far as nobody has to wait, as mostly.
    final func sendNow(_ reply: Reply) -> Sent {
        switch reply {
        case .whole(let status, let contentType, let body):
            let status = Status(status)
            do throws(IOFailure) {
                let unwritten = try fields.lend { (fields) throws(IOFailure) in
                    try SecurityHeaders.lend(contentType: contentType) { (always) throws(IOFailure) in
                        try response.sendNow(status, fields, also: always, body: body)
                    }
                }
                let outcome = Outcome.answered(status: status.code)
                return unwritten.map { .waits($0, outcome) } ?? .over(outcome)
            } catch {
                return .over(.abandoned)
            }
        case .streamed:
            return .over(response.isComplete ? .answered(status: 200) : .abandoned)
        }
    }

    /// Sends what is left of an answer.
    final func finish(_ unwritten: ResponseWriter.Unwritten, _ outcome: Outcome) async -> Outcome {
        do throws(IOFailure) {
            try await response.finish(unwritten)
            return outcome
        } catch {
            return .abandoned
        }
    }

    /// Sends a failure. If the head of an answer has left already, nothing true can be said any more: the connection is
    /// cut, so that the client does not take half an answer for a whole one.
    final func send(_ failure: Failure, in shape: ErrorShape, _ own: Fields) async -> Outcome {
        guard !response.hasBegun else {
            response.abort()
            return .failed(failure.code)
        }
        var all = own
        all.append(contentsOf: failure.answerFields())
        let sent = await send(
            Status(failure.status(in: shape)), all, also: SecurityHeaders.always(contentType: "application/json"),
            failure.body(in: shape, requestID: requestID.text))
        if case .abandoned = sent { return sent }
        return .failed(failure.code)
    }

    /// Begins a streamed answer; its head leaves with the first piece.
    ///
    /// - Parameters:
    ///   - length: the number of bytes that will follow, where it is known.
    ///   - own: ``Exchange/answerFields``, or those and more.
    package final func begin(status: Int, contentType: String, length: Int? = nil, _ own: Fields) throws(IOFailure) {
        try response.begin(
            Status(status), own, also: SecurityHeaders.always(contentType: contentType), length: length)
    }

    final func sendPreflight() async {
        _ = await send(Status(204), fields, also: SecurityHeaders.always, [])
    }

    /// The answer to `OPTIONS *`, which asks about the server as a whole (RFC 9110 §9.3.7).
    final func sendAllowed() async {
        fields.append("allow", Method.allowed)
        _ = await send(Status(204), fields, also: SecurityHeaders.always, [])
    }

    private final func send(_ status: Status, _ fields: Fields, also more: Fields, _ body: [UInt8]) async -> Outcome {
        do {
            try await response.send(status, fields, also: more, body: body)
            return .answered(status: status.code)
        } catch {
            return .abandoned
        }
    }
}
