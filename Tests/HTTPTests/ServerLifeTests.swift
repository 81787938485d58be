// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import Testing

@testable import HTTP

@Suite(.serialized) struct ServerLifeTests {
    private let get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"

    // MARK: The client goes away

    /// Works for so long, unless its client goes away.
    private static func work(for duration: Duration) -> TestResponder.Body {
        { request, response, notes in
            request.cancellation.onFire { notes.add("cancelled") }
            notes.add("working")
            let isDone = await request.loop.sleep(duration, unless: request.cancellation)
            notes.add(isDone ? "done" : "given up")
            try await response.send(200, [:], body: [])
        }
    }

    @Test(arguments: [false, true])
    func `a client that goes away cancels its request at once`(_ resets: Bool) throws {
        // Far longer than any stall of a busy machine: only the client's leave can end it in the time of this test.
        let harness = try ServerHarness(Self.work(for: .seconds(600)))
        let client = try harness.connect()
        try client.send(get)
        #expect(harness.notes.wait(for: "working", within: .seconds(30)) != nil)
        if resets { client.reset() } else { client.close() }
        #expect(harness.notes.wait(for: "cancelled", within: .seconds(30)) != nil)
        #expect(harness.notes.wait(for: "given up", within: .seconds(30)) != nil)
        #expect(try harness.connections(becoming: 0) == 0)
    }

    @Test func `bytes of the next request are not the end of the client`() throws {
        let harness = try ServerHarness(Self.work(for: .milliseconds(500)))
        let client = try harness.connect()
        try client.send(get + get)
        #expect(harness.notes.wait(for: "working") != nil)
        try client.send("GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(try client.readAll().split(separator: "HTTP/1.1 200").count == 3)
        #expect(!harness.notes.all.contains("cancelled"))
    }

    @Test func `a client that ends its side gets its answers all the same`() throws {
        let harness = try ServerHarness { request, response, notes in
            if request.cancellation.isFired { notes.add("gone") }
            try await response.send(200, [:], body: Array("x".utf8))
        }
        let client = try harness.connect()
        try client.send(get + get)
        client.shutdownWriting()
        #expect(try client.readAll().split(separator: "HTTP/1.1 200").count == 2)
    }

    // MARK: Time

    private func hasty() -> HTTPServerLimits {
        var limits = HTTPServerLimits()
        limits.headTimeout = .milliseconds(150)
        limits.bodyTimeout = .milliseconds(150)
        limits.idleTimeout = .milliseconds(150)
        limits.writeTimeout = .milliseconds(300)
        limits.lingerTimeout = .milliseconds(150)
        return limits
    }

    @Test func `a slow head is 408, an idle connection ends without a word`() throws {
        let harness = try ServerHarness(limits: hasty(), TestResponder.echo)
        #expect(try harness.exchange("") == "")
        let slow = try harness.exchange("GET / HTTP/1.1\r\nHost:")
        #expect(slow.hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
        let client = try harness.connect()
        try client.send(get)
        #expect(try client.readAll().hasSuffix("GET /a "))
        let dripping = try harness.connect()
        let start = Instant.now()
        _ = try? dripping.sendSlowly(
            "GET / HTTP/1.1\r\n" + String(repeating: "a", count: 100), pauseMicroseconds: 10_000)
        #expect(try dripping.readAll().hasPrefix("HTTP/1.1 408"))
        #expect(Instant.now() - start < .seconds(2))
    }

    @Test func `a connection that has rested is served, ends at its idle timeout, and drains`() throws {
        var limits = HTTPServerLimits()
        limits.restAfter = .milliseconds(10)
        limits.idleTimeout = .seconds(2)
        let harness = try ServerHarness(limits: limits, TestResponder.echo)
        let client = try harness.connect()
        for _ in 0..<3 {
            try client.send(get)
            #expect(try client.read(through: "GET /a ").hasPrefix("HTTP/1.1 200"))
            for _ in 0..<60 { pause() }
        }
        let answered = Instant.now()
        #expect(try client.readAll() == "")
        #expect(Instant.now() - answered >= .seconds(1))
        #expect(try harness.connections(becoming: 0) == 0)
        let other = try harness.connect()
        try other.send(get)
        #expect(try other.read(through: "GET /a ").hasPrefix("HTTP/1.1 200"))
        for _ in 0..<60 { pause() }
        let server = harness.server
        #expect(try onLoop(harness.loop) { loop in await server.drain(until: loop.now + .seconds(30)) })
    }

    @Test func `a slow body times out, a slow reader is cut off`() throws {
        let harness = try ServerHarness(limits: hasty()) { request, response, notes in
            do {
                _ = try await request.body(max: 100)
                try await response.send(200, [:], body: [UInt8](repeating: 0, count: 64 << 20))
            } catch let error as BodyFailure {
                notes.add("\(error)")
                try await response.send(408, [:], body: [])
            }
        }
        let answer = try harness.exchange("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        #expect(answer.hasPrefix("HTTP/1.1 408"))
        #expect(answer.contains("connection: close"))
        #expect(harness.notes.all.contains("timedOut"))
        let client = try harness.connect()
        client.shrinkReceiveBuffer()
        try client.send(get)
        #expect(harness.notes.wait(for: "timed out") != nil)
        #expect(try harness.connections(becoming: 0) == 0)
    }

    @Test func `a body above the least rate may take longer than the timeout`() throws {
        var limits = hasty()
        limits.bodyBytesPerSecondMin = 100
        let harness = try ServerHarness(limits: limits, TestResponder.echo)
        let client = try harness.connect()
        try client.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n")
        try client.sendSlowly(String(repeating: "a", count: 60), pauseMicroseconds: 6_000)
        #expect(try client.read(through: "aaa").hasPrefix("HTTP/1.1 200"))
    }

    @Test func `a handshake that does not come, or is none, ends the connection`() throws {
        var limits = hasty()
        limits.handshakeTimeout = .milliseconds(150)
        let harness = try ServerHarness(limits: limits, context: throwawayServerContext(), TestResponder.echo)
        let silent = try harness.connect()
        #expect((try? silent.readAll()) ?? "" == "")
        let plain = try harness.connect()
        try plain.send(get)
        let answer = (try? plain.readAll()) ?? ""
        #expect(!answer.contains("200"))
        #expect(try harness.connections(becoming: 0) == 0)
        #expect(harness.notes.all.isEmpty)
    }

    @Test func `another certificate serves the connections that follow, and drops none`() throws {
        let harness = try ServerHarness(context: throwawayServerContext(), TestResponder.echo)
        let server = harness.server
        let other = try throwawayServerContext(names: ["other.example"])
        let script = """
            import socket, ssl, sys
            c = ssl._create_unverified_context()
            def connect():
                return c.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5))
            def ask(s):
                s.sendall(b"GET /x HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                return b"200 OK" in s.recv(4096)
            old = connect()
            print(ask(old), b"other.example" in old.getpeercert(True), flush=True)
            sys.stdin.readline()
            new = connect()
            print(ask(old), ask(new), b"other.example" in new.getpeercert(True))
            """
        let python = try Conversation("python3", ["-c", script, "\(harness.address.port ?? 0)"])
        #expect(python.readLine() == "True False")
        try onLoop(harness.loop) { _ in server.context = other }
        python.writeLine("go")
        #expect(python.readLine() == "True True True")
    }

    // MARK: Malformed requests

    @Test(arguments: MalformedRequest.table)
    func `answers with the status and serves nothing behind`(_ request: MalformedRequest) throws {
        let harness = try Self.shared()
        let before = harness.notes.all.count
        let client = try harness.connect()
        try client.send(request.bytes + Array("\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        let answer = try client.readAll()
        #expect(answer.hasPrefix("HTTP/1.1 \(request.defect.status.code) "))
        #expect(answer.contains("\r\nconnection: close\r\n"))
        #expect(answer.split(separator: "\r\ndate: ").count == 2)
        #expect(harness.notes.all.count == before)
    }

    private static let sharedHarness = Result { try ServerHarness(TestResponder.echo) }
    private static func shared() throws -> ServerHarness { try sharedHarness.get() }

    @Test func `an error arrives although the client goes on sending`() throws {
        let harness = try ServerHarness(TestResponder.echo)
        let client = try harness.connect()
        try client.send("GET / HTTP/9.9\r\n\r\n")
        for _ in 0..<10 {
            try client.send([UInt8](repeating: 0x61, count: 10_000))
            try onLoop(harness.loop) { await $0.sleep(.milliseconds(1)) }
        }
        client.shutdownWriting()
        #expect(try client.readAll().hasPrefix("HTTP/1.1 505"))
    }

    /// RFC 9110 §9.3.2: a client takes what follows the head of the answer to HEAD for the next answer.
    @Test(arguments: [
        ("HEAD / HTTP/9.9\r\n\r\n", 505), ("HEAD / HTTP/1.1\r\n\r\n", 400),
        ("HEAD /\u{0} HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\nHost: x\r\n\r\n", 400), ("\r\nHEAD /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("HEAD /" + String(repeating: "a", count: 9000), 414),
        ("HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ])
    func `answers HEAD without a body, also when it is malformed`(_ text: String, _ status: Int) throws {
        let harness = try ServerHarness(TestResponder.echo)
        let answer = try harness.exchange(text)
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
        #expect(answer.hasSuffix("\r\n\r\n"))
        #expect(answer.contains("\r\ncontent-length: "))
        let get = try harness.exchange(text.replacing("HEAD", with: "GET"))
        #expect(!get.hasSuffix("\r\n\r\n"), "GET has one")
    }

    @Test func `405 says what is allowed`() throws {
        let harness = try ServerHarness(TestResponder.echo)
        #expect(try harness.exchange("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n").contains("\r\nallow: GET, "))
    }

    // MARK: Many connections

    /// Answers `/slow` only when the connection ends.
    private static let slowly: TestResponder.Body = { request, response, notes in
        if request.head.path == "/slow" {
            _ = await request.loop.sleep(.seconds(60), unless: request.cancellation)
        }
        try await TestResponder.echo(request, response, notes)
    }

    private func isServed(_ client: RawClient) -> Bool {
        (try? client.send(get)) != nil && (try? client.read(through: "GET /a ")) != nil
    }

    /// The same for a connection that is made now. One that is turned away may be reset before its connect(2) returns.
    private func isServed(at harness: ServerHarness) -> Bool {
        guard let client = try? harness.connect() else { return false }
        return isServed(client)
    }

    @Test func `when all places are taken, the one that is idle longest gives way`() throws {
        var limits = HTTPServerLimits()
        limits.connectionsMax = 3
        let harness = try ServerHarness(limits: limits, Self.slowly)
        let working = try harness.connect()
        try working.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(harness.notes.wait(for: "GET /slow") != nil)
        let idle = try (0..<2).map { _ in try harness.connect() }
        for client in idle { #expect(isServed(client)) }
        // Used last: the other one is idle longest.
        #expect(isServed(idle[0]))
        let another = try harness.connect()
        #expect(isServed(another))
        #expect(try idle[1].readAll() == "", "the end of the stream, not a reset")
        #expect(isServed(idle[0]))
        #expect(try harness.connections(becoming: 3) == 3)
        #expect(harness.admission.count == 3)
        #expect(working.isSilent(for: 1))
    }

    @Test func `when all places work, the next one is refused, and the others are served`() throws {
        var limits = HTTPServerLimits()
        limits.connectionsMax = 2
        let harness = try ServerHarness(limits: limits, Self.slowly)
        let working = try (0..<2).map { _ in try harness.connect() }
        for (index, client) in working.enumerated() {
            try client.send("GET /slow?\(index) HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(harness.notes.wait(for: "GET /slow?\(index)") != nil)
        }
        #expect(!isServed(at: harness))
        for client in working { #expect(client.isSilent(for: 1)) }
        working[0].close()
        #expect(try harness.connections(becoming: 1) == 1)
        #expect(isServed(at: harness))
    }

    @Test func `a head that does not come to its end gives way as well, a fresh one does not`() throws {
        var limits = HTTPServerLimits()
        limits.connectionsMax = 2
        let harness = try ServerHarness(limits: limits, TestResponder.echo)
        let slow = try (0..<2).map { _ in try harness.connect() }
        for client in slow { try client.send("GET / HTTP/1.1\r\nHo") }
        #expect(try harness.connections(becoming: 2) == 2)
        #expect(!isServed(at: harness))
        var served = false
        // Until the grace of a head is over.
        for _ in 0..<100 where !served {
            try onLoop(harness.loop) { await $0.sleep(.milliseconds(50)) }
            served = isServed(at: harness)
        }
        #expect(served)
        #expect(throws: RawClient.Failure.self) { _ = try slow[0].readAll() }
    }

    @Test func `a connection that gave way while its request was coming is answered, and closed`() throws {
        var limits = HTTPServerLimits()
        limits.connectionsMax = 1
        let harness = try ServerHarness(limits: limits, TestResponder.echo)
        var answered = 0
        // Each pair of clients meets at the door at once: whoever loses is told the end of the stream or is answered.
        for _ in 0..<50 {
            let first = try harness.connect()
            #expect(try harness.connections(becoming: 1) == 1)
            let second = try harness.connect()
            try? first.send(get)
            #expect(isServed(second))
            if let answer = try? first.readAll(), !answer.isEmpty {
                #expect(answer.contains("connection: close"))
                answered += 1
            }
            second.close()
            #expect(try harness.connections(becoming: 0) == 0)
            #expect(harness.admission.count == 0)
        }
        #expect(answered <= 50)
    }

    @Test func `counts connections of an address`() {
        let admission = ConnectionAdmission(connectionsMax: 10, connectionsPerAddressMax: 2)
        let address = IPAddress("192.0.2.1")
        #expect(admission.admit(address) == .admitted)
        #expect(admission.admit(IPAddress("::ffff:192.0.2.1")) == .admitted)
        #expect(admission.admit(address) == .addressFull)
        #expect(admission.admit(IPAddress("192.0.2.2")) == .admitted)
        admission.release(address)
        #expect(admission.admit(address) == .admitted)
        #expect(admission.admit(IPAddress("2001:db8::1")) == .admitted)
        #expect(admission.admit(IPAddress("2001:db8::2")) == .admitted)
        #expect(admission.admit(IPAddress("2001:db8::3")) == .addressFull)
        #expect(admission.admit(nil) == .admitted)
        #expect(admission.count == 6)
    }

    // MARK: Drain

    @Test func `drains: idle ones close, working ones finish, new ones are refused`() throws {
        let harness = try ServerHarness { request, response, notes in
            notes.add("working")
            await request.loop.sleep(.milliseconds(200))
            try await response.send(200, [:], body: [])
        }
        let idle = try harness.connect()
        try idle.send(get)
        #expect(try idle.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
        let working = try harness.connect()
        try working.send(get)
        #expect(try harness.connections(becoming: 2) == 2)
        for _ in 0..<5_000 where harness.notes.all.count(where: { $0 == "working" }) < 2 { pause() }
        let server = harness.server
        let start = Instant.now()
        let isClean = try onLoop(harness.loop) { loop in await server.drain(until: loop.now + .seconds(30)) }
        #expect(isClean)
        // Nobody waits for the idle one.
        #expect(Instant.now() - start < .seconds(20))
        #expect(try idle.readAll() == "")
        #expect(try working.readAll().contains("\r\nconnection: close\r\n"))
        #expect(throws: RawClient.Failure.self) { try harness.connect() }
    }

    @Test func `drains: who has come and not asked yet is answered, once`() throws {
        let harness = try ServerHarness(TestResponder.echo)
        let early = try harness.connect()
        let silent = try harness.connect()
        #expect(try harness.connections(becoming: 2) == 2)
        let server = harness.server
        harness.loop.spawn { await server.drain(until: .now() + .seconds(60)) }
        // It drains once nobody gets in any more.
        while let late = try? harness.connect() { _ = late }
        try early.send(get)
        let answer = try early.readAll()
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        #expect(answer.contains("\r\nconnection: close\r\n"))
        // Who says nothing is waited for no longer than the grace.
        #expect(try silent.readAll() == "")
        #expect(try harness.connections(becoming: 0) == 0)
    }

    /// A busy client's next request is on its way when the server begins to drain.
    @Test func `drains: who was answered a moment ago may ask once more, and is told to come anew`() throws {
        let harness = try ServerHarness(TestResponder.echo)
        let busy = try harness.connect()
        // The answer must be younger than the pause: on a machine that stalls for longer, another attempt.
        for attempt in 1...5 {
            let client = attempt == 1 ? busy : try harness.connect()
            let begun = Instant.now()
            try client.send(get)
            #expect(try client.read(through: "GET /a ").hasPrefix("HTTP/1.1 200"))
            guard Instant.now() - begun < .milliseconds(500) || attempt == 5 else { continue }
            let server = harness.server
            harness.loop.spawn { await server.drain(until: .now() + .seconds(60)) }
            // It drains once nobody gets in any more.
            while let late = try? harness.connect() { _ = late }
            try client.send(get)
            let answer = try client.readAll()
            #expect(answer.hasPrefix("HTTP/1.1 200"))
            #expect(answer.contains("\r\nconnection: close\r\n"))
            break
        }
        #expect(try harness.connections(becoming: 0) == 0)
    }

    @Test func `drains: what is not finished at the deadline is cut off`() throws {
        let harness = try ServerHarness { request, response, notes in
            request.cancellation.onFire { notes.add("cancelled") }
            notes.add("working")
            _ = await request.loop.sleep(.seconds(5), unless: request.cancellation)
        }
        let client = try harness.connect()
        try client.send(get)
        #expect(harness.notes.wait(for: "working") != nil)
        let server = harness.server
        let start = Instant.now()
        let isClean = try onLoop(harness.loop) { loop in await server.drain(until: loop.now + .milliseconds(100)) }
        #expect(!isClean)
        #expect(Instant.now() - start < .seconds(1))
        #expect(harness.notes.all.contains("cancelled"))
        #expect(throws: RawClient.Failure.self) { try client.readAll() }
    }
}
