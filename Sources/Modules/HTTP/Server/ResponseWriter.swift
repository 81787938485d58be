// SPDX-License-Identifier: Apache-2.0

package import EventLoop

/// Writes the one answer to a request. Either `send`, or `begin`, any number of `write`, and `finish`.
///
/// The fields that frame the answer are its own business (`MessageEncoder`), and so is leaving out the body where there
/// may be none: for HEAD, and for 204 and 304.
package final class ResponseWriter {
    private enum State {
        case waiting
        /// The head has left; `bytesLeft` where a length was promised.
        case streaming(MessageEncoder.Body, bytesLeft: Int?)
        case complete
        case failed
    }

    private var state = State.waiting
    private var connection: ServerConnection?
    private let method: Method
    private let version: Version

    /// True to close the connection behind this answer. Set it before the answer begins.
    package var closesConnection = false

    init(to head: RequestHead, on connection: ServerConnection) {
        method = head.method
        version = head.version
        self.connection = connection
    }

    /// True once the head of an answer has been given to the connection.
    package var hasBegun: Bool {
        if case .waiting = state { return false }
        return true
    }

    /// True once the whole answer has been given to the kernel.
    package var isComplete: Bool {
        if case .complete = state { return true }
        return false
    }

    /// Sends a whole answer. Head and body leave together.
    ///
    /// - Throws: why the answer cannot have arrived; `.closed` if one has been begun already.
    package func send(_ status: Status, _ fields: Fields, body: [UInt8]) async throws(IOFailure) {
        let connection = try take()
        let framing: MessageEncoder.Body = status.forbidsBody ? .none : .length(body.count)
        let head = connection.encodedHead(status, fields, framing, closing: closesConnection)
        do throws(IOFailure) {
            try await connection.write(head, method == .head || status.forbidsBody ? [] : body)
            state = .complete
        } catch {
            state = .failed
            throw error
        }
    }

    /// Begins an answer whose body follows piece by piece: in chunks, or (HTTP/1.0) up to the end of the connection.
    ///
    /// - Parameter length: the number of bytes that will follow, if known; fewer or more are an error.
    package func begin(_ status: Status, _ fields: Fields, length: Int? = nil) async throws(IOFailure) {
        let connection = try take()
        let framing: MessageEncoder.Body =
            status.forbidsBody
            ? .none : length.map { .length($0) } ?? (version == .http11 ? .chunked : .untilClose)
        do throws(IOFailure) {
            try await connection.write(connection.encodedHead(status, fields, framing, closing: closesConnection))
            state = .streaming(framing, bytesLeft: length)
        } catch {
            state = .failed
            throw error
        }
    }

    /// Sends a piece of the body. Returns when the kernel has taken it, so that a slow reader slows down whoever writes.
    package func write(_ bytes: [UInt8]) async throws(IOFailure) {
        guard case .streaming(let framing, let bytesLeft) = state, let connection else { throw .closed }
        guard method != .head, framing != .none, !bytes.isEmpty else { return }
        do throws(IOFailure) {
            switch framing {
            case .chunked: try await connection.writeChunk(bytes)
            case .length, .untilClose, .none:
                if let bytesLeft {
                    guard bytes.count <= bytesLeft else { throw .closed }
                    state = .streaming(framing, bytesLeft: bytesLeft - bytes.count)
                }
                try await connection.write(bytes)
            }
        } catch {
            state = .failed
            throw error
        }
    }

    /// Ends an answer that was begun.
    ///
    /// - Throws: `.closed` if fewer bytes were written than promised; the connection is then cut off.
    package func finish() async throws(IOFailure) {
        guard case .streaming(let framing, let bytesLeft) = state, let connection else { throw .closed }
        state = .failed
        guard method == .head || framing == .none || bytesLeft ?? 0 == 0 else { throw .closed }
        if framing == .chunked, method != .head { try await connection.writeLastChunk() }
        state = .complete
    }

    /// Cuts the connection off, so that the client cannot take what it has for a whole answer.
    package func abort() {
        state = .failed
        connection?.abort()
    }

    func detach() {
        connection = nil
    }

    private func take() throws(IOFailure) -> ServerConnection {
        guard case .waiting = state, let connection else { throw .closed }
        state = .failed
        return connection
    }
}
