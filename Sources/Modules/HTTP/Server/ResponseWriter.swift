// SPDX-License-Identifier: Apache-2.0

package import EventLoop
import Platform

/// Writes the one answer to a request. Either `send`, or `begin`, any number of `write`, and `finish`.
///
/// The fields that frame the answer are its own business (`MessageEncoder`), and so is leaving out the body where there
/// may be none: for HEAD, and for 204 and 304.
package final class ResponseWriter {
    private enum State {
        case waiting
        /// The head is decided; `bytesLeft` where a length was promised.
        case streaming(MessageEncoder.Body, bytesLeft: Int?)
        case complete
        case failed
    }

    private var state = State.waiting
    private var connection: ServerConnection?
    private let method: Method
    private let version: Version
    /// The head of a streamed answer until the first piece of its body, with which it leaves: one write and one TLS record
    /// instead of two.
    private var heldHead: [UInt8] = []

    /// True to close the connection behind this answer. Set it before the answer begins.
    package var closesConnection = false

    /// True while what was written may have to be held back yet: `abort` then works also behind the end of the answer.
    package var isRevocable = false

    init(to method: Method, _ version: Version, on connection: borrowing ServerConnection) {
        self.method = method
        self.version = version
        self.connection = copy connection
    }

    /// True once the head of an answer has been given to the connection.
    package var hasBegun: Bool {
        if case .waiting = state { return false }
        return true
    }

    /// True once the whole answer has been given to the connection, which sends it at the end of the turn.
    package var isComplete: Bool {
        if case .complete = state { return true }
        return false
    }

    /// Sends a whole answer. Head and body leave together.
    ///
    /// - Parameter more: fields behind these, for what is the same in many answers and need not be copied for each.
    /// - Throws: why the answer cannot have arrived; `.closed` if one has been begun already.
    package func send(
        _ status: Status, _ fields: borrowing Fields, also more: borrowing Fields = Fields(), body: borrowing [UInt8]
    ) async throws(IOFailure) {
        if let unwritten = try sendNow(status, fields, also: more, body: body) { try await finish(unwritten) }
    }

    /// What of a whole answer has to be waited for.
    package struct Unwritten {
        fileprivate let first: [UInt8]
        fileprivate let second: [UInt8]
    }

    /// `send` where nobody has to wait.
    ///
    /// - Returns: nil where it is sent; otherwise what has to be given to `finish`.
    package func sendNow(
        _ status: Status, _ fields: borrowing Fields, also more: borrowing Fields = Fields(), body: borrowing [UInt8]
    ) throws(IOFailure) -> Unwritten? {
        guard case .waiting = state, let lent = unsafe connection.map({ unsafe Unmanaged.passUnretained($0) }) else {
            throw .closed
        }
        state = .failed
        let framing: MessageEncoder.Body = status.forbidsBody ? .none : .length(body.count)
        let isBare = method == .head || status.forbidsBody
        // SAFETY: this writer holds it until `detach`, which nobody calls in here: it is a step of the connection's own task
        // behind the answer, and this waits for nothing.
        let unwritten = try unsafe lent.lend { (connection) throws(IOFailure) in
            try connection.sendNow(
                status, fields, also: more, framing, body, isBare: isBare, closing: closesConnection)
        }
        guard let (first, second) = unwritten else {
            state = .complete
            return nil
        }
        return Unwritten(first: first, second: second)
    }

    /// Sends what `sendNow` has given back.
    package func finish(_ unwritten: Unwritten) async throws(IOFailure) {
        guard let connection else { throw .closed }
        try await connection.write(unwritten.first, unwritten.second)
        state = .complete
    }

    /// Begins an answer whose body follows piece by piece: in chunks, or (HTTP/1.0) up to the end of the connection. The
    /// head leaves with the first piece.
    ///
    /// - Parameter length: the number of bytes that will follow, if known; fewer or more are an error.
    package func begin(
        _ status: Status, _ fields: Fields, also more: Fields = Fields(), length: Int? = nil
    ) throws(IOFailure) {
        let connection = try take()
        let framing: MessageEncoder.Body =
            status.forbidsBody
            ? .none : length.map { .length($0) } ?? (version == .http11 ? .chunked : .untilClose)
        heldHead = connection.encodedHead(status, fields, also: more, framing, closing: closesConnection)
        state = .streaming(framing, bytesLeft: length)
    }

    /// Sends a piece of the body. Returns when the connection has taken it, which holds little, so that a slow reader slows
    /// down whoever writes.
    package func write(_ bytes: [UInt8]) async throws(IOFailure) {
        guard case .streaming(let framing, let bytesLeft) = state, let connection else { throw .closed }
        guard method != .head, framing != .none, !bytes.isEmpty else { return }
        if let bytesLeft {
            guard bytes.count <= bytesLeft else {
                state = .failed
                throw .closed
            }
            state = .streaming(framing, bytesLeft: bytesLeft - bytes.count)
        }
        try await send(bytes, framing, isLast: false, to: connection)
    }

    /// Ends an answer that was begun.
    ///
    /// - Parameter last: the last piece of the body, which leaves together with what ends it.
    /// - Throws: `.closed` if fewer bytes were written than promised; the connection is then cut off.
    package func finish(_ last: [UInt8] = []) async throws(IOFailure) {
        guard case .streaming(let framing, let bytesLeft) = state, let connection else { throw .closed }
        let mayHaveBody = method != .head && framing != .none
        guard !mayHaveBody || bytesLeft ?? last.count == last.count else {
            state = .failed
            throw .closed
        }
        try await send(mayHaveBody ? last : [], framing, isLast: true, to: connection)
        state = .complete
    }

    /// Writes the head if it is still here, and a piece of the body.
    private func send(
        _ bytes: borrowing [UInt8], _ framing: MessageEncoder.Body, isLast: Bool, to connection: ServerConnection
    ) async throws(IOFailure) {
        let head = exchange(&heldHead, with: [])
        do throws(IOFailure) {
            if framing == .chunked, method != .head {
                if let (first, second) = try connection.sendNow(head, chunk: bytes, isLast: isLast) {
                    try await connection.write(first, second)
                }
            } else if try !connection.writeNow(head, copy bytes) {
                try await connection.write(head, copy bytes)
            }
        } catch {
            state = .failed
            throw error
        }
    }

    /// Cuts the connection off, so that the client cannot take what it has for a whole answer.
    package func abort() {
        state = .failed
        connection?.abort()
    }

    func detach() {
        if !isRevocable || !hasBegun { connection = nil }
    }

    private func take() throws(IOFailure) -> ServerConnection {
        guard case .waiting = state, let connection else { throw .closed }
        state = .failed
        return connection
    }
}
