// SPDX-License-Identifier: Apache-2.0

package import EventLoop
package import Platform

/// Why the body of a request cannot be read. The connection ends behind the answer.
package enum BodyFailure: Error, Equatable, Sendable {
    /// More bytes than the reader or the server allows.
    case tooLarge
    /// The chunks are malformed; what was read so far is worthless.
    case malformed
    /// The client is too slow.
    case timedOut
    /// The client went away.
    case gone
}

/// A request on its connection. Confined to the loop and to the time in which the responder works on it.
@safe package final class Request {
    package let head: RequestHead
    /// The client: who has connected, or whom a trusted proxy has it from.
    package let peer: Peer
    /// True if it came over TLS.
    package let isSecure: Bool
    /// When its head was complete.
    package let arrival: Instant
    package let loop: EventLoop
    /// Fires when the client goes away or the server gives up on it. A client that has ended its side of the connection
    /// counts as gone, even if it might still read.
    package let cancellation: Cancellation

    /// True once that has fired.
    package var isCancelled: Bool { cancellation.isFired }

    // Held by its task, which calls the responder and then `detach`.
    private var connection: Unmanaged<ServerConnection>?

    init(_ head: consuming RequestHead, on connection: borrowing ServerConnection) {
        peer = connection.client(of: head)
        isSecure = connection.isSecure
        loop = connection.loop
        arrival = loop.now
        cancellation = Cancellation(on: loop)
        self.head = head
        unsafe self.connection = Unmanaged.passUnretained(copy connection)
    }

    /// The value of the first field of its head with this name. Bytes that are not UTF-8 appear as U+FFFD.
    package subscript(_ field: String) -> String? { head[field] }

    /// The value of the first field of its head with this name. Bytes that are not UTF-8 appear as U+FFFD.
    package subscript(_ field: FieldName) -> String? { head.fields.contains(field) ? head.fields[field] : nil }

    /// Lends the value's bytes of the first field of its head with this name to `body`; nil without calling it if there is
    /// none.
    package func withValue<Result>(of field: FieldName, _ body: (Span<UInt8>) -> Result) -> Result? {
        head.withValue(of: field, body)
    }

    /// The next bytes of the body, as they come; nil at its end, and for a request without a body. Reading is what lets
    /// the client send more, and what sends `100 Continue` to one that waits for it.
    package func nextChunk() async throws(BodyFailure) -> [UInt8]? {
        switch try takeBody() {
        case .chunk(let bytes): return bytes
        case .end: return nil
        case .wait: return try await unsafe connection?.takeUnretainedValue().nextBodyChunk()
        }
    }

    /// The whole body.
    ///
    /// - Parameter max: the most bytes wanted; the server's limit holds as well. A longer body is refused by its declared
    ///   length where it has one, before it is read.
    package func body(max: Int) async throws(BodyFailure) -> [UInt8] {
        if case .length(let bytes) = head.framing, bytes > max { throw .tooLarge }
        var body: [UInt8] = []
        while true {
            switch try takeBody() {
            case .end: return body
            case .wait: try await unsafe connection?.takeUnretainedValue().waitForBody()
            case .chunk(let chunk):
                guard chunk.count <= max - body.count else { throw .tooLarge }
                guard !body.isEmpty else {
                    body = chunk
                    continue
                }
                // A declared length is a claim: room is made for what one can afford to believe.
                if case .length(let bytes) = head.framing {
                    body.reserveCapacity(min(bytes, HTTPMaxima.believedBodyBytes))
                }
                body.append(contentsOf: chunk)
            }
        }
    }

    /// The whole body, where all of it has come already and there are no more bytes than `max`; nil where it has to be waited
    /// for, or is to be refused, by ``body(max:)``.
    package func bodyNow(max: Int) -> [UInt8]? {
        guard case .length(let bytes) = head.framing, bytes <= max, let connection = unsafe connection
        else { return nil }
        // SAFETY: as below.
        return unsafe connection.lend { $0.takeWholeBody() }
    }

    private func takeBody() throws(BodyFailure) -> ServerConnection.BodyStep {
        guard let connection = unsafe connection else { throw .gone }
        // SAFETY: nobody detaches it in here: that is a step of the connection's own task, and this waits for nothing.
        return try unsafe connection.lend { (connection) throws(BodyFailure) in try connection.takeBody() }
    }

    /// The answer is finished: nothing of the connection can be reached any more.
    func detach() {
        unsafe connection = nil
    }
}
