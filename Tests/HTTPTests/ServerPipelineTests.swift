// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import Testing

@testable import HTTP

/// Random sequences of requests on one connection, cut at random, read by responders that read all, some or nothing of
/// the bodies. The model is simple: answer number n is for request number n, and nothing in a body is ever a request.
@Suite struct ServerPipelineTests {
    private struct Script {
        var bytes: [UInt8] = []
        var answers: [String] = []

        init(requests: Int, _ generator: inout SeededGenerator) {
            for number in 0..<requests {
                let isLast = number == requests - 1
                let reads = ["all", "some", "none"].randomElement(using: &generator) ?? "all"
                let size = Int.random(in: 0...3000, using: &generator)
                let smuggled = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
                let body = String(String(repeating: smuggled, count: size / smuggled.utf8.count + 1).prefix(size))
                var head = "POST /\(number)/\(reads) HTTP/1.1\r\nHost: x\r\n"
                if isLast { head += "Connection: close\r\n" }
                // What is chunked must be read: whether its rest is short cannot be known.
                if Bool.random(using: &generator), reads == "all" {
                    bytes += Array((head + "Transfer-Encoding: chunked\r\n\r\n").utf8) + Self.chunks(body, &generator)
                } else {
                    bytes += Array((head + "Content-Length: \(body.utf8.count)\r\n\r\n" + body).utf8)
                }
                answers.append("<\(number) \(reads == "all" ? "\(body.utf8.count)" : reads)>")
            }
        }

        private static func chunks(_ body: String, _ generator: inout SeededGenerator) -> [UInt8] {
            var rest = Array(body.utf8)[...]
            var bytes: [UInt8] = []
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...700, using: &generator))
                MessageEncoder.appendChunk(Array(piece).span, to: &bytes)
                rest = rest.dropFirst(piece.count)
            }
            MessageEncoder.appendLastChunk(to: &bytes)
            return bytes
        }
    }

    private static let responder: TestResponder.Body = { request, response, _ in
        let parts = request.head.path.split(separator: "/")
        var count = 0
        switch parts.last {
        case "all": while let chunk = try await request.nextChunk() { count += chunk.count }
        case "some": _ = try await request.nextChunk()
        default: break
        }
        let answer = "<\(parts[0]) \(parts[1] == "all" ? "\(count)" : String(parts[1]))>"
        if count % 2 == 0 {
            try await response.send(200, [:], body: Array(answer.utf8))
        } else {
            try response.begin(200, [:])
            try await response.write(Array(answer.utf8))
            try await response.finish()
        }
    }

    @Test func `answers are those of the requests, in order`() throws {
        var generator = SeededGenerator()
        let harness = try ServerHarness(Self.responder)
        for _ in 0..<40 {
            let script = Script(requests: Int.random(in: 1...12, using: &generator), &generator)
            let client = try harness.connect()
            var rest = script.bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...2000, using: &generator))
                try client.send(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            let received = try client.readAll()
            let answers = received.split(separator: "<").dropFirst().map { "<" + $0.prefix { $0 != ">" } + ">" }
            #expect(answers == script.answers, "seed \(SeededGenerator.seed)")
        }
        #expect(!harness.notes.all.contains { $0.contains("hidden") }, "seed \(SeededGenerator.seed)")
    }
}
