// SPDX-License-Identifier: Apache-2.0

package import EventLoop

/// Why there is no answer, or no more of one.
package enum ClientFailure: Error, Equatable, Sendable {
    /// The parts of a request that have a time limit of their own.
    package enum Phase: Sendable {
        case connect, firstByte, idle, total
    }

    /// The request cannot be written: its method is no token, or its target is not a path in visible ASCII.
    case unsendable
    /// There is no address for the name.
    case resolve(Resolver.Failure)
    /// The name has addresses, and the request's policy allows none of them.
    case refusedAddress
    /// No address could be connected to; the last one's reason.
    case connect(IOFailure)
    /// The handshake failed, the certificate included; a short sentence without secrets.
    case tls(String)
    /// A time limit passed.
    case timedOut(Phase)
    /// What came is no HTTP, or in doubt; a short sentence without any of it.
    case malformed(String)
    /// The connection ended before the answer did.
    case interrupted
    /// The caller's cancellation fired, or the loop stops.
    case cancelled
    /// The head or the body of the answer is longer than allowed.
    case tooLarge
    /// All connections are in use, and too many requests wait for one.
    case busy
}

extension ClientFailure: CustomStringConvertible {
    /// For the operator's log.
    package var description: String {
        switch self {
        case .unsendable: "the request's method or target cannot be sent"
        case .resolve(let failure): "name resolution failed: \(failure)"
        case .refusedAddress: "the name leads to an address that is not allowed"
        case .connect(let failure): "connecting failed: \(failure)"
        case .tls(let reason): "TLS: \(reason)"
        case .timedOut(let phase): "timed out (\(phase))"
        case .malformed(let reason): "malformed answer: \(reason)"
        case .interrupted: "the connection ended before the answer"
        case .cancelled: "cancelled"
        case .tooLarge: "the answer is too large"
        case .busy: "all connections are in use"
        }
    }
}
