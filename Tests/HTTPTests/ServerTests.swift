// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import Testing

@testable import HTTP

@Suite(.serialized) struct ServerTests {
    private let get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    private let ok = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"

    @Test func `answers, and keeps the connection`() throws {
        let harness = try ServerHarness(TestResponder.echo)
        let client = try harness.connect()
        for _ in 0..<3 {
            try client.send(get)
            #expect(try dateless(client.read(through: "GET /a ")) == ok + "content-length: 7\r\n\r\nGET /a ")
        }
        try client.send("GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(try dateless(client.readAll()) == ok + "content-length: 7\r\nconnection: close\r\n\r\nGET /b ")
        #expect(try harness.connections(becoming: 0) == 0)
        #expect(harness.admission.count == 0)
    }

    @Test func `answers pipelined requests in order, however they are cut`() throws {
        let harness = try ServerHarness(TestResponder.echo)
        let script =
            "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
            + "POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;x\r\nf\r\n0\r\nT: u\r\n\r\n"
            + "\r\nHEAD /4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        let expected =
            ok + "content-length: 7\r\n\r\nGET /1 " + ok + "content-length: 11\r\n\r\nPOST /2 abc" + ok
            + "content-length: 11\r\n\r\nPOST /3 def" + ok + "content-length: 8\r\nconnection: close\r\n\r\n"
        for pieces in [1, 2, 3, 7] {
            let client = try harness.connect()
            let bytes = Array(script.utf8)
            let size = bytes.count / pieces + 1
            for start in stride(from: 0, to: bytes.count, by: size) {
                try client.send(Array(bytes[start..<min(start + size, bytes.count)]))
                try onLoop(harness.loop) { await $0.sleep(.milliseconds(2)) }
            }
            #expect(try dateless(client.readAll()) == expected)
        }
        let client = try harness.connect()
        try client.sendSlowly(script)
        #expect(try dateless(client.readAll()) == expected)
    }

    @Test func `a request cut at every byte is one request`() throws {
        let harness = try ServerHarness(TestResponder.echo)
        let script = Array("POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n".utf8)
        let client = try harness.connect()
        for cut in 1..<script.count {
            try client.send(Array(script[..<cut]))
            try onLoop(harness.loop) { await $0.sleep(.milliseconds(1)) }
            try client.send(Array(script[cut...]))
            #expect(try dateless(client.read(through: "POST /2 de")) == ok + "content-length: 10\r\n\r\nPOST /2 de")
        }
    }

    @Test func `HTTP 1,0 closes unless it is asked not to`() throws {
        let harness = try ServerHarness(TestResponder.echo)
        #expect(
            try dateless(harness.exchange("GET /a HTTP/1.0\r\n\r\n")) == ok
                + "content-length: 7\r\nconnection: close\r\n\r\nGET /a ")
        let client = try harness.connect()
        for _ in 0..<2 {
            try client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(
                try dateless(client.read(through: "GET /a ")) == ok
                    + "content-length: 7\r\nconnection: keep-alive\r\n\r\nGET /a ")
        }
    }

    @Test func `streams in chunks, or up to the end for HTTP 1,0, and nothing for HEAD`() throws {
        let harness = try ServerHarness { _, response, _ in
            try response.begin(200, ["content-type": "text/plain"])
            for piece in ["one", "", "two"] { try await response.write(Array(piece.utf8)) }
            try await response.finish()
        }
        let client = try harness.connect()
        try client.send(get)
        #expect(
            try dateless(client.read(through: "0\r\n\r\n")) == ok
                + "transfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        try client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + get)
        let two = try dateless(client.read(through: "0\r\n\r\n"))
        let head = ok + "transfer-encoding: chunked\r\n\r\n"
        #expect(two == head + head + "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        #expect(
            try dateless(harness.exchange("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")) == ok
                + "connection: close\r\n\r\nonetwo")
    }

    @Test func `keeps a promised length, and cuts off what falls short of it`() throws {
        let harness = try ServerHarness { request, response, _ in
            try response.begin(200, [:], length: 6)
            try await response.write(Array("abc".utf8))
            if request.head.path == "/whole" { try await response.write(Array("def".utf8)) }
            if request.head.path == "/long" { try await response.write(Array("defg".utf8)) }
            try await response.finish()
        }
        let client = try harness.connect()
        try client.send("GET /whole HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(try dateless(client.read(through: "abcdef")) == "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabcdef")
        for path in ["/short", "/long"] {
            let client = try harness.connect()
            try client.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(throws: RawClient.Failure.self) { try client.readAll() }
        }
    }

    @Test(arguments: [204, 304])
    func `sends no body where there may be none`(_ status: Int) throws {
        let harness = try ServerHarness { _, response, _ in
            try await response.send(Status(status), ["content-length": "5"], body: Array("wrong".utf8))
        }
        let answer = try harness.exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(answer.hasSuffix("\r\nconnection: close\r\n\r\n"))
        #expect(!answer.contains("content-length"))
    }

    @Test func `sends large bodies whole to a slow reader`() throws {
        let harness = try ServerHarness { _, response, _ in
            try await response.send(200, [:], body: [UInt8](repeating: 0x61, count: 8 << 20))
        }
        let client = try harness.connect()
        client.shrinkReceiveBuffer()
        try client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        _ = try client.read(through: "\r\n\r\n")
        #expect(try client.readAll().utf8.count == 8 << 20)
    }

    @Test func `a writer waits for a reader that does not read`() throws {
        let harness = try ServerHarness { _, response, notes in
            try response.begin(200, [:])
            for number in 0..<64 {
                try await response.write([UInt8](repeating: 0x61, count: 1 << 18))
                notes.add("written \(number)")
            }
            try await response.finish()
            notes.add("finished")
        }
        let client = try harness.connect()
        client.shrinkReceiveBuffer()
        try client.send("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(harness.notes.wait(for: "finished", within: .milliseconds(300)) == nil)
        #expect(!harness.notes.all.contains("written 40"))
        #expect(try client.readAll().hasSuffix("\r\n0\r\n\r\n"))
        #expect(harness.notes.wait(for: "finished") != nil)
    }

    @Test func `a responder that gives no answer gives 500, one that stops in the middle a reset`() throws {
        let harness = try ServerHarness { request, response, _ in
            guard request.head.path == "/half" else { return }
            try response.begin(200, [:])
            try await response.write(Array("abc".utf8))
        }
        #expect(
            try dateless(harness.exchange(get))
                == "HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 15\r\n"
                + "connection: close\r\n\r\ninternal error\n")
        #expect(throws: RawClient.Failure.self) { try harness.exchange("GET /half HTTP/1.1\r\nHost: x\r\n\r\n") }
    }

    @Test func `closes behind the answer if the responder says so, or after the last request allowed`() throws {
        var limits = HTTPServerLimits()
        limits.requestsPerConnectionMax = 2
        let harness = try ServerHarness(limits: limits) { request, response, _ in
            response.closesConnection = request.head.path == "/last"
            try await response.send(200, [:], body: [])
        }
        let closed = try harness.exchange("GET /last HTTP/1.1\r\nHost: x\r\n\r\n" + get)
        #expect(dateless(closed) == "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        let answers = try harness.exchange(get + get + get)
        #expect(answers.split(separator: "HTTP/1.1 200").count == 2)
        #expect(harness.notes.all.count == 3)
    }

    @Test func `serves a local socket and knows its peer`() throws {
        let directory = try TemporaryDirectory()
        let harness = try ServerHarness(on: .unix(path: directory("s"))) { request, response, notes in
            if case .unix(_, let user, _) = request.peer { notes.add("user \(user)") }
            try await response.send(200, [:], body: [])
        }
        let answer = try harness.exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(harness.notes.all.contains { $0.hasPrefix("user ") })
    }
}
