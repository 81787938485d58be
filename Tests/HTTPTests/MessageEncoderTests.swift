// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

@testable import HTTP

@Suite struct MessageEncoderTests {
    private let date = DateLine(WallTime(seconds: 784_111_777))

    private func head(
        _ status: Status, _ fields: Fields, _ body: MessageEncoder.Body,
        _ persistence: MessageEncoder.Persistence = .implied
    ) -> String {
        var output: [UInt8] = []
        MessageEncoder.appendHead(status, fields, body, persistence, date: date, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    @Test func `writes the date of RFC 9110`() {
        #expect(
            head(404, [:], .none) == "HTTP/1.1 404 Not Found\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n")
        #expect(
            String(decoding: HTTPDate.bytes(of: WallTime(seconds: 1_709_164_800)), as: UTF8.self)
                == "Thu, 29 Feb 2024 00:00:00 GMT")
    }

    @Test func `the clock is asked once a turn, and the date follows it`() {
        var (dates, asked) = (DateCache(), 0)
        for (turn, seconds, clockReads) in [(1, 0, 1), (1, 5, 1), (2, 0, 2), (3, 1, 3), (4, 3600, 4), (4, 7200, 4)] {
            let line = dates.line(at: Instant(nanoseconds: UInt64(turn))) {
                asked += 1
                return WallTime(seconds: 784_111_777 + Int64(seconds))
            }
            let time = turn == 4 ? "09:49:37" : turn == 3 ? "08:49:38" : "08:49:37"
            let expected = "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 \(time) GMT\r\n"
            #expect(line.behindOK.indices.map { line.behindOK[$0] } == Array(expected.utf8) && asked == clockReads)
        }
    }

    @Test func `writes heads`() {
        #expect(
            head(200, ["Content-Type": "a/b"], .length(10))
                == "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: a/b\r\ncontent-length: 10\r\n\r\n"
        )
        #expect(
            head(529, [:], .chunked, .close)
                == "HTTP/1.1 529 \r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        )
        #expect(
            head(204, [:], .none, .keepAlive)
                == "HTTP/1.1 204 No Content\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nconnection: keep-alive\r\n\r\n")
    }

    @Test func `leaves out what would contradict the framing`() {
        let fields: Fields = [
            "Content-Length": "7", "Transfer-Encoding": "gzip", "Connection": "upgrade", "Keep-Alive": "x", "Date": "y",
            "Upgrade": "h2c", "TE": "x", "Trailer": "x", "Proxy-Connection": "x", "Host": "x", "x-kept": "1",
        ]
        #expect(
            head(200, fields, .length(1))
                == "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nx-kept: 1\r\ncontent-length: 1\r\n\r\n")
    }

    @Test func `an impossible status becomes 500`() {
        #expect([Status(99), 600, -1, Status(.max)].map(\.code) == [500, 500, 500, 500])
    }

    @Test func `writes chunks, and nothing for no data`() {
        var output: [UInt8] = []
        MessageEncoder.appendChunk([UInt8]().span, to: &output)
        #expect(output.isEmpty)
        MessageEncoder.appendChunk([UInt8](repeating: 0x61, count: 26).span, to: &output)
        MessageEncoder.appendLastChunk(to: &output)
        #expect(
            String(decoding: output, as: UTF8.self) == "1a\r\n" + String(repeating: "a", count: 26) + "\r\n0\r\n\r\n")
    }

    @Test(arguments: [0, 1, 15, 16, 255, 4096, 65_535, 1_000_000])
    func `what is chunked is decoded again`(_ count: Int) throws {
        let data = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        var output: [UInt8] = []
        MessageEncoder.appendChunk(data.span, to: &output)
        MessageEncoder.appendLastChunk(to: &output)
        var decoder = ChunkedDecoder(trailersMax: 0)
        var decoded: [UInt8] = []
        let used = try decoder.decode(output.span, into: &decoded, outputMax: .max)
        #expect(used == output.count)
        #expect(decoded == data)
        #expect(decoder.isAtEnd)
    }

    @Test func `writes requests that the parser reads`() throws {
        let output = MessageEncoder.head(
            MessageEncoder.opening(.post, target: "/v1/x?y=%20", authority: "api.example:8080"),
            ["a": "b", "host": "evil", "expect": "100-continue"], bodyBytes: 5)
        let head = try RequestHead(parsing: output)
        #expect(head.target == "/v1/x?y=%20")
        #expect(head.host == Host("api.example:8080"))
        #expect(head.framing == .length(5))
        #expect(head.fields.count == 3)
    }

    @Test(arguments: ["", "a", "/a b", "/a\r\n", "/a#b", "/é", "http://a/", "/a\0"])
    func `refuses targets`(_ target: String) {
        #expect(!MessageEncoder.isValidTarget(target))
    }
}
