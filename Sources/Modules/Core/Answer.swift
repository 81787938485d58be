// SPDX-License-Identifier: Apache-2.0

package import EventLoop
package import HTTP

/// What every answer of one request carries, and the only way in which an answer leaves the house.
package final class Answer {
    let requestID: String
    private let response: ResponseWriter
    private let crossOrigin: Fields

    init(response: ResponseWriter, requestID: String, head: RequestHead, policy: DoorPolicy) {
        self.response = response
        self.requestID = requestID
        crossOrigin = policy.crossOriginFields(for: head)
    }

    /// The fields of an answer, in front of the ones that every answer has: request id, cross-origin, then its own.
    private func fields(contentType: String?, _ own: Fields) -> Fields {
        var fields = Fields()
        fields.reserve(bytes: Self.expectedBytes)
        if let contentType { fields.append("content-type", contentType) }
        fields.append("x-request-id", requestID)
        fields.append(contentsOf: crossOrigin)
        fields.append(contentsOf: own)
        return fields
    }

    /// What most answers have at most, so that room is made once.
    private static let expectedBytes = 640

    /// Sends a handler's answer.
    func send(_ reply: Reply, _ own: Fields) async -> Outcome {
        switch reply {
        case .whole(let status, let contentType, let body):
            return await send(Status(status), fields(contentType: contentType, own), body)
        case .streamed:
            return response.isComplete ? .answered(status: 200) : .abandoned
        }
    }

    /// Sends a failure. If the head of an answer has left already, nothing true can be said any more: the connection is
    /// cut, so that the client does not take half an answer for a whole one.
    func send(_ failure: Failure, in shape: ErrorShape, _ own: Fields) async -> Outcome {
        guard !response.hasBegun else {
            response.abort()
            return .failed(failure.code)
        }
        var all = own
        all.append(contentsOf: failure.answerFields())
        let sent = await send(
            Status(failure.status(in: shape)), fields(contentType: "application/json", all),
            failure.body(in: shape, requestID: requestID))
        if case .abandoned = sent { return sent }
        return .failed(failure.code)
    }

    /// Begins a streamed answer; its head leaves with the first piece.
    ///
    /// - Parameter length: the number of bytes that will follow, where it is known.
    package func begin(status: Int, contentType: String, length: Int? = nil, _ own: Fields) throws(IOFailure) {
        try response.begin(
            Status(status), fields(contentType: contentType, own), also: SecurityHeaders.always, length: length)
    }

    func sendPreflight() async {
        _ = await send(Status(204), fields(contentType: nil, Fields()), [])
    }

    /// The answer to `OPTIONS *`, which asks about the server as a whole (RFC 9110 §9.3.7).
    func sendAllowed() async {
        _ = await send(Status(204), fields(contentType: nil, ["allow": Method.allowed]), [])
    }

    private func send(_ status: Status, _ fields: Fields, _ body: [UInt8]) async -> Outcome {
        do {
            try await response.send(status, fields, also: SecurityHeaders.always, body: body)
            return .answered(status: status.code)
        } catch {
            return .abandoned
        }
    }
}
