// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import Testing

@testable import HTTP

/// Each phase has an end, by itself or by cancellation.
@Suite struct ClientLimitsTests {
    private static let limits = ClientLimits(
        connect: .milliseconds(60), firstByte: .milliseconds(60), idle: .milliseconds(60), total: .seconds(5))

    /// A long body: more than the buffers of both sockets take.
    private static let long = String(repeating: "x", count: 16 << 20)

    /// What the server does, what the client sends, and which limit ends it.
    enum Hang: String, CaseIterable {
        case silence, drippingHead, interimHeads, bodyByLength, bodyInChunks, bodyToTheEnd, unreadRequest

        var phase: ClientFailure.Phase {
            switch self {
            case .silence, .drippingHead, .interimHeads: .firstByte
            case .bodyByLength, .bodyInChunks, .bodyToTheEnd, .unreadRequest: .idle
            }
        }

        @Sendable func play(_ peer: ScriptedPeer) async throws {
            try await peer.head()
            switch self {
            case .silence: break
            case .drippingHead:
                for byte in "HTTP/1.1 200 OK\r\nx: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".utf8 {
                    try await peer.send([byte])
                    await peer.pause(.milliseconds(10))
                }
            case .interimHeads:
                for _ in 0..<HTTPMaxima.interimResponses {
                    try await peer.send("HTTP/1.1 102 Processing\r\n\r\n")
                    await peer.pause(.milliseconds(20))
                }
            case .bodyByLength: try await peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            case .bodyInChunks: try await peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe")
            case .bodyToTheEnd: try await peer.send("HTTP/1.1 200 OK\r\n\r\nhalf")
            case .unreadRequest:
                await peer.pause(.seconds(1))
                return
            }
            await peer.untilGone()
        }
    }

    @Test(arguments: Hang.allCases) func `ends in time`(_ hang: Hang) throws {
        try withServer {
            try await hang.play($0)
        } _: { client, server, _ throws in
            let request =
                hang == .unreadRequest
                ? try server.post(Self.long, limits: Self.limits) : try server.get(limits: Self.limits)
            let start = Instant.now()
            #expect(await client.failure(request) == .timedOut(hang.phase))
            let took = Instant.now() - start
            #expect(took > .milliseconds(50) && took < .seconds(1), "\(took)")
            #expect(client.connections == 0)
            if hang != .unreadRequest { #expect(await client.loop.until { server.peers[0].goneAt != nil }) }
        }
    }

    @Test func `the whole has an end, although something always comes`() throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while true {
                try await peer.send("1\r\nx\r\n")
                await peer.pause(.milliseconds(10))
            }
        } _: { client, server, _ throws in
            let start = Instant.now()
            let limits = ClientLimits(idle: .milliseconds(400), total: .milliseconds(500))
            #expect(try await client.failure(server.get(limits: limits)) == .timedOut(.total))
            let took = Instant.now() - start
            #expect(took > .milliseconds(490), "\(took)")
        }
    }

    @Test func `the whole has an end, although nobody reads`() throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            await peer.untilGone()
        } _: { client, server, _ throws in
            let response = try await client.send(try server.get(limits: ClientLimits(total: .milliseconds(100))))
            #expect(await client.loop.until { server.peers[0].goneAt != nil })
            #expect(await response.failure() == .timedOut(.total))
            #expect(client.connections == 0)
        }
    }

    @Test func `a reader who takes his time uses up nothing`() throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf")
            await peer.pause(.milliseconds(20))
            try await peer.send("half")
            await peer.untilGone()
        } _: { client, server, _ throws in
            let response = try await client.send(try server.get(limits: Self.limits))
            await client.loop.sleep(.milliseconds(150))
            #expect(try await response.collect(max: 8) == Array("halfhalf".utf8))
        }
    }

    @Test func `a name that is not found in time is a connection that is not made in time`() throws {
        try withServer { _ in
        } _: { client, server, resolver throws in
            resolver.hangs = true
            let request = try server.get(limits: Self.limits, host: "name.test")
            #expect(await client.failure(request) == .timedOut(.connect))
        }
    }

    /// Where a request can be when its client goes away.
    enum Place: String, CaseIterable {
        case waiting, resolving, handshaking, writing, answering, reading, resting
    }

    @Test(arguments: Place.allCases) func `is broken off at once`(_ place: Place) throws {
        var limits = HTTPClientLimits()
        limits.connectionsPerOriginMax = place == .waiting ? 1 : 4
        let certificate = try TestCertificate()
        try withServer(limits: limits) { peer in
            switch place {
            case .writing:
                try await peer.head()
                await peer.pause(.milliseconds(100))
            case .reading, .resting:
                try await peer.request()
                try await peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            default: break
            }
            await peer.untilGone()
        } _: { client, server, resolver throws in
            let loop = client.loop
            resolver.hangs = place == .resolving
            var request = place == .writing ? try server.post(Self.long) : try server.get()
            if place == .handshaking {
                request.origin = try #require(Origin("https://127.0.0.1:\(server.port)"))
                request.tls = certificate.client
            }
            let cancellation = Cancellation(on: loop)
            let outcomes = Outcomes()
            if place == .waiting {
                let other = try server.get()
                loop.spawn { _ = await client.failure(other) }
                #expect(await loop.until { server.peers.count == 1 })
            }
            var response: ClientResponse?
            if place == .resting {
                response = try await client.send(request, cancellation: cancellation)
            } else {
                loop.spawn { [request] in outcomes.add(await client.failure(request, cancellation: cancellation)) }
            }
            await loop.sleep(.milliseconds(50))
            #expect(outcomes.count == 0)
            let connections = client.connections

            let fired = Instant.now()
            cancellation.fire(.peerGone)
            #expect(client.connections == connections - (place == .waiting ? 0 : 1))
            #expect(client.waiters == 0)
            if let response {
                #expect(await response.failure() == .cancelled)
            } else {
                #expect(await loop.until { outcomes.count == 1 })
                #expect(outcomes.all.first == .some(.some(.cancelled)))
            }
            #expect(Instant.now() - fired < .milliseconds(100))
            if place != .waiting && place != .resolving {
                #expect(await loop.until { server.peers[0].goneAt != nil })
                let seen = try #require(server.peers[0].goneAt)
                #expect(seen - fired < .milliseconds(place == .writing ? 250 : 100), "\(seen - fired)")
            }
        }
    }

    @Test func `a cancellation that has fired lets nothing begin, and one that fires later does no harm`() throws {
        try withServer { peer in
            while true {
                try await peer.request()
                try await peer.send("HTTP/1.1 204 No Content\r\n\r\n")
            }
        } _: { client, server, _ throws in
            let fired = Cancellation(on: client.loop)
            fired.fire()
            #expect(try await client.failure(server.get(), cancellation: fired) == .cancelled)
            #expect(server.peers.isEmpty)
            let cancellation = Cancellation(on: client.loop)
            #expect(try await client.text(try server.get(), cancellation: cancellation) == "")
            cancellation.fire()
            #expect(client.idleConnections == 1)
            #expect(try await client.text(try server.get()) == "")
            #expect(server.peers.count == 1)
        }
    }
}
