// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTP

@Suite struct ChunkedDecoderTests {
    /// Decodes in pieces of `step` bytes. Gives the data, and how many bytes stayed behind the end.
    private func decode(_ text: String, step: Int) throws(ChunkedDecoder.Defect) -> (
        data: String, rest: Int, isAtEnd: Bool
    ) {
        let bytes = Array(text.utf8)
        var decoder = ChunkedDecoder(trailersMax: 10)
        var data: [UInt8] = []
        var index = 0
        while index < bytes.count, !decoder.isAtEnd {
            let end = min(index + step, bytes.count)
            index += try decoder.decode(bytes.span.extracting(index..<end), into: &data, outputMax: .max)
        }
        return (String(decoding: data, as: UTF8.self), bytes.count - index, decoder.isAtEnd)
    }

    @Test(arguments: [
        ("0\r\n\r\n", "", 0),
        ("5\r\nhello\r\n0\r\n\r\nGET", "hello", 3),
        ("5\r\nhello\r\n1\r\n!\r\n000\r\n\r\n", "hello!", 0),
        ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0),
        ("0000000000000002\r\n\r\n\r\n0\r\n\r\n", "\r\n", 0),
        ("1;a\r\nx\r\n0;b=c\r\n\r\n", "x", 0),
        ("1 ; a = \"q\\\"\\\\;\" ;b\r\nx\r\n0\r\n\r\n", "x", 0),
        ("1\r\nx\r\n0\r\nDigest: y\r\nZ:\r\n\r\n.", "x", 1),
    ])
    func `decodes, however the bytes are cut`(_ text: String, _ data: String, _ rest: Int) throws {
        for step in 1...text.utf8.count {
            let result = try decode(text, step: step)
            #expect(result.data == data)
            #expect(result.isAtEnd)
            #expect(result.rest == rest)
        }
    }

    @Test(arguments: [
        "\r\n", "x\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", " 1\r\n", "1 \r\nx\r\n", "1\t\r\n", "1\nx\r\n", "1\rx\r\n",
        "1\r\nxy",
        "1\r\nx\n", "1\r\nx\r\r", "1\r\nx0\r\n", "1;\r\n", "1;=a\r\n", "1;a=\r\n", "1;a=\"\r\n", "1;a=\"b\r\n\"\r\n",
        "1;a b\r\n", "1;a\u{0}\r\n", "1,2\r\n", "8000000000000000\r\n", "10000000000000000\r\n",
        "00000000000000001\r\n",
        // Extensions whose end two readers could find in two places, sizes that overflow, and digits of other kinds.
        "1;a\nx\r\n", "1;a\r\r\n", "1;a\rb\r\n", "1;\n\r\n", "1 x\r\n", "1;a;\r\n", "1;a=b=c\r\n", "1;\u{E9}\r\n",
        "ffffffffffffffff\r\n", "fffffffffffffffff\r\n", "1_0\r\n", "1.\r\n", "0X1\r\n", "１\r\n", "\u{0}1\r\n",
        "1h\r\n",
        "1\r\nx\r\n\r\n", "0\r\rX: y\r\n",
        // Trailers that somebody else may take for fields of the head.
        "0\r\nContent-Length: 5\r\n", "0\r\nTransfer-Encoding: chunked\r\n", "0\r\nhost: b\r\n",
        "0\r\nAuthorization: Bearer x\r\n", "0\r\nx-api-key: x\r\n", "0\r\nX: y\r\nTE: trailers\r\n",
        "0\r\nX: a\r\n b\r\n", "0\r\nX: a\u{0}\r\n", "0\r\n: a\r\n",
        "0\r\nX\r\n", "0\r\n X: y\r\n", "0\r\nX : y\r\n", "0\r\nX: y\n\r\n", "0\r\n\n", "0\n\r\n",
    ])
    func `refuses, however the bytes are cut`(_ text: String) {
        for step in 1...text.utf8.count {
            #expect(throws: ChunkedDecoder.Defect.malformed) { try decode(text, step: step) }
        }
    }

    @Test func `bounds size lines, extensions and trailers`() {
        let long = String(repeating: "a", count: 4096)
        #expect(throws: ChunkedDecoder.Defect.malformed) { try decode("1;\(long)", step: 100) }
        #expect(throws: ChunkedDecoder.Defect.trailersTooLarge) { try decode("0\r\nX: \(long)", step: 100) }
        let some = String(repeating: "a", count: 1000)
        let extended = String(repeating: "1;\(some)\r\nx\r\n", count: 17)
        #expect(throws: ChunkedDecoder.Defect.malformed) { try decode(extended, step: 1000) }
        let trailers = "0\r\n" + String(repeating: "X: y\r\n", count: 11) + "\r\n"
        #expect(throws: ChunkedDecoder.Defect.trailersTooLarge) { try decode(trailers, step: 7) }
    }

    @Test func `stops at the most bytes asked for and goes on from there`() throws {
        let bytes = Array("5\r\nhello\r\n0\r\n\r\n".utf8)
        var decoder = ChunkedDecoder(trailersMax: 1)
        var first: [UInt8] = []
        let used = try decoder.decode(bytes.span, into: &first, outputMax: 2)
        #expect(used == 5)
        #expect(first == Array("he".utf8))
        var rest: [UInt8] = []
        #expect(
            try decoder.decode(bytes.span.extracting(used..<bytes.count), into: &rest, outputMax: 3) == bytes.count
                - used)
        #expect(rest == Array("llo".utf8))
        #expect(decoder.isAtEnd)
    }
}
