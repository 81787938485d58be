// SPDX-License-Identifier: Apache-2.0

import Crypto
import EventLoop
import Platform
import Support
import TLS
import Testing

@testable import HTTP

/// A server on loopback that does with each connection what a script says. Used on its loop only.
final class ScriptedServer: @unchecked Sendable {
    private let loop: EventLoop
    private let listener: Listener
    private let isSecure: Bool
    private(set) var peers: [ScriptedPeer] = []

    init(
        on loop: EventLoop, at address: SocketAddress = .ip(.loopbackV4, port: 0), _ context: TLSServerContext? = nil,
        script: @escaping @Sendable (ScriptedPeer) async throws -> Void
    ) throws {
        self.loop = loop
        isSecure = context != nil
        listener = Listener(try ListeningSocket(on: address), on: loop)
        try listener.start { [unowned self] socket in
            let peer = ScriptedPeer(number: peers.count, on: loop)
            peer.socket = socket
            peers.append(peer)
            loop.spawn {
                guard let transport = try? await Transport.accept(socket, context) else { return }
                peer.transport = transport
                // The end of a script is the end of its connection; a client that goes away ends its script.
                try? await script(peer)
                await transport.close()
            }
        }
    }

    func stop() { listener.close() }

    var port: UInt16 { listener.address.port ?? 0 }

    func origin(_ host: String = "127.0.0.1") throws -> Origin {
        try #require(Origin("\(isSecure ? "https" : "http")://\(host):\(port)"))
    }
}

/// The server's end of one connection.
final class ScriptedPeer: @unchecked Sendable {
    let number: Int
    let loop: EventLoop
    fileprivate(set) var transport: Transport?
    fileprivate var socket: Socket?
    private var unread: [UInt8] = []
    private(set) var requests: [String] = []
    /// When the client was seen to be gone.
    private(set) var goneAt: Instant?

    struct Gone: Error {}

    init(number: Int, on loop: EventLoop) {
        self.number = number
        self.loop = loop
    }

    /// Reads one request, head and body, as it stands on the wire.
    @discardableResult
    func request() async throws -> String {
        let head = try await head()
        let length =
            String(decoding: unread[..<head], as: UTF8.self).split(separator: "\r\n")
            .first { $0.hasPrefix("content-length: ") }.flatMap { Int($0.dropFirst(16)) } ?? 0
        while unread.count < head + length { unread += try await read() }
        defer { unread.removeFirst(head + length) }
        requests.append(String(decoding: unread[..<(head + length)], as: UTF8.self))
        return requests[requests.count - 1]
    }

    /// Reads as far as the end of the head, and no further than that read. Gives the length of the head.
    @discardableResult
    func head() async throws -> Int {
        while true {
            // Heads are short; what is behind one is not looked at.
            let start = Array(unread.prefix(4_096))
            if let end = start.indices.first(where: { start[$0...].starts(with: [13, 10, 13, 10]) }) { return end + 4 }
            unread += try await read()
        }
    }

    func read() async throws -> [UInt8] {
        let bytes = (try? await transport?.read()) ?? []
        guard !bytes.isEmpty else {
            goneAt = goneAt ?? .now()
            throw Gone()
        }
        return bytes
    }

    func send(_ text: String) async throws {
        try await send(Array(text.utf8))
    }

    func send(_ bytes: [UInt8]) async throws {
        do {
            try await transport?.write(bytes)
        } catch {
            goneAt = goneAt ?? .now()
            throw error
        }
    }

    /// Reads until the client is gone.
    func untilGone() async {
        while (try? await read()) != nil {}
    }

    func pause(_ duration: Duration) async { await loop.sleep(duration) }

    func reset() { transport?.abort() }

    /// Closes beneath TLS, which has no time for a goodbye.
    func cut() { socket?.close() }

    /// What has come behind the head, which is forgotten.
    func takeBody() async throws -> [UInt8] {
        let head = try await head()
        defer { unread = [] }
        return Array(unread[head...])
    }
}

/// Names of a test's own.
final class ScriptedResolver: NameResolver, @unchecked Sendable {
    var names: [String: [IPAddress]]
    private(set) var lookUps = 0
    /// Looks for ever, until it is stopped.
    var hangs = false

    init(_ names: [String: [IPAddress]] = [:]) { self.names = names }

    func resolve(
        _ host: String, on loop: EventLoop, deadline: Instant?, cancellation: Cancellation?
    ) async throws(Resolver.Failure) -> [IPAddress] {
        lookUps += 1
        if hangs, let cancellation {
            await loop.sleep(deadline.map { $0 - loop.now } ?? .seconds(60), unless: cancellation)
            throw cancellation.isFired ? .cancelled : .timedOut
        }
        if let address = IPAddress(host) { return [address] }
        guard let found = names[host] else { throw .notFound }
        return found
    }
}

/// A client and a server on a loop.
func withServer(
    _ context: TLSServerContext? = nil, limits: HTTPClientLimits = HTTPClientLimits(),
    names: [String: [IPAddress]] = [:], script: @escaping @Sendable (ScriptedPeer) async throws -> Void,
    _ body: @escaping @Sendable (HTTPClient, ScriptedServer, ScriptedResolver) async throws -> Void
) throws {
    try onLoop(within: .seconds(20)) { loop in
        let server = try ScriptedServer(on: loop, context, script: script)
        let resolver = ScriptedResolver(names)
        let client = HTTPClient(on: loop, resolver: resolver, limits: limits)
        do {
            try await body(client, server, resolver)
        } catch {
            server.stop()
            throw error
        }
        server.stop()
        client.close()
    }
}

extension ScriptedServer {
    func get(
        _ target: String = "/", limits: ClientLimits = ClientLimits(), tls: TLSClientContext? = nil,
        host: String = "127.0.0.1"
    ) throws -> ClientRequest {
        ClientRequest(
            method: .get, origin: try origin(host), target: target, limits: limits, addresses: .loopback, tls: tls)
    }

    func post(_ body: String, limits: ClientLimits = ClientLimits()) throws -> ClientRequest {
        ClientRequest(
            method: .post, origin: try origin(), target: "/", body: Array(body.utf8), limits: limits,
            addresses: .loopback)
    }
}

extension HTTPClient {
    /// Sends, reads everything, and gives it as text.
    func text(_ request: ClientRequest, cancellation: Cancellation? = nil) async throws(ClientFailure) -> String {
        let response = try await send(request, cancellation: cancellation)
        return String(decoding: try await response.collect(max: .max), as: UTF8.self)
    }

    /// How it fails, if it does.
    func failure(_ request: ClientRequest, cancellation: Cancellation? = nil) async -> ClientFailure? {
        do throws(ClientFailure) {
            _ = try await text(request, cancellation: cancellation)
            return nil
        } catch {
            return error
        }
    }
}

extension ClientResponse {
    /// How reading the rest fails, if it does.
    func failure(max: Int = .max) async -> ClientFailure? {
        do throws(ClientFailure) {
            _ = try await collect(max: max)
            return nil
        } catch {
            return error
        }
    }
}

/// A certificate that vouches for itself, for a server and, as its authority, for a client.
struct TestCertificate {
    let server: TLSServerContext
    let client: TLSClientContext

    init(_ names: [String] = ["localhost", "127.0.0.1"]) throws {
        let made = try SelfSignedCertificate(names: names, at: .now())
        let directory = try TemporaryDirectory()
        try AtomicFile.write(path: directory("authority.pem"), bytes: made.certificatePEM, mode: 0o600)
        server = try TLSServerContext(certificate: made.certificatePEM, key: made.keyPEM)
        client = try TLSClientContext(authoritiesFile: directory("authority.pem"))
    }
}

extension EventLoop {
    /// Waits until something is so; false when it has not become so in time.
    func until(_ limit: Duration = .seconds(5), _ condition: () -> Bool) async -> Bool {
        let end = Instant.now() + limit
        while !condition() {
            guard .now() < end else { return false }
            await sleep(.milliseconds(1))
        }
        return true
    }
}
