// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import Testing

@testable import HTTP

/// Clients that we did not write.
@Suite(.serialized) struct ForeignClientTests {
    private func url(_ harness: ServerHarness, _ path: String) -> String {
        "http://127.0.0.1:\(harness.address.port ?? 0)\(path)"
    }

    @Test func `curl posts, streams, sends chunks, waits for 100, and keeps its connection`() throws {
        let harness = try ServerHarness { request, response, notes in
            if request.head.expectsContinue { notes.add("expects") }
            var count = 0
            while let chunk = try await request.nextChunk() { count += chunk.count }
            try response.begin(200, ["content-type": "text/plain"])
            for piece in ["\(request.head.method.name) ", "\(request.head.path) ", "\(count)\n"] {
                try await response.write(Array(piece.utf8))
            }
            try await response.finish()
        }
        let large = String(repeating: "a", count: 100_000)
        let result = try output(
            of: "curl",
            [
                "-sS", url(harness, "/one"), "--next", "-sS", "-d", "abc", url(harness, "/two"), "--next", "-sS", "-d",
                large,
                "-H", "Expect: 100-continue", url(harness, "/three"), "--next", "-sS", "-H",
                "Transfer-Encoding: chunked", "-d",
                "abc", url(harness, "/four"), "--next", "-sS", "-w", "%{num_connects}", url(harness, "/five"),
            ])
        #expect(result == "GET /one 0\nPOST /two 3\nPOST /three 100000\nPOST /four 3\nGET /five 0\n0")
        #expect(harness.notes.all.contains("expects"))
    }

    @Test func `Python's http,client keeps a connection over all kinds of answers`() throws {
        let harness = try ServerHarness { request, response, _ in
            switch request.head.path {
            case "/empty": try await response.send(204, [:], body: [])
            case "/stream":
                try response.begin(200, [:])
                for _ in 0..<3 { try await response.write(Array("piece ".utf8)) }
                try await response.finish()
            default: try await response.send(200, [:], body: try await request.body(max: 1 << 20))
            }
        }
        let script = """
            import http.client, sys
            c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
            def go(method, path, body=None, **rest):
                c.request(method, path, body, **rest)
                r = c.getresponse()
                print(r.status, r.read().decode()[:20], r.will_close, end="|")
            go("GET", "/x")
            s = c.sock
            go("POST", "/x", "abc")
            go("POST", "/x", iter([b"de", b"fg"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
            go("HEAD", "/x")
            go("GET", "/empty")
            go("GET", "/stream")
            go("HEAD", "/stream")
            go("PUT", "/x", "z" * 1000000)
            print(c.sock is s)
            """
        let result = try output(of: "python3", ["-c", script, "\(harness.address.port ?? 0)"])
        #expect(
            result == "200  False|200 abc False|200 defg False|200  False|204  False|200 piece piece piece  False|"
                + "200  False|200 \(String(repeating: "z", count: 20)) False|True\n")
    }

    @Test func `curl over TLS keeps its connection, and gets large bodies whole`() throws {
        let harness = try ServerHarness(context: throwawayServerContext()) { request, response, _ in
            let body = try await request.body(max: 1 << 24)
            if request.head.path == "/stream" {
                try response.begin(200, [:])
                for _ in 0..<100 { try await response.write([UInt8](repeating: 0x61, count: 10_000)) }
                return try await response.finish()
            }
            try await response.send(200, [:], body: body)
        }
        let large = String(repeating: "b", count: 100_000)
        let url = "https://localhost:\(harness.address.port ?? 0)"
        let result = try output(
            of: "curl",
            [
                "-sSk", "-d", large, "\(url)/echo", "--next", "-sSk", "-w", " %{num_connects}", "\(url)/stream",
                "--next",
                "-sSk", "-w", "%{num_connects}", "\(url)/empty",
            ])
        #expect(result == large + String(repeating: "a", count: 1_000_000) + " 00")
    }

    @Test func `a client over TLS that goes away cancels its request`() throws {
        let harness = try ServerHarness(context: throwawayServerContext()) { request, response, notes in
            request.cancellation.onFire { notes.add("cancelled") }
            notes.add("secure \(request.isSecure)")
            _ = await request.loop.sleep(.seconds(5), unless: request.cancellation)
        }
        let script = """
            import socket, ssl, sys, time
            c = ssl._create_unverified_context()
            s = c.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname="localhost")
            s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            time.sleep(0.3)
            """
        _ = try output(of: "python3", ["-c", script, "\(harness.address.port ?? 0)"])
        #expect(harness.notes.wait(for: "secure true") != nil)
        #expect(harness.notes.wait(for: "cancelled", within: .seconds(2)) != nil)
        #expect(try harness.connections(becoming: 0) == 0)
    }
}
