// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import Testing

@testable import HTTP

/// One request and its answer.
@Suite struct ClientExchangeTests {
    @Test func `writes a request as it should stand on the wire`() throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 204 No Content\r\n\r\n")
            try await peer.request()
            try await peer.send("HTTP/1.1 204 No Content\r\n\r\n")
        } _: { client, server, _ throws in
            var request = try server.post("{}")
            request.target = "/v1/chat?x=%20y"
            request.fields = [
                "content-type": "application/json", "Authorization": "Bearer k", "connection": "close",
                "content-length": "99", "host": "evil", "transfer-encoding": "chunked", "expect": "100-continue",
            ]
            #expect(try await client.text(request) == "")
            request.body = []
            request.fields = [:]
            #expect(try await client.text(request) == "")
            #expect(
                server.peers[0].requests == [
                    "POST /v1/chat?x=%20y HTTP/1.1\r\nhost: 127.0.0.1:\(server.port)\r\n"
                        + "content-type: application/json\r\nAuthorization: Bearer k\r\ncontent-length: 2\r\n\r\n{}",
                    "POST /v1/chat?x=%20y HTTP/1.1\r\nhost: 127.0.0.1:\(server.port)\r\ncontent-length: 0\r\n\r\n",
                ])
        }
    }

    @Test(arguments: ["", "v1", "http://a/", "/a b", "/a\r\nx: y", "/ü", "/a#b", "*"])
    func `sends no target that is none`(_ target: String) throws {
        try withServer { _ in
        } _: { client, server, _ throws in
            #expect(try await client.failure(server.get(target)) == .unsendable)
            #expect(server.peers.isEmpty)
        }
    }

    @Test(arguments: ["", "GE T", "GET\r\nx: y", "CONNECT"])
    func `sends no method that is none`(_ method: String) throws {
        try withServer { _ in
        } _: { client, server, _ throws in
            var request = try server.get()
            request.method = .other(method)
            #expect(await client.failure(request) == .unsendable)
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok", true),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", "ok", true),
        ("HTTP/1.1 200 OK\r\nkeep-alive: timeout=5, max=9\r\ncontent-length: 2\r\n\r\nok", "ok", true),
        ("HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nok", "ok", false),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", "ok", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more", "ok", false),
        ("HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 2\r\n\r\nno", "no", true),
    ])
    func `reads an answer, and uses the connection again if it may`(
        _ answer: String, _ body: String, _ isReusable: Bool
    ) throws {
        try withServer { peer in
            while true {
                try await peer.request()
                try await peer.send(answer)
            }
        } _: { client, server, _ throws in
            #expect(try await client.text(try server.get()) == body)
            #expect(client.idleConnections == (isReusable ? 1 : 0))
            #expect(try await client.text(try server.get()) == body)
            #expect(server.peers.count == (isReusable ? 1 : 2))
        }
    }

    @Test(arguments: ["HTTP/1.1 200 OK\r\n\r\nto the end", "HTTP/1.0 200 OK\r\nX: y\r\n\r\nto the end"])
    func `reads until the end of the connection where nothing else ends a body`(_ answer: String) throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send(answer)
        } _: { client, server, _ throws in
            #expect(try await client.text(try server.get()) == "to the end")
            #expect(client.connections == 0)
        }
    }

    @Test func `an answer to HEAD has no body, whatever it says`() throws {
        try withServer { peer in
            while true {
                try await peer.request()
                try await peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            }
        } _: { client, server, _ throws in
            var request = try server.get()
            request.method = .head
            for _ in 0..<3 { #expect(try await client.text(request) == "") }
            #expect(server.peers.count == 1)
        }
    }

    @Test(arguments: [
        "", "H", "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe", "HTTP/1.1 100 Continue\r\n\r\n",
    ])
    func `an answer cut short is no answer`(_ part: String) throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send(part)
            await peer.pause(.milliseconds(2))
            if peer.number == 1 { peer.reset() }
        } _: { client, server, _ throws in
            #expect(try await client.failure(server.get()) == .interrupted)
            #expect(try await client.failure(server.get()) == .interrupted)
            #expect(server.peers.count == 2 && client.connections == 0)
        }
    }

    @Test func `a reset is not the end of a body`() throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\n\r\nto the e")
            await peer.pause(.milliseconds(5))
            peer.reset()
        } _: { client, server, _ throws in
            #expect(try await client.failure(server.get()) == .interrupted)
        }
    }

    @Test(arguments: [
        ("SSH-2.0-OpenSSH\r\n", ClientFailure.malformed("not an HTTP/1 answer")),
        ("HTTP/1.1 200 OK\ncontent-length: 0\n\n", .malformed("line end")),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            .malformed("framing of the body")
        ),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", .malformed("chunked body")),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", .malformed("a change of protocol nobody asked for")),
        ("HTTP/1.1 200 OK\r\nx: \(String(repeating: "y", count: 70_000))\r\n\r\n", .tooLarge),
    ])
    func `refuses what is no answer`(_ text: String, _ failure: ClientFailure) throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send(text)
            await peer.untilGone()
        } _: { client, server, _ throws in
            #expect(try await client.failure(server.get()) == failure)
            // It is broken off, too.
            #expect(await client.loop.until { server.peers[0].goneAt != nil })
            #expect(client.connections == 0)
        }
    }

    @Test func `gives what each read gave`() throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for word in ["one", "two", "three"] {
                await peer.pause(.milliseconds(20))
                try await peer.send("\(String(word.utf8.count, radix: 16))\r\n\(word)\r\n")
            }
            try await peer.send("0\r\n\r\n")
            await peer.untilGone()
        } _: { client, server, _ throws in
            let response = try await client.send(try server.get())
            var pieces: [String] = []
            while let data = try await response.next() { pieces.append(String(decoding: data, as: UTF8.self)) }
            #expect(pieces == ["one", "two", "three"])
            #expect(try await response.next() == nil)
            #expect(client.idleConnections == 1)
        }
    }

    @Test func `an answer may come in single bytes`() throws {
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n"
        try withServer { peer in
            try await peer.request()
            for byte in answer.utf8 {
                try await peer.send([byte])
                await peer.loop.yield()
            }
            await peer.untilGone()
        } _: { client, server, _ throws in
            #expect(try await client.text(try server.get()) == "hello")
        }
    }

    @Test func `has an end to the body's length`() throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\n\(peer.number == 0 ? "content-length: 10\r\n" : "")\r\n0123456789")
            await peer.untilGone()
        } _: { client, server, _ throws in
            for number in 0..<2 {
                let response = try await client.send(try server.get(limits: ClientLimits(bodyBytesMax: 9)))
                #expect(response.status.code == 200)
                let failure = await response.failure()
                #expect(failure == .tooLarge)
                #expect(await client.loop.until { server.peers[number].goneAt != nil })
            }
            let response = try await client.send(try server.get())
            #expect(await response.failure(max: 9) == .tooLarge)
            #expect(await client.loop.until { server.peers[2].goneAt != nil })
        }
    }

    @Test(arguments: [false, true]) func `an answer that nobody reads is broken off`(isElsewhere: Bool) throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234")
            await peer.untilGone()
        } _: { client, server, _ throws in
            var response: ClientResponse? = try await client.send(try server.get())
            #expect(response?.status.code == 200)
            if isElsewhere {
                // The last reference goes away on another thread.
                let kept = try NamedThread.start(name: "elsewhere") { [response] in _ = response?.status }
                response = nil
                kept.join()
            }
            response = nil
            #expect(await client.loop.until { server.peers[0].goneAt != nil })
            #expect(client.connections == 0)
        }
    }

    @Test func `close breaks off, twice does no harm, and what follows says so`() throws {
        try withServer { peer in
            try await peer.request()
            try await peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234")
            await peer.untilGone()
        } _: { client, server, _ throws in
            let response = try await client.send(try server.get())
            response.close()
            response.close()
            #expect(await response.failure() == .cancelled)
            #expect(await client.loop.until { server.peers[0].goneAt != nil })
            client.close()
            #expect(try await client.failure(server.get()) == .cancelled)
        }
    }
}
