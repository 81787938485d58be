// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import TLS
import Testing

@testable import HTTP

/// Names, addresses and TLS.
@Suite struct ClientConnectTests {
    private static let script: @Sendable (ScriptedPeer) async throws -> Void = { peer in
        while true {
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        }
    }

    private func addresses(_ texts: [String]) -> [IPAddress] { texts.compactMap { IPAddress($0) } }

    @Test(arguments: [
        "169.254.169.254", "169.254.1.1", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "::",
        "224.0.0.1", "100.100.100.200",
    ])
    func `goes to no address that nobody may be sent to`(_ address: String) throws {
        try withServer(names: ["name.test": addresses([address])], script: Self.script) { client, server, _ throws in
            for host in ["name.test", address.contains(":") ? "[\(address)]" : address] {
                guard let origin = Origin("http://\(host):\(server.port)") else { continue }
                var request = try server.get()
                request.origin = origin
                request.addresses = .configured
                #expect(await client.failure(request) == .refusedAddress, "\(host)")
            }
            #expect(client.connections == 0)
        }
    }

    @Test func `goes to this machine and its network only where the request allows it`() throws {
        let names = [
            "private.test": addresses(["10.0.0.1", "fd00::1"]), "local.test": addresses(["::1", "127.0.0.1"]),
        ]
        try withServer(names: names, script: Self.script) { client, server, _ throws in
            for (host, policy, failure) in [
                ("private.test", AddressPolicy.publicOnly, ClientFailure.refusedAddress),
                ("private.test", .loopback, .refusedAddress), ("local.test", .publicOnly, .refusedAddress),
                ("local.test", .privateUse, .refusedAddress), ("local.test", .loopback, nil),
                ("localhost", .configured, .resolve(.notFound)),
            ] as [(String, AddressPolicy, ClientFailure?)] {
                var request = try server.get(host: host)
                request.addresses = policy
                #expect(await client.failure(request) == failure, "\(host)")
            }
            #expect(server.peers.count == 1)
        }
    }

    @Test func `connects to what it checked, and asks for a name once a connection`() throws {
        let names = ["local.test": addresses(["169.254.169.254", "127.0.0.1"])]
        try withServer(names: names, script: Self.script) { client, server, resolver throws in
            let request = try server.get(host: "local.test")
            #expect(try await client.text(request) == "ok")
            #expect(resolver.lookUps == 1)
            // Answers that change between two look-ups have nothing to change here.
            resolver.names["local.test"] = addresses(["169.254.169.254"])
            #expect(try await client.text(request) == "ok")
            #expect(resolver.lookUps == 1 && server.peers.count == 1)
            #expect(server.peers[0].requests.allSatisfy { $0.contains("host: local.test:\(server.port)\r\n") })
        }
    }

    @Test func `what is due is done before a name is asked for`() throws {
        let names = ["local.test": addresses(["127.0.0.1"])]
        try withServer(names: names, script: Self.script) { client, server, resolver throws in
            let before = LookUps()
            client.loop.postBeforeLeaving { before.count = resolver.lookUps }
            #expect(try await client.text(try server.get(host: "local.test")) == "ok")
            #expect(before.count == 0 && resolver.lookUps == 1)
        }
    }

    private final class LookUps: @unchecked Sendable {
        var count: Int?
    }

    @Test func `asks the system for names`() throws {
        try onLoop { loop in
            let server = try ScriptedServer(on: loop, script: Self.script)
            let client = HTTPClient(on: loop, resolver: try Resolver(threads: 1))
            #expect(try await client.text(try server.get(host: "localhost")) == "ok")
            let failure = try await client.failure(server.get(host: "no-such-name.invalid"))
            #expect(failure == .resolve(.notFound) || failure == .resolve(.unavailable))
            server.stop()
            client.close()
        }
    }

    @Test func `tries several addresses in turn`() throws {
        let names = ["local.test": addresses(["127.0.0.9", "::1", "127.0.0.1"])]
        try withServer(names: names, script: Self.script) { client, server, resolver throws in
            #expect(try await client.text(try server.get(host: "local.test")) == "ok")
            resolver.names["gone.test"] = addresses(["127.0.0.9", "127.0.0.8"])
            let failure = try await client.failure(server.get(host: "gone.test"))
            #expect(failure == .connect(.system(.connectionRefused)))
        }
    }

    @Test func `an address that swallows everything leaves time for the next`() throws {
        let names = ["local.test": addresses(["127.0.0.7", "127.0.0.1"])]
        try withServer(names: names, script: Self.script) { client, server, _ throws in
            let full = try FullListener(port: server.port, on: client.loop)
            try await full.fill()
            let limits = ClientLimits(connect: .milliseconds(400))
            let start = Instant.now()
            #expect(try await client.text(try server.get(limits: limits, host: "local.test")) == "ok")
            #expect(Instant.now() - start > .milliseconds(150))
            #expect(try await client.failure(server.get(limits: limits, host: "127.0.0.7")) == .timedOut(.connect))
            full.empty()
        }
    }

    @Test(arguments: [
        (["127.0.0.1"], ["127.0.0.1"]), ([], []),
        (["::1", "::2", "::3", "127.0.0.1"], ["::1", "127.0.0.1", "::2", "::3"]),
        (["127.0.0.1", "127.0.0.2", "::1", "::2"], ["127.0.0.1", "::1", "127.0.0.2", "::2"]),
        (["::1", "::2", "::3", "::4", "::5", "::6", "::7"], ["::1", "::2", "::3", "::4", "::5", "::6"]),
    ]) func `takes the families by turns, and not too many`(_ found: [String], _ turns: [String]) {
        #expect(Connector.inTurns(addresses(found)) == addresses(turns))
    }

    @Test func `a secure origin is reached securely`() throws {
        let certificate = try TestCertificate()
        try withServer(certificate.server, names: ["localhost": [.loopbackV4]], script: Self.script) {
            client, server, _ throws in
            for host in ["localhost", "127.0.0.1"] {
                let request = try server.get(tls: certificate.client, host: host)
                for _ in 0..<3 {
                    #expect(try await client.text(request) == "ok")
                    // The server's session tickets are on their way meanwhile, and are no unasked-for answer.
                    await client.loop.sleep(.milliseconds(5))
                }
            }
            #expect(server.peers.count == 2)
        }
    }

    @Test func `whoever cannot prove to be the upstream hears no request`() throws {
        let certificate = try TestCertificate(["localhost"])
        let other = try TestCertificate(["localhost"])
        try withServer(
            certificate.server, names: ["localhost": [.loopbackV4], "other.test": [.loopbackV4]], script: Self.script
        ) {
            client, server, _ throws in
            for (host, context) in [
                ("other.test", certificate.client), ("127.0.0.1", certificate.client), ("localhost", other.client),
                ("localhost", nil),
            ] as [(String, TLSClientContext?)] {
                guard case .tls? = try await client.failure(server.get(tls: context, host: host)) else {
                    Issue.record("\(host) was believed")
                    continue
                }
            }
            #expect(server.peers.allSatisfy { $0.requests.isEmpty })
            #expect(client.connections == 0)
        }
    }

    @Test func `contexts share no connection`() throws {
        let certificate = try TestCertificate()
        let other = try TestCertificate()
        try withServer(certificate.server, script: Self.script) { client, server, _ throws in
            #expect(try await client.text(try server.get(tls: certificate.client)) == "ok")
            #expect(client.idleConnections == 1)
            guard case .tls? = try await client.failure(server.get(tls: other.client)) else {
                Issue.record("another context's connection was used")
                return
            }
        }
    }

    @Test(arguments: [false, true]) func `a TLS stream that is cut is not at its end`(isOrderly: Bool) throws {
        let certificate = try TestCertificate()
        try withServer(certificate.server) { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\n\r\nto the end")
            await peer.pause(.milliseconds(10))
            if !isOrderly { peer.cut() }
        } _: { client, server, _ throws in
            let failure = try await client.failure(server.get(tls: certificate.client))
            #expect(failure == (isOrderly ? nil : .interrupted))
        }
    }
}

/// A listener on 127.0.0.7 whose queue is full: it neither takes nor refuses.
private final class FullListener: @unchecked Sendable {
    private let listener: Listener
    private var sockets: [Socket] = []

    init(port: UInt16, on loop: EventLoop) throws {
        let address = SocketAddress.ip(.v4(0x7F00_0007), port: port)
        listener = Listener(try ListeningSocket(on: address, backlog: 0), on: loop)
    }

    func fill() async throws {
        for _ in 0..<4 {
            let deadline = listener.loop.now + .milliseconds(50)
            if let socket = try? await Socket.connect(to: listener.address, on: listener.loop, deadline: deadline) {
                sockets.append(socket)
            }
        }
    }

    func empty() {
        sockets.forEach { $0.close() }
        listener.close()
    }
}
