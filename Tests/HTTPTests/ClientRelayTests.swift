// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import TLS
import Testing

@testable import HTTP

/// Client and server of this house together, as a gateway has them: client ▶ relay ▶ upstream.
@Suite struct ClientRelayTests {
    /// Sends every request on, and every answer back, piece by piece.
    private final class Relay: Responder {
        let client: HTTPClient
        let upstream: Origin

        init(_ client: HTTPClient, _ upstream: Origin) {
            self.client = client
            self.upstream = upstream
        }

        func respond(to request: Request, with response: ResponseWriter) async {
            do {
                let onward = ClientRequest(
                    method: request.head.method, origin: upstream, target: request.head.target,
                    fields: request.head.fields, body: try await request.body(max: 8 << 20), addresses: .loopback)
                let answer = try await client.send(onward, cancellation: request.cancellation)
                try response.begin(answer.status, answer.fields)
                while let data = try await answer.next() { try await response.write(data) }
                try await response.finish()
            } catch {
                response.abort()
            }
        }
    }

    private static func serve(_ relay: Relay, _ loop: EventLoop) throws -> (HTTPServer, Origin) {
        let server = HTTPServer(
            on: loop, limits: HTTPServerLimits(),
            admission: ConnectionAdmission(connectionsMax: 64, connectionsPerAddressMax: 64), responder: relay)
        let socket = try ListeningSocket(on: .ip(.loopbackV4, port: 0))
        let port = socket.address.port ?? 0
        try server.listen(on: socket)
        return (server, try #require(Origin("http://127.0.0.1:\(port)")))
    }

    @Test func `bodies come through whole, and connections are kept on both sides`() throws {
        try withServer { peer in
            while true {
                try await peer.request()
                let body = peer.requests[peer.requests.count - 1].split(separator: "\r\n").last.map(String.init) ?? ""
                try await peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-up: yes\r\n\r\n")
                for part in [body.prefix(body.count / 2), body.suffix(body.count - body.count / 2)] {
                    try await peer.send("\(String(part.utf8.count, radix: 16))\r\n\(part)\r\n")
                }
                try await peer.send("0\r\n\r\n")
            }
        } _: { client, upstream, _ throws in
            let (server, origin) = try Self.serve(Relay(client, try upstream.origin()), client.loop)
            let user = HTTPClient(on: client.loop, resolver: ScriptedResolver())
            for count in [2, 3, 1_000, 300_000] {
                let body = String(repeating: "abc", count: count)
                var request = try upstream.post(body)
                request.origin = origin
                let response = try await user.send(request)
                #expect(response.status.code == 200 && response.fields["x-up"] == "yes")
                #expect(try await response.collect(max: .max) == Array(body.utf8))
            }
            #expect(upstream.peers.count == 1 && client.idleConnections == 1 && user.idleConnections == 1)
            user.close()
            #expect(await server.drain(until: .now() + .seconds(5)))
        }
    }

    @Test(arguments: [false, true]) func `an upstream learns at once that nobody listens any more`(
        hasBegun: Bool
    ) throws {
        try withServer { peer in
            try await peer.request()
            if hasBegun { try await peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n") }
            await peer.untilGone()
        } _: { client, upstream, _ throws in
            let loop = client.loop
            let (server, origin) = try Self.serve(Relay(client, try upstream.origin()), loop)
            let user = HTTPClient(on: loop, resolver: ScriptedResolver())
            var request = try upstream.get()
            request.origin = origin
            let cancellation = Cancellation(on: loop)
            let outcomes = Outcomes()
            loop.spawn { [request] in outcomes.add(await user.failure(request, cancellation: cancellation)) }
            #expect(await loop.until { upstream.peers.first?.requests.count == 1 })
            await loop.sleep(.milliseconds(50))
            let fired = Instant.now()
            cancellation.fire(.peerGone)
            #expect(await loop.until { upstream.peers[0].goneAt != nil })
            let seen = try #require(upstream.peers[0].goneAt)
            #expect(seen - fired < .milliseconds(100), "\(seen - fired)")
            #expect(await loop.until { outcomes.count == 1 && client.connections == 0 })
            #expect(await server.drain(until: .now() + .seconds(5)))
        }
    }
}
