// SPDX-License-Identifier: Apache-2.0
package import Platform

/// Why a byte stream did not do what it was asked to.
package enum IOFailure: Error, Equatable, Sendable {
    /// This side has closed it.
    case closed
    /// A deadline passed.
    case timedOut
    /// Somebody on this side gave up: the client is gone, the server stops.
    case cancelled
    /// The other side broke it off.
    case reset
    /// The other side ended a TLS stream without saying so: what came may not be all (RFC 8446 §6.1).
    case truncated
    /// The system refused.
    case system(Errno)
    /// TLS failed; a short sentence without secrets.
    case tls(String)

    /// The failure an error number of a socket call stands for.
    package init(_ number: Errno) {
        switch number {
        case .connectionReset, .brokenPipe: self = .reset
        case .timedOut: self = .timedOut
        default: self = .system(number)
        }
    }
}

extension IOFailure: CustomStringConvertible {
    /// For the operator's log.
    package var description: String {
        switch self {
        case .closed: "closed"
        case .timedOut: "timed out"
        case .cancelled: "cancelled"
        case .reset: "reset by peer"
        case .truncated: "stream cut off without close_notify"
        case .system(let number): number.description
        case .tls(let reason): "TLS: \(reason)"
        }
    }
}
