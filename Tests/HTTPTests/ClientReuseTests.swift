// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import Testing

@testable import HTTP

/// Connections that are used again, or cannot be, and requests that wait for one.
@Suite struct ClientReuseTests {
    private static let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    /// Answers each first request; what happens to the second one is `second`.
    private static func script(
        _ second: @escaping @Sendable (ScriptedPeer) async throws -> Void
    ) -> @Sendable (ScriptedPeer) async throws -> Void {
        { peer in
            try await peer.request()
            try await peer.send(ok)
            guard peer.number == 0 else {
                await peer.untilGone()
                return
            }
            try await second(peer)
        }
    }

    @Test(arguments: ["GET", "POST"]) func `sends again what an idle connection could not take`(_ method: String) throws
    {
        try withServer(
            script: Self.script { peer in
                try await peer.request()
                // Not a byte of an answer.
            }
        ) { client, server, _ throws in
            let request = method == "GET" ? try server.get() : try server.post("once")
            #expect(try await client.text(request) == "ok")
            #expect(try await client.text(request) == "ok")
            #expect(server.peers.map(\.requests.count) == [2, 1])
            #expect(client.connections == 1)
        }
    }

    @Test func `leaves nothing behind of an exchange that is over`() throws {
        try withServer(
            script: { peer in
                try await peer.request()
                try await peer.send(Self.ok)
                await peer.untilGone()
            }
        ) { client, server, _ throws in
            weak var remembered: ClientExchange?
            do {
                let exchange = ClientExchange(try server.get(), on: client)
                remembered = exchange
                _ = try await exchange.begin(nil)
                reading: while true {
                    switch try exchange.takeData() {
                    case .data: continue
                    case .end: break reading
                    case .wait: try await exchange.waitForData()
                    }
                }
            }
            #expect(remembered == nil)
        }
    }

    @Test func `sends again when the connection is reset`() throws {
        try withServer(
            script: Self.script { peer in
                try await peer.head()
                peer.reset()
            }
        ) { client, server, _ throws in
            #expect(try await client.text(try server.get()) == "ok")
            #expect(try await client.text(try server.post("x")) == "ok")
            #expect(server.peers.count == 2)
        }
    }

    @Test func `sends a long body again that had not left completely`() throws {
        try withServer(
            script: Self.script { peer in
                try await peer.head()
                await peer.pause(.milliseconds(1_200))
                peer.reset()
            }
        ) { client, server, _ throws in
            let request = try server.post(String(repeating: "x", count: 16 << 20))
            #expect(try await client.text(try server.get()) == "ok")
            #expect(try await client.text(request) == "ok")
            #expect(server.peers.map(\.requests.count) == [1, 1])
        }
    }

    @Test func `sends no second time what may have been worked on`() throws {
        try withServer(
            script: Self.script { peer in
                try await peer.request()
                await peer.pause(.milliseconds(1_200))
            }
        ) { client, server, _ throws in
            #expect(try await client.text(try server.post("first")) == "ok")
            #expect(try await client.failure(server.post("second")) == .interrupted)
            #expect(server.peers.count == 1)
        }
    }

    @Test func `sends again, however late, what may be repeated`() throws {
        try withServer(
            script: Self.script { peer in
                try await peer.request()
                await peer.pause(.milliseconds(1_200))
            }
        ) { client, server, _ throws in
            #expect(try await client.text(try server.get()) == "ok")
            #expect(try await client.text(try server.get()) == "ok")
            #expect(server.peers.count == 2)
        }
    }

    @Test func `sends no second time once an answer has begun`() throws {
        try withServer(
            script: Self.script { peer in
                try await peer.request()
                try await peer.send("H")
            }
        ) { client, server, _ throws in
            #expect(try await client.text(try server.get()) == "ok")
            #expect(try await client.failure(server.get()) == .interrupted)
            #expect(server.peers.count == 1)
        }
    }

    @Test func `sends no third time`() throws {
        try withServer { peer in
            try await peer.request()
            guard peer.number == 0 else { return }
            try await peer.send(Self.ok)
            try await peer.request()
        } _: { client, server, _ throws in
            #expect(try await client.text(try server.get()) == "ok")
            #expect(try await client.failure(server.get()) == .interrupted)
            #expect(server.peers.count == 2 && client.connections == 0)
        }
    }

    @Test func `notices that an idle connection was closed`() throws {
        try withServer(script: Self.script { peer in await peer.pause(.milliseconds(10)) }) {
            client, server, _ throws in
            #expect(try await client.text(try server.get()) == "ok")
            #expect(client.idleConnections == 1)
            #expect(await client.loop.until { client.connections == 0 })
            #expect(try await client.text(try server.get()) == "ok")
            #expect(server.peers.map(\.requests.count) == [1, 1])
        }
    }

    @Test func `trusts no idle connection on which something was said`() throws {
        try withServer(
            script: Self.script { peer in
                // Behind the answer, not with it.
                await peer.pause(.milliseconds(10))
                try await peer.send("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
                await peer.untilGone()
            }
        ) { client, server, _ throws in
            #expect(try await client.text(try server.get()) == "ok")
            #expect(client.idleConnections == 1)
            await client.loop.sleep(.milliseconds(50))
            #expect(try await client.text(try server.get()) == "ok")
            #expect(server.peers.map(\.requests.count) == [1, 1])
        }
    }

    @Test func `closes what is idle for too long`() throws {
        var limits = HTTPClientLimits()
        limits.idleTimeout = .milliseconds(50)
        try withServer(limits: limits, script: Self.script { peer in await peer.untilGone() }) {
            client, server, _ throws in
            let start = Instant.now()
            #expect(try await client.text(try server.get()) == "ok")
            #expect(await client.loop.until { server.peers[0].goneAt != nil })
            #expect(Instant.now() - start >= .milliseconds(50))
            #expect(client.connections == 0)
        }
    }

    @Test func `makes no more connections than allowed, lets wait as many as allowed, and refuses the rest`() throws {
        var limits = HTTPClientLimits()
        limits.connectionsPerOriginMax = 2
        limits.waitersMax = 3
        try withServer(limits: limits) { peer in
            while true {
                try await peer.request()
                await peer.pause(.milliseconds(30))
                try await peer.send(Self.ok)
            }
        } _: { client, server, _ throws in
            let request = try server.get()
            let outcomes = Outcomes()
            for _ in 0..<6 { client.loop.spawn { outcomes.add(await client.failure(request)) } }
            #expect(await client.loop.until { outcomes.count == 6 })
            #expect(outcomes.all.count { $0 == nil } == 5 && outcomes.all.first == .some(.some(.busy)))
            #expect(server.peers.count == 2)
            #expect(client.waiters == 0 && client.idleConnections == 2)
        }
    }

    @Test func `waiting for a connection is part of connecting`() throws {
        var limits = HTTPClientLimits()
        limits.connectionsPerOriginMax = 1
        try withServer(limits: limits) { peer in
            try await peer.request()
            await peer.untilGone()
        } _: { client, server, _ throws in
            let request = try server.get()
            let cancellation = Cancellation(on: client.loop)
            client.loop.spawn { _ = await client.failure(request, cancellation: cancellation) }
            #expect(await client.loop.until { server.peers.count == 1 })
            let late = try server.get(limits: ClientLimits(connect: .milliseconds(30)))
            #expect(await client.failure(late) == .timedOut(.connect))
            #expect(client.waiters == 0)
            cancellation.fire()
            #expect(client.connections == 0)
        }
    }

    @Test func `requests under another policy share no connection`() throws {
        try withServer { peer in
            while true {
                try await peer.request()
                try await peer.send(Self.ok)
            }
        } _: { client, server, _ throws in
            var request = try server.get()
            #expect(try await client.text(request) == "ok")
            request.addresses = .publicOnly
            #expect(await client.failure(request) == .refusedAddress)
            request.addresses = .configured
            #expect(try await client.text(request) == "ok")
            #expect(server.peers.count == 2)
        }
    }
}

/// What became of several, in the order in which they ended.
final class Outcomes: @unchecked Sendable {
    private(set) var all: [ClientFailure?] = []
    var count: Int { all.count }
    func add(_ failure: ClientFailure?) { all.append(failure) }
}
