// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTP

@Suite struct ResponseHeadTests {
    private func head(_ text: String, _ method: HTTP.Method = .get) throws(ResponseHead.Defect) -> ResponseHead {
        try ResponseHead(parsing: Array(text.utf8), method: method)
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", 200, BodyFraming.length(3), true),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, .none, true),
        ("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", 200, .chunked, true),
        ("HTTP/1.1 200 Très bien\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", 200, .chunked, false),
        ("HTTP/1.1 404 Not Found\r\n\r\n", 404, .untilClose, false),
        ("HTTP/1.0 200 OK\r\n\r\n", 200, .untilClose, false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", 200, .length(3), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n", 200, .length(3), true),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", 204, .none, true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", 304, .none, true),
        ("HTTP/1.1 100 Continue\r\n\r\n", 100, .none, true),
    ])
    func `reads`(_ text: String, _ status: Int, _ framing: BodyFraming, _ keepsAlive: Bool) throws {
        let head = try head(text)
        #expect(head.status.code == status)
        #expect(head.framing == framing)
        #expect(head.keepsAlive == keepsAlive)
    }

    @Test func `an answer to HEAD has no body`() throws {
        #expect(try head("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", .head).framing == .none)
    }

    @Test(arguments: [
        ("HTTP/1.1 20 OK\r\n\r\n", ResponseHead.Defect.malformedStatusLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 099 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 600 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1  200 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 200 O\0K\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 200 O\rK\r\n\r\n", .malformedStatusLine),
        ("ICY 200 OK\r\n\r\n", .malformedStatusLine),
        ("{\"error\":1}", .malformedStatusLine),
        ("HTTP/1.1 200 OK", .malformedStatusLine),
        ("HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
        ("HTTP/1.1 200 OK\n\n", .bareLineFeed),
        ("HTTP/1.1 200 OK\r\nX : y\r\n\r\n", .malformedField),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", .malformedField),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", .ambiguousFraming),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", .ambiguousFraming),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n", .ambiguousFraming),
        ("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", .ambiguousFraming),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .ambiguousFraming),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .ambiguousFraming),
        ("HTTP/1.1 200 OK\r\nX: \(String(repeating: "a", count: 1 << 16))\r\n\r\n", .tooLarge),
        ("HTTP/1.1 200 OK\r\n\(String(repeating: "X: y\r\n", count: 201))\r\n", .tooLarge),
    ])
    func `refuses`(_ text: String, _ defect: ResponseHead.Defect) {
        #expect(throws: defect) { try head(text) }
    }
}
