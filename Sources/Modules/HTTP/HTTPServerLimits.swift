// SPDX-License-Identifier: Apache-2.0

/// What one connection may cost the server. Everything a peer can make larger or slower has a row here.
package struct HTTPServerLimits: Sendable, Equatable {
    // MARK: Sizes

    /// Longest request line in bytes without its line end; beyond it the answer is 414.
    package var requestLineBytesMax = 8 << 10
    /// Longest head in bytes, request line, fields and final empty line together; beyond it the answer is 431.
    package var headBytesMax = 32 << 10
    /// Most field lines in a head, and most trailer lines behind a chunked body; beyond it the answer is 431.
    package var fieldsMax = 100
    /// Longest body of a request in bytes, once decoded; beyond it the answer is 413.
    package var bodyBytesMax = 32 << 20
    /// Most name-value pairs in a query; beyond it the answer is 400.
    package var queryItemsMax = 64

    // MARK: Times

    /// From the first byte of a head to its last; also from accept to the first head's last byte behind the handshake.
    package var headTimeout: Duration = .seconds(10)
    /// What a body may take before its rate counts: waiting time allowed = `bodyTimeout` + bytes received / rate.
    package var bodyTimeout: Duration = .seconds(10)
    /// Least rate of a body in bytes a second, averaged over the time in which the server waited for it.
    package var bodyBytesPerSecondMin = 1 << 10
    /// Between the end of one answer and the first byte of the next request.
    package var idleTimeout: Duration = .seconds(60)
    /// How long a connection waits for a request before it gives back the memory of its task. Long enough that one in use
    /// never does it.
    package var restAfter: Duration = .seconds(1)
    /// For the peer to take one slice (at most `HTTPMaxima.writeSliceBytes`) of an answer.
    package var writeTimeout: Duration = .seconds(30)
    /// For a TLS handshake.
    package var handshakeTimeout: Duration = .seconds(10)
    /// For the peer to read an error and close, behind the answer that ends a connection.
    package var lingerTimeout: Duration = .seconds(2)

    // MARK: Counts

    /// Requests answered on one connection before it is closed.
    package var requestsPerConnectionMax = 10_000
    /// Connections open at a time, on all loops together.
    package var connectionsMax = 20_000
    /// Connections open at a time from one address (one /64 of IPv6), on all loops together.
    package var connectionsPerAddressMax = 1_024

    package init() {}
}

/// Bounds that no setting changes.
package enum HTTPMaxima {
    /// Longest line of a chunk's size with its extensions, and longest trailer line, in bytes.
    static let chunkLineBytes = 4 << 10
    /// Bytes of chunk extensions in one body. They are allowed by RFC 9112 §7.1.1 and mean nothing to anyone.
    static let chunkExtensionBytes = 16 << 10
    /// Bytes of all trailer lines behind one body.
    static let trailerBytes = 16 << 10
    /// Bytes read from the peer at a time, and the first size of a connection's buffer.
    static let readBytes = 16 << 10
    /// Bytes of an answer handed to the transport at a time: each slice has its own write timeout.
    static let writeSliceBytes = 256 << 10
    /// Bytes for which room is made because a Content-Length announces them.
    static let believedBodyBytes = 1 << 20
    /// Bytes of an unread request body that are read and dropped so that the connection can be kept.
    static let drainedBodyBytes = 64 << 10
    /// Bytes read and dropped behind the answer that ends a connection, so that the peer reads it instead of a reset.
    static let lingerBytes = 256 << 10
    /// Interim (1xx) answers skipped before the final one.
    static let interimResponses = 8
    /// Largest request (head and body) that the client writes before it looks for the answer: any send buffer takes it
    /// at once (tcp(7), tcp_wmem).
    static let inlineRequestBytes = 16 << 10
    /// Addresses of one name that the client tries.
    static let addressesTried = 6
    /// How soon behind the first byte of a request the close of an idle connection shows, a round trip to the other side
    /// of the world and some delay included.
    static let staleWindow = Duration.seconds(1)
    /// How long a handshake or a head may take while all places are taken; beyond that the connection gives way to
    /// another.
    static let openingGrace = Duration.seconds(1)
    /// How long a server that drains waits for the handshake, and then for the first request, of a connection that it has
    /// accepted already.
    static let drainGrace = Duration.seconds(3)
    /// How long behind its last answer a server that drains keeps a connection for one more request, whose answer says
    /// `connection: close`. One that has been idle for longer is closed at once.
    static let drainPause = Duration.seconds(1)
    /// Idle connections of a loop that are closed when there is no descriptor left for another.
    static let closedWhenExhausted = 32
    /// Levels of a routed path.
    static let pathSegments = 32
}
