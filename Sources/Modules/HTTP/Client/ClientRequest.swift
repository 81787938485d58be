// SPDX-License-Identifier: Apache-2.0

package import TLS

/// One request to an upstream. The body is in memory, so it can be sent a second time.
package struct ClientRequest: Sendable {
    private struct Parts: Sendable {
        var method: Method
        var origin: Origin
        var target: String
        var fields: Fields
        var body: [UInt8]
        var limits: ClientLimits
        var addresses: AddressPolicy
        var tls: TLSClientContext?
    }

    private final class Box: Sendable {
        let parts: Parts
        init(_ parts: Parts) { self.parts = parts }
    }

    /// One pointer goes from hand to hand, and nothing is counted for each part.
    private var box: Box

    private var parts: Parts {
        get { box.parts }
        set { box = Box(newValue) }
    }

    package var method: Method {
        get { box.parts.method }
        set { parts.method = newValue }
    }

    /// Where it goes. The Host field and the name on the certificate come from here.
    package var origin: Origin {
        get { box.parts.origin }
        set { parts.origin = newValue }
    }

    /// Path and query: visible ASCII that begins with `/`.
    package var target: String {
        get { box.parts.target }
        set { parts.target = newValue }
    }

    /// Without the fields that frame the message or belong to the connection (Host, Connection, Content-Length, …):
    /// the client writes these itself and leaves out what is here under their names.
    package var fields: Fields {
        get { box.parts.fields }
        set { parts.fields = newValue }
    }

    package var body: [UInt8] {
        get { box.parts.body }
        set { parts.body = newValue }
    }

    package var limits: ClientLimits {
        get { box.parts.limits }
        set { parts.limits = newValue }
    }

    /// Where a connection may go beside the Internet. Requests under different policies share no connections.
    package var addresses: AddressPolicy {
        get { box.parts.addresses }
        set { parts.addresses = newValue }
    }

    /// Whom to trust, for an `https` origin; it is asked for then, and passed over otherwise. Requests under different
    /// contexts share no connections.
    package var tls: TLSClientContext? {
        get { box.parts.tls }
        set { parts.tls = newValue }
    }

    package init(
        method: Method, origin: Origin, target: String, fields: Fields = Fields(), body: consuming [UInt8] = [],
        limits: ClientLimits = ClientLimits(), addresses: AddressPolicy = .publicOnly, tls: TLSClientContext? = nil
    ) {
        box = Box(
            Parts(
                method: method, origin: origin, target: target, fields: fields, body: body, limits: limits,
                addresses: addresses, tls: tls))
    }

    /// True if it can stand in a request line. CONNECT is not for here: what follows its answer is no body.
    fileprivate var isSendable: Bool {
        if case .other(let name) = method, !name.utf8.span.isToken || name == "CONNECT" { return false }
        return MessageEncoder.isValidTarget(target)
    }

    /// What its head says of its body. A method that is defined with a body says how long it is, even if it is empty
    /// (RFC 9110 §8.6).
    fileprivate var declaredBytes: Int? {
        let expectsBody = method == .post || method == .put || method == .patch
        return body.isEmpty && !expectsBody ? nil : body.count
    }

    /// True unless it is for an `https` origin and nobody said whom to trust.
    var hasTrust: Bool { !origin.isSecure || tls != nil }

    /// Whether its connection must have this.
    func isFor(_ key: borrowing ConnectionKey) -> Bool {
        (origin.isSecure ? tls : nil) === key.tls && addresses == key.addresses && origin == key.origin
    }

    /// What its connection must have.
    var key: ConnectionKey {
        ConnectionKey(origin: origin, addresses: addresses, tls: origin.isSecure ? tls : nil)
    }
}

/// Writes the heads of one client's requests. The first lines of the last one are kept: requests to one upstream differ
/// in what follows.
final class RequestHeads {
    private var method = Method.get
    private var target = ""
    private var origin: Origin?
    /// The request line and the host field.
    private var opening: [UInt8] = []

    /// Lends them.
    private func withOpening(_ body: (borrowing [UInt8]) -> Void) { opening.lend(body) }

    /// Makes the first lines of a request's head the kept ones.
    /// - Returns: false if the request cannot stand in one.
    func open(_ request: borrowing ClientRequest) -> Bool {
        if origin !== request.origin || target != request.target || method != request.method {
            guard request.isSendable else { return false }
            (method, target, origin) = (request.method, request.target, request.origin)
            opening = MessageEncoder.opening(method, target: target, authority: request.origin.authority)
        }
        return true
    }

    /// No fewer bytes than the head of a request takes that was opened.
    func bytesMax(of request: borrowing ClientRequest) -> Int { MessageEncoder.headBytesMax(opening, request.fields) }

    /// The head of a request that was opened.
    func append(_ request: borrowing ClientRequest, to head: inout OutputSpan<UInt8>) {
        withOpening { MessageEncoder.appendHead($0, request.fields, bodyBytes: request.declaredBytes, to: &head) }
    }

    /// The same as an array.
    func head(of request: borrowing ClientRequest) -> [UInt8] {
        MessageEncoder.head(opening, request.fields, bodyBytes: request.declaredBytes)
    }
}

/// What connections have in common that one request leaves to the next.
struct ConnectionKey: Hashable {
    let origin: Origin
    let addresses: AddressPolicy
    /// Held, so that no other context can come to have the same identity meanwhile.
    let tls: TLSClientContext?

    static func == (left: ConnectionKey, right: ConnectionKey) -> Bool {
        left.tls === right.tls && left.addresses == right.addresses && left.origin == right.origin
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(origin)
        hasher.combine(addresses)
        hasher.combine(tls.map(ObjectIdentifier.init))
    }
}
