// SPDX-License-Identifier: Apache-2.0

/// What one request may take.
package struct ClientLimits: Equatable, Sendable {
    /// From the call until there is a connection: waiting for a free one, the name, TCP and TLS. Where an idle
    /// connection turns out to be closed, the one that replaces it has this time again.
    package var connect: Duration
    /// From the moment the request is sent until the head of the answer is complete, interim (1xx) answers included. A
    /// head that drips in does not gain time.
    package var firstByte: Duration
    /// Between two pieces of the answer's body, and between two pieces of the request that the upstream takes. Only
    /// waiting counts: a caller who reads slowly does not use it up.
    package var idle: Duration
    /// From the call to the last byte of the answer, the caller's own time included.
    package var total: Duration
    /// The longest body of an answer in bytes, once decoded.
    package var bodyBytesMax: Int

    package init(
        connect: Duration = .seconds(10), firstByte: Duration = .seconds(120), idle: Duration = .seconds(60),
        total: Duration = .seconds(600), bodyBytesMax: Int = 64 << 20
    ) {
        self.connect = connect
        self.firstByte = firstByte
        self.idle = idle
        self.total = total
        self.bodyBytesMax = bodyBytesMax
    }
}

/// What the client of one loop may hold.
package struct HTTPClientLimits: Sendable {
    /// Connections to one origin (under one TLS context and one address policy), in use or idle.
    package var connectionsPerOriginMax = 256
    /// Connections to all origins together, in use or idle.
    package var connectionsMax = 1_024
    /// Requests that wait for a connection; beyond it the answer is `.busy`.
    package var waitersMax = 1_024
    /// How long an unused connection is kept. An upstream that names a shorter time in `keep-alive: timeout=` is obeyed.
    package var idleTimeout: Duration = .seconds(30)
    /// Heads of answers.
    package var head = ResponseHead.Limits()

    package init() {}
}
