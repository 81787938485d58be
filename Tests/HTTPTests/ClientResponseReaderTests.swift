// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTP

@Suite struct ClientResponseReaderTests {
    private struct Answer: Equatable {
        var status = 0
        var body = ""
        var isClean = false
    }

    /// Feeds `text` in pieces of at most `step` bytes, then the end of the connection.
    private func read(
        _ text: String, step: Int = .max, method: HTTP.Method = .get, bodyBytesMax: Int = 1 << 20
    ) throws(ClientFailure) -> Answer {
        var reader = ResponseReader(answering: method, .init(), bodyBytesMax: bodyBytesMax)
        var answer = Answer()
        var rest = Array(text.utf8)[...]
        while true {
            if answer.status == 0 { answer.status = try reader.nextHead()?.status.code ?? 0 }
            while let data = try reader.nextData() {
                #expect(!data.isEmpty)
                answer.body += String(decoding: data, as: UTF8.self)
            }
            if reader.isAtEnd {
                if !rest.isEmpty { reader.receive(Array(rest)) }
                answer.isClean = reader.isClean
                return answer
            }
            if rest.isEmpty {
                try reader.receiveEnd()
            } else {
                reader.receive(Array(rest.prefix(step)))
                rest = rest.dropFirst(step)
            }
        }
    }

    private static let whole: [(String, String, Bool)] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", "hello", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true),
        ("HTTP/1.1 200 OK\r\n\r\nall of this", "all of this", true),
        ("HTTP/1.0 200 OK\r\n\r\n", "", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nX: y\r\n\r\n",
            "hello!",
            true
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "", false),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
            "ok", true
        ),
    ]

    @Test(arguments: whole) func `reads however it is cut`(_ text: String, _ body: String, _ isClean: Bool) throws {
        for step in [1, 2, 3, 5, 7, 16, .max] {
            #expect(try read(text, step: step) == Answer(status: 200, body: body, isClean: isClean), "step \(step)")
        }
    }

    @Test func `reads when cut in two at every byte`() throws {
        for (text, body, _) in Self.whole {
            for cut in 1..<text.utf8.count {
                var reader = ResponseReader(answering: .get, .init(), bodyBytesMax: 100)
                var got = ""
                var hasHead = false
                for piece in [text.utf8.prefix(cut), text.utf8.dropFirst(cut)] {
                    reader.receive(Array(piece))
                    if !hasHead { hasHead = try reader.nextHead() != nil }
                    while let data = try reader.nextData() { got += String(decoding: data, as: UTF8.self) }
                }
                #expect(hasHead && got == body, "cut at \(cut)")
            }
        }
    }

    @Test(arguments: [HTTP.Method.head]) func `expects no body where there is none`(_ method: HTTP.Method) throws {
        let answer = try read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method: method)
        #expect(answer == Answer(status: 200, body: "", isClean: true))
        #expect(try read("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n").isClean)
        #expect(try read("HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n").isClean)
    }

    @Test func `the end of the connection is the end of an answer only without a framing`() {
        for text in [
            "", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n",
            "HTTP/1.1 100 C\r\n\r\n",
        ] {
            #expect(throws: ClientFailure.interrupted, "\(text.debugDescription)") { try read(text) }
        }
    }

    @Test(arguments: [
        ("SSH-2.0-OpenSSH_9.2\r\n", ClientFailure.malformed("not an HTTP/1 answer")),
        ("\u{16}\u{3}\u{1}", .malformed("not an HTTP/1 answer")),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", .malformed("not an HTTP/1 answer")),
        ("HTTP/2.0 200 OK\r\n\r\n", .malformed("version of HTTP")),
        ("HTTP/1.1 200 OK\n\n", .malformed("line end")),
        ("HTTP/1.1 abc\r\n\r\n", .malformed("status line")),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", .malformed("header field")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", .malformed("framing of the body")),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
            .malformed("framing of the body")
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", .malformed("chunked body")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", .malformed("chunked body")),
        ("HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n", .malformed("a change of protocol nobody asked for")),
        (String(repeating: "HTTP/1.1 100 C\r\n\r\n", count: 9), .malformed("too many interim answers")),
        ("HTTP/1.1 100 C\r\n\r\ngarbage", .malformed("not an HTTP/1 answer")),
        ("HTTP/1.1 200 OK\r\nX: \(String(repeating: "a", count: 1 << 16))\r\n\r\n", .tooLarge),
        ("HTTP/1.1 200 OK\r\n\(String(repeating: "X: y\r\n", count: 201))\r\n", .tooLarge),
    ])
    func `refuses`(_ text: String, _ failure: ClientFailure) {
        #expect(throws: failure) { try read(text) }
        #expect(throws: failure) { try read(text, step: 1) }
    }

    @Test func `passes over as many interim answers as it says`() throws {
        let interim = String(repeating: "HTTP/1.1 100 C\r\n\r\n", count: HTTPMaxima.interimResponses)
        #expect(try read(interim + "HTTP/1.1 204 No\r\n\r\n").status == 204)
    }

    @Test func `counts the body whatever its framing`() throws {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", chunked + "5\r\nhello\r\n0\r\n\r\n",
            chunked + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhello",
        ] {
            #expect(try read(text, bodyBytesMax: 5).body == "hello")
            #expect(throws: ClientFailure.tooLarge) { try read(text, bodyBytesMax: 4) }
            #expect(throws: ClientFailure.tooLarge) { try read(text, step: 1, bodyBytesMax: 4) }
        }
        // Before any of it was read.
        #expect(throws: ClientFailure.tooLarge) {
            try read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", bodyBytesMax: 4)
        }
    }
}
