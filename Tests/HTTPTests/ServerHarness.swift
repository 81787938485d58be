// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import TLS

@testable import HTTP

/// A responder made of a closure, which notes what happened.
final class TestResponder: Responder {
    typealias Body = @Sendable (Request, ResponseWriter, Notes) async throws -> Void

    let notes: Notes
    private let body: Body

    init(_ notes: Notes, _ body: @escaping Body) {
        self.notes = notes
        self.body = body
    }

    func respond(to request: Request, with response: ResponseWriter) async {
        notes.add("\(request.head.method.name) \(request.head.target)")
        do { try await body(request, response, notes) } catch { notes.add("\(error)") }
    }

    /// Answers with method, path and body.
    static let echo: Body = { request, response, notes in
        let body = try await request.body(max: 1 << 20)
        try await response.send(
            200, ["content-type": "text/plain"],
            body: Array("\(request.head.method.name) \(request.head.path) ".utf8) + body)
    }
}

/// What happened on the loop, for the test's thread to wait for.
final class Notes: Sendable {
    private let monitor = Monitor<[(text: String, at: Instant)]>([])

    func add(_ text: String) {
        monitor.withLock { $0.append((text, .now())) }
        monitor.signal()
    }

    var all: [String] { monitor.withLock { $0.map(\.text) } }

    /// When `text` was noted; nil if it is not within `limit`.
    func wait(for text: String, within limit: Duration = .seconds(5)) -> Instant? {
        let deadline = Instant.now() + limit
        while Instant.now() < deadline {
            if let found = monitor.withLock({ $0.first { $0.text == text }?.at }) { return found }
            _ = monitor.wait(until: min(deadline, .now() + .milliseconds(20))) { _ -> Bool? in nil }
        }
        return nil
    }
}

/// A server on a loop of its own, on a port of the kernel's choice.
final class ServerHarness: Sendable {
    let loop: EventLoop
    let server: HTTPServer
    let address: SocketAddress
    let notes = Notes()
    let admission: ConnectionAdmission

    init(
        limits: HTTPServerLimits = HTTPServerLimits(), context: TLSServerContext? = nil,
        on address: SocketAddress = .ip(.loopbackV4, port: 0),
        _ body: @escaping TestResponder.Body
    ) throws {
        loop = try EventLoop(name: "server")
        try loop.start()
        admission = ConnectionAdmission(
            connectionsMax: limits.connectionsMax, connectionsPerAddressMax: limits.connectionsPerAddressMax)
        let server = HTTPServer(
            on: loop, limits: limits, admission: admission, context: context, responder: TestResponder(notes, body))
        self.server = server
        self.address = try onLoop(loop) { _ in
            let socket = try ListeningSocket(on: address)
            let bound = socket.address
            try server.listen(on: socket)
            return bound
        }
    }

    deinit {
        loop.stop()
        loop.join()
    }

    func connect() throws -> RawClient { try RawClient(address) }

    /// Sends `text` on a new connection, and gives all that comes back until the server closes.
    func exchange(_ text: String) throws -> String {
        let client = try connect()
        try client.send(text)
        return try client.readAll()
    }

    /// The number of connections once it is `expected`, or as it is after a while.
    func connections(becoming expected: Int) throws -> Int {
        var count = -1
        for _ in 0..<200 {
            count = try onLoop(loop) { [server] _ in server.connectionCount }
            if count == expected { break }
            try? onLoop(loop) { await $0.sleep(.milliseconds(10)) }
        }
        return count
    }
}

/// The answer without the date, which changes.
func dateless(_ answer: String) -> String {
    answer.split(separator: "\r\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("date: ") }
        .joined(separator: "\r\n")
}
