// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import TLS

/// Writes one request, while somebody else may already read its answer: an upstream that refuses a long body says so
/// before it has read it, and may not read on.
final class RequestSender: @unchecked Sendable {
    /// How far it is.
    enum State: Equatable {
        case underWay
        /// The connection has all of it.
        case done
        /// It ended before; what the upstream has is no whole request.
        case failed
    }

    private(set) var state = State.underWay
    private let transport: Transport
    private let stall: Duration
    private let deadline: Instant
    private var isCeasing = false

    /// - Parameter stall: the longest wait for the upstream to take the next slice.
    /// - Parameter deadline: the end of the time for the whole.
    init(_ transport: Transport, stall: Duration, until deadline: Instant) {
        self.transport = transport
        self.stall = stall
        self.deadline = deadline
    }

    /// Writes head and body at once, where that is possible without waiting.
    /// - Returns: false where `send` has to; true also for a connection that is broken, as reading it shows.
    func sendNow(_ head: [UInt8], _ body: [UInt8]) -> Bool {
        do throws(IOFailure) {
            guard try transport.writeNow(head, body) else { return false }
            state = .done
        } catch {
            state = .failed
        }
        return true
    }

    /// Writes head and body, in slices that each have the time of `stall`.
    func send(_ head: [UInt8], _ body: [UInt8]) async throws(IOFailure) {
        do throws(IOFailure) {
            var head = head
            var start = 0
            repeat {
                let end = min(body.count, start + HTTPMaxima.writeSliceBytes)
                transport.writeDeadline = min(transport.loop.now + stall, deadline)
                // A body of one slice, as nearly all are, is not copied.
                try await transport.write(head, end - start == body.count ? body : Array(body[start..<end]))
                head = []
                start = end
            } while start < body.count && !isCeasing
            state = start == body.count ? .done : .failed
        } catch {
            state = .failed
            throw error
        }
    }

    /// Stops behind the slice under way. The connection cannot be used again then.
    func cease() {
        isCeasing = true
    }
}
