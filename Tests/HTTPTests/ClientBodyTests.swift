// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import Testing

@testable import HTTP

/// Large bodies, both ways.
@Suite struct ClientBodyTests {
    private static func pattern(_ count: Int) -> [UInt8] {
        let piece = (0..<4_093).map { UInt8(truncatingIfNeeded: ($0 &* 31) >> 4) }
        var bytes: [UInt8] = []
        while bytes.count < count { bytes += piece }
        return Array(bytes.prefix(count))
    }

    @Test(arguments: [false, true]) func `large bodies go and come whole`(isSecure: Bool) throws {
        let certificate = try TestCertificate()
        try withServer(isSecure ? certificate.server : nil) { peer in
            // Answers while it reads: whoever wrote first and read then would wait for ever.
            try await peer.head()
            try await peer.send("HTTP/1.1 200 OK\r\ncontent-length: \(16 << 20)\r\n\r\n")
            var left = 16 << 20
            var bytes = try await peer.takeBody()
            while true {
                try await peer.send(bytes)
                left -= bytes.count
                guard left > 0 else { break }
                bytes = try await peer.read()
            }
            await peer.untilGone()
        } _: { client, server, _ throws in
            let body = Self.pattern(16 << 20)
            var request = try server.get(tls: certificate.client)
            request.method = .post
            request.body = body
            let response = try await client.send(request)
            #expect(try await response.collect(max: .max) == body)
            #expect(client.idleConnections == 1)
        }
    }

    @Test func `an upstream waits for whoever does not read`() throws {
        let written = Counter()
        try withServer { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\ncontent-length: \(64 << 20)\r\n\r\n")
            let piece = Self.pattern(64 << 10)
            for _ in 0..<1_024 {
                try await peer.send(piece)
                written.value += piece.count
            }
            await peer.untilGone()
        } _: { client, server, _ throws in
            let response = try await client.send(try server.get())
            await client.loop.sleep(.milliseconds(200))
            // What the buffers of the two sockets hold, and no more.
            let held = written.value
            #expect(held < 24 << 20, "\(held)")
            var count = 0
            while let data = try await response.next() { count += data.count }
            #expect(count == 64 << 20)
            #expect(client.idleConnections == 1)
        }
    }

    @Test(arguments: [false, true]) func `hears a refusal while it is still sending`(isReset: Bool) throws {
        let refusal = String(repeating: "too big ", count: 12_500)
        try withServer { peer in
            try await peer.head()
            // By now the buffers are full, and the client waits for room.
            await peer.pause(.milliseconds(50))
            try await peer.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 100000\r\nconnection: close\r\n\r\n")
            try await peer.send(refusal)
            // Bytes that nobody has read make a reset of the close. What was said before stays said.
            await peer.pause(.milliseconds(isReset ? 50 : 500))
        } _: { client, server, _ throws in
            let request = try server.post(String(repeating: "x", count: 32 << 20))
            let response = try await client.send(request)
            #expect(response.status.code == 413)
            await client.loop.sleep(.milliseconds(200))
            #expect(try await response.collect(max: .max) == Array(refusal.utf8))
            // The rest of the request never left, so nothing else can.
            #expect(client.connections == 0)
        }
    }
}

final class Counter: @unchecked Sendable {
    var value = 0
}
