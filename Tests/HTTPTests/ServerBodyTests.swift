// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import Testing

@testable import HTTP

@Suite(.serialized) struct ServerBodyTests {
    private func post(_ lines: String, _ body: String) -> String {
        "POST /p HTTP/1.1\r\nHost: x\r\n\(lines)\r\n\r\n\(body)"
    }

    @Test func `sends 100 when the body is asked for, and only then`() throws {
        let harness = try ServerHarness { request, response, notes in
            if request.head.path == "/p" { _ = try await request.body(max: 100) }
            try await response.send(200, [:], body: [])
        }
        let client = try harness.connect()
        try client.send(post("Content-Length: 3\r\nExpect: 100-continue", ""))
        #expect(try client.read(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
        #expect(client.isSilent(for: 50))
        try client.send("abc")
        #expect(try client.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
        // A client that does not wait is not told.
        try client.send(post("Content-Length: 3\r\nExpect: 100-continue", "abc"))
        #expect(try client.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
        // Answered without the body: the connection ends, for nobody knows whether the body will come.
        try client.send("POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        #expect(
            try dateless(client.readAll()) == "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }

    @Test func `a chunked body that waits for 100 gets it`() throws {
        let harness = try ServerHarness(TestResponder.echo)
        let client = try harness.connect()
        try client.send(post("Transfer-Encoding: chunked\r\nExpect: 100-continue", ""))
        #expect(try client.read(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
        try client.sendSlowly("3\r\nabc\r\n0\r\n\r\n")
        #expect(try client.read(through: "POST /p abc").hasSuffix("POST /p abc"))
    }

    @Test func `drops a short body that nobody read, and closes behind a long one`() throws {
        let harness = try ServerHarness { _, response, _ in try await response.send(200, [:], body: []) }
        let client = try harness.connect()
        for body in ["abc", String(repeating: "a", count: 60_000)] {
            try client.send(post("Content-Length: \(body.utf8.count)", body))
            #expect(try !client.read(through: "\r\n\r\n").contains("connection: close"))
        }
        try client.send(post("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"))
        #expect(try !client.read(through: "\r\n\r\n").contains("connection: close"))
        let long = String(repeating: "a", count: 200_000)
        try client.send(post("Content-Length: 200000", long + "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"))
        #expect(try client.readAll().contains("connection: close"))
        #expect(!harness.notes.all.contains("GET /hidden"))
    }

    @Test func `a body longer than wanted is refused by its length, unread`() throws {
        let harness = try ServerHarness { request, response, notes in
            do {
                _ = try await request.body(max: 10)
            } catch {
                notes.add("\(error)")
                try await response.send(413, [:], body: [])
            }
        }
        let answer = try harness.exchange(post("Content-Length: 1000000", "abc"))
        #expect(dateless(answer) == "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        #expect(harness.notes.all == ["POST /p", "tooLarge"])
    }

    @Test func `a body that is here whole is had at once, and of another nothing is taken`() throws {
        let harness = try ServerHarness { request, response, notes in
            let now = request.bodyNow(max: 10).map { String(decoding: $0, as: UTF8.self) }
            notes.add("now \(now ?? "-")")
            do {
                notes.add("rest \(String(decoding: try await request.body(max: 10), as: UTF8.self))")
                try await response.send(200, [:], body: [])
            } catch {
                notes.add("\(error)")
                try await response.send(413, [:], body: [])
            }
        }
        let client = try harness.connect()
        // In parts; with the next request behind it; in chunks; and with more than is wanted.
        try client.send(post("Content-Length: 3", "ab"))
        #expect(harness.notes.wait(for: "now -") != nil)
        try client.send("c")
        #expect(try client.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
        try client.send(post("Content-Length: 3", "def") + post("Content-Length: 0", ""))
        for _ in 0..<2 { #expect(try client.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n")) }
        try client.send(post("Transfer-Encoding: chunked", "1\r\ng\r\n0\r\n\r\n"))
        #expect(try client.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
        try client.send(post("Content-Length: 11", "abcdefghijk"))
        #expect(try client.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 413 "))
        let notes = harness.notes.all.filter { $0 != "POST /p" }
        #expect(
            notes == [
                "now -", "rest abc", "now def", "rest ", "now -", "rest ", "now -", "rest g", "now -", "tooLarge",
            ])
    }

    @Test(arguments: [
        ("5\r\nabcdeX", "malformed"), ("x\r\n", "malformed"), ("5\nabcde", "malformed"),
        ("5\r\nabcde\r\n0\r\n a\r\n", "malformed"),
        ("2000001\r\n" + String(repeating: "a", count: 33_554_433), "tooLarge"),
    ])
    func `tells the reader of a bad chunked body, and serves nothing behind it`(_ body: String, _ failure: String)
        throws
    {
        let harness = try ServerHarness { request, response, notes in
            do {
                while try await request.nextChunk() != nil {}
            } catch {
                notes.add("\(error)")
                try await response.send(400, [:], body: [])
            }
        }
        let answer = try harness.exchange(
            post("Transfer-Encoding: chunked", body + "\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"))
        #expect(answer.hasPrefix("HTTP/1.1 400"))
        #expect(answer.contains("connection: close"))
        #expect(harness.notes.all == ["POST /p", failure])
    }

    @Test func `a client that leaves in the middle of its body is gone`() throws {
        let harness = try ServerHarness { request, response, notes in
            do {
                while try await request.nextChunk() != nil {}
            } catch {
                notes.add("\(error)")
            }
        }
        let client = try harness.connect()
        try client.send(post("Content-Length: 10", "abc"))
        client.close()
        #expect(harness.notes.wait(for: "gone") != nil)
        #expect(try harness.connections(becoming: 0) == 0)
    }

    @Test func `a reader that does not read holds the client back`() throws {
        let harness = try ServerHarness { request, response, notes in
            await request.loop.sleep(.milliseconds(300))
            notes.add("reads")
            var count = 0
            while let chunk = try await request.nextChunk() { count += chunk.count }
            try await response.send(200, [:], body: Array("\(count)".utf8))
        }
        let client = try harness.connect()
        try client.send(post("Content-Length: 16777216", ""))
        try client.send([UInt8](repeating: 0x61, count: 16 << 20))
        let sent = Instant.now()
        #expect(try client.read(through: "16777216").hasPrefix("HTTP/1.1 200"))
        let read = harness.notes.wait(for: "reads")
        #expect(read.map { $0 < sent } == true)
    }

    @Test func `reads while it writes, and loses nothing`() throws {
        let harness = try ServerHarness { request, response, _ in
            try response.begin(200, [:])
            while let chunk = try await request.nextChunk() { try await response.write(chunk) }
            try await response.finish()
        }
        let client = try harness.connect()
        try client.send(post("Transfer-Encoding: chunked", "3\r\nabc\r\n"))
        #expect(try client.read(through: "abc\r\n").contains("connection: close"))
        try client.send("2\r\nde\r\n0\r\n\r\n")
        #expect(try client.readAll() == "2\r\nde\r\n0\r\n\r\n")
        // With a short length the connection is kept.
        let other = try harness.connect()
        try other.send(post("Content-Length: 5", "abc"))
        #expect(try !other.read(through: "abc\r\n").contains("connection: close"))
        try other.send("de" + post("Content-Length: 1", "f"))
        #expect(try other.read(through: "f\r\n0\r\n\r\n").hasPrefix("2\r\nde\r\n0\r\n\r\nHTTP/1.1 200"))
    }
}
