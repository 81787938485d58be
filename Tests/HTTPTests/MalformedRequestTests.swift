// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTP

/// One malformed request: its bytes, and the one defect that is found.
struct MalformedRequest: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let defect: RequestDefect

    init(_ name: String, _ text: String, _ defect: RequestDefect) {
        self.name = name
        bytes = Array(text.utf8)
        self.defect = defect
    }

    /// A request whose only fault is its target.
    static func target(_ target: String, _ defect: RequestDefect) -> MalformedRequest {
        MalformedRequest("target \(target)", "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n", defect)
    }

    /// A request whose only fault is in these field lines.
    static func fields(_ lines: String, _ defect: RequestDefect) -> MalformedRequest {
        MalformedRequest("fields \(lines.debugDescription)", "POST / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n\r\n", defect)
    }

    /// A request whose only fault is its host.
    static func host(_ lines: String, _ defect: RequestDefect) -> MalformedRequest {
        MalformedRequest("host \(lines.debugDescription)", "GET / HTTP/1.1\r\n\(lines)\r\n\r\n", defect)
    }

    var testDescription: String { name }

    static let table: [MalformedRequest] = lines + versions + targets + fieldLines + hosts + framing + sizes

    private static let lines: [MalformedRequest] = [
        .init("no version", "GET /\r\n\r\n", .malformedRequestLine),
        .init("no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("method alone", "GET\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("tab for a space", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("method with a brace", "G{T / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("method with a colon", "GET: / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("method beyond ASCII", "GÉT / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("two empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("TLS at the plain port", "\u{16}\u{3}\u{1}\u{2}", .malformedRequestLine),
        .init("NUL first", "\0GET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("bare LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", .bareLineFeed),
        .init("bare LF behind a field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", .bareLineFeed),
        .init("bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed),
        .init("bare LF in front", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .bareLineFeed),
        .init("bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", .bareCarriageReturn),
        .init("two CR before the LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", .bareCarriageReturn),
        .init("bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", .bareCarriageReturn),
        .init("LF CR behind the request line", "GET / HTTP/1.1\n\rHost: a\r\n\r\n", .bareLineFeed),
        .init("vertical tab for a space", "GET\u{B}/ HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("form feed before the version", "GET /\u{C}HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("NUL in the method", "GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("byte order mark", "\u{FEFF}GET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("method in quotes", "\"GET\" / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("no line at all", "\r\n\r\n", .malformedRequestLine),
        .init("four words", "GET / / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("bare CR as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n", .bareCarriageReturn),
        .init("bare CR before a field", "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", .bareCarriageReturn),
    ]

    private static let versions: [MalformedRequest] = [
        .init("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", .unsupportedVersion),
        .init("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .unsupportedVersion),
        .init("HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", .unsupportedVersion),
        .init("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", .unsupportedVersion),
        .init("HTTP/3", "GET / HTTP/3\r\nHost: a\r\n\r\n", .malformedVersion),
        .init("small letters", "GET / http/1.1\r\nHost: a\r\n\r\n", .malformedVersion),
        .init("three digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", .malformedVersion),
        .init("leading zero", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", .malformedVersion),
        .init("comma", "GET / HTTP/1,1\r\nHost: a\r\n\r\n", .malformedVersion),
        .init("another protocol", "GET / RTSP/1.0\r\nHost: a\r\n\r\n", .malformedVersion),
        .init("a sign", "GET / HTTP/+1.1\r\nHost: a\r\n\r\n", .malformedVersion),
        .init("a space inside", "GET / HTTP/ 1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        .init("NUL behind", "GET / HTTP/1.1\0\r\nHost: a\r\n\r\n", .malformedVersion),
        .init("no minor version", "GET / HTTP/1\r\nHost: a\r\n\r\n", .malformedVersion),
        .init("another dot", "GET / HTTP/1.1.\r\nHost: a\r\n\r\n", .malformedVersion),
        .init("HTTP/0.9 without a version", "GET /hidden\r\n\r\n", .malformedRequestLine),
        .init("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", .methodRefused),
        .init("TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", .methodRefused),
    ]

    private static let targets: [MalformedRequest] = [
        .target("a", .malformedTarget),
        .target("*", .malformedTarget),
        .target("a:443", .malformedTarget),
        .target("//a\\b", .malformedTarget),
        .target("/a#b", .malformedTarget),
        .target("/é", .malformedTarget),
        .target("/a\"b", .malformedTarget),
        .target("/a<b>", .malformedTarget),
        .target("/a?b^c", .malformedTarget),
        .target("/a\u{7F}", .malformedTarget),
        .target("/a\0b", .malformedTarget),
        .target("ftp://a/", .malformedTarget),
        .target("http:/a", .malformedTarget),
        .target("http://", .malformedTarget),
        .target("http://a:80:80/", .malformedTarget),
        .target("http://[::1/", .malformedTarget),
        .target("http://a\\@b/", .malformedTarget),
        .target("http://%61/", .malformedTarget),
        .target("//u@a\u{7F}/", .malformedTarget),
        .target("?a", .malformedTarget),
        .target("/a|b", .malformedTarget),
        .target("/a`b", .malformedTarget),
        .target("/{\"$gt\":\"\"}", .malformedTarget),
        .target("/%u0041", .malformedPercentEncoding),
        .target("/%ed%a0%80", .malformedPercentEncoding),
        .target("/a%2f..%2fb", .encodedSlash),
        .target("/a%252f/../b", .dotSegment),
        .target("/a%09b", .controlInTarget),
        .target("/a%1b", .controlInTarget),
        .target("https://a/%2e%2e/b", .dotSegment),
        .target("http:///", .malformedTarget),
        .target("http://u@a/", .malformedTarget),
        .target("http://a:99999/", .malformedTarget),
        .target("http://a b/", .malformedRequestLine),
        .target("/%", .malformedPercentEncoding),
        .target("/%1", .malformedPercentEncoding),
        .target("/%zz", .malformedPercentEncoding),
        .target("/%+1", .malformedPercentEncoding),
        .target("/%ff", .malformedPercentEncoding),
        .target("/%c0%af", .malformedPercentEncoding),
        .target("/a?b=%g1", .malformedPercentEncoding),
        .target("/a?b=%fe", .malformedPercentEncoding),
        .target("/a%2fb", .encodedSlash),
        .target("/a%2Fb", .encodedSlash),
        .target("/a%5Cb", .encodedSlash),
        .target("/a%00b", .controlInTarget),
        .target("/a%0d%0aSet-Cookie:b", .controlInTarget),
        .target("/a%7F", .controlInTarget),
        .target("/a?b=%00", .controlInTarget),
        .target("/.", .dotSegment),
        .target("/..", .dotSegment),
        .target("/a/../b", .dotSegment),
        .target("/a/./b", .dotSegment),
        .target("/a/%2e%2e/b", .dotSegment),
        .target("/a/.%2E", .dotSegment),
        .target("http://a/..", .dotSegment),
        .target("/?" + String(repeating: "a&", count: 64), .tooManyQueryItems),
    ]

    private static let fieldLines: [MalformedRequest] = [
        .fields("X", .malformedField),
        .fields(": b", .malformedField),
        .fields("X\u{E9}: b", .malformedField),
        .fields("X(: b", .malformedField),
        .fields("X Y: b", .malformedField),
        .fields("X : b", .spaceBeforeColon),
        .fields("X\t: b", .spaceBeforeColon),
        .fields("Content-Length : 3", .spaceBeforeColon),
        .fields("X: a\r\n b", .obsoleteFold),
        .fields("X: a\r\n\tb", .obsoleteFold),
        .fields(" X: a", .obsoleteFold),
        .fields("X: a\0b", .controlInField),
        .fields("X: a\u{1}b", .controlInField),
        .fields("X: a\u{7F}b", .controlInField),
        .fields("X\0: b", .controlInField),
        .fields("X: a\u{8}", .controlInField),
        .fields("X: a\u{1B}[0m", .controlInField),
        .fields("Content-Length\0: 3", .controlInField),
        .fields("\u{B}Content-Length: 3", .controlInField),
        .fields("Content-Length:\u{C}3", .controlInField),
        .fields("Transfer-Encoding\u{B}: chunked", .controlInField),
        .fields("Transfer-Encoding : chunked", .spaceBeforeColon),
        .fields("Transfer-Encoding\t: chunked", .spaceBeforeColon),
        .fields("Transfer-Encoding:\r\n chunked", .obsoleteFold),
        .fields("Content-Length: 3\r\n\t0", .obsoleteFold),
        .fields("Host : b", .spaceBeforeColon),
        .fields("Transfer-\u{415}ncoding: chunked", .malformedField),
        .fields("Content Length: 3", .malformedField),
        .fields("\"Content-Length\": 3", .malformedField),
        .fields("X[1]: b", .malformedField),
        .fields("X/Y: b", .malformedField),
        .fields("X@Y: b", .malformedField),
        .fields("X;Y: b", .malformedField),
        .fields("X=Y", .malformedField),
    ]

    private static let hosts: [MalformedRequest] = [
        .host("X: a", .missingHost),
        .host("Host: a\r\nHost: a", .duplicateHost),
        .host("Host: a\r\nhost: b", .duplicateHost),
        .host("Host:", .malformedHost),
        .host("Host: a b", .malformedHost),
        .host("Host: a, b", .malformedHost),
        .host("Host: u@a", .malformedHost),
        .host("Host: a/b", .malformedHost),
        .host("Host: http://a", .malformedHost),
        .host("Host: a:b", .malformedHost),
        .host("Host: a:65536", .malformedHost),
        .host("Host: a:-1", .malformedHost),
        .host("Host: :80", .malformedHost),
        .host("Host: a@b", .malformedHost),
        .host("Host: a\\b", .malformedHost),
        .host("Host: a#b", .malformedHost),
        .host("Host: a?b", .malformedHost),
        .host("Host: a;b", .malformedHost),
        .host("Host: \u{E4}.example", .malformedHost),
        .host("Host: a:80:80", .malformedHost),
        .host("Host: a: 80", .malformedHost),
        .host("Host: a:+80", .malformedHost),
        .host("Host: a:0x50", .malformedHost),
        .host("Host: a:000080", .malformedHost),
        .host("Host: []", .malformedHost),
        .host("Host: [a]", .malformedHost),
        .host("Host: a\r\nHost:", .duplicateHost),
        .host("Host: a\r\n Host: b", .obsoleteFold),
        .host("Host\u{A0}: a", .malformedField),
        .host("Host: [::1", .malformedHost),
        .host("Host: [fe80::1%25eth0]", .malformedHost),
        .host("Host: [::1]a", .malformedHost),
        .host("Host: ::1", .malformedHost),
        .host("Host: a%2eb", .malformedHost),
        .init("no host beside an absolute target", "GET http://a/ HTTP/1.1\r\n\r\n", .missingHost),
        .init("bad host beside an absolute target", "GET http://a/ HTTP/1.1\r\nHost: @\r\n\r\n", .malformedHost),
        .init("two hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", .duplicateHost),
    ]

    private static let framing: [MalformedRequest] = [
        .fields("Content-Length: 3\r\nTransfer-Encoding: chunked", .lengthAndTransferEncoding),
        .fields("Transfer-Encoding: chunked\r\nContent-Length: 3", .lengthAndTransferEncoding),
        .fields("Transfer-Encoding: chunked\r\nContent-Length: x", .lengthAndTransferEncoding),
        .fields("Content-Length: 3\r\nContent-Length: 4", .duplicateContentLength),
        .fields("Content-Length: 3\r\nContent-Length: 3", .duplicateContentLength),
        .fields("Content-Length: 3\r\ncontent-length: 3", .duplicateContentLength),
        .fields("Content-Length:", .malformedContentLength),
        .fields("Content-Length: 3, 3", .malformedContentLength),
        .fields("Content-Length: +3", .malformedContentLength),
        .fields("Content-Length: -3", .malformedContentLength),
        .fields("Content-Length: 0x3", .malformedContentLength),
        .fields("Content-Length: 3 3", .malformedContentLength),
        .fields("Content-Length: 3.0", .malformedContentLength),
        .fields("Content-Length: 1_0", .malformedContentLength),
        .fields("Content-Length: \u{0663}", .malformedContentLength),
        .fields("Content-Length: 9223372036854775808", .bodyTooLarge),
        .fields("Content-Length: 99999999999999999999999999", .bodyTooLarge),
        .fields("Content-Length: 33554433", .bodyTooLarge),
        .fields("Content-Length: 3\r\nX: y\r\nContent-Length: 30", .duplicateContentLength),
        .fields("Content-Length: 3\r\nContent-Length:", .duplicateContentLength),
        .fields("Content-Length: 3,4", .malformedContentLength),
        .fields("Content-Length: 3;", .malformedContentLength),
        .fields("Content-Length: 3\u{A0}", .malformedContentLength),
        .fields("Content-Length: 1e1", .malformedContentLength),
        .fields("Content-Length: 0b1", .malformedContentLength),
        .fields("Content-Length: \"3\"", .malformedContentLength),
        .fields("Content-Length: chunked", .malformedContentLength),
        .fields("Content-Length: 18446744073709551619", .bodyTooLarge),
        .fields("Content-Length: 4294967299", .bodyTooLarge),
        .fields("Content-Length: 0\r\nTransfer-Encoding: chunked", .lengthAndTransferEncoding),
        .fields("Content-Length: 3\r\nTransfer-Encoding: identity", .lengthAndTransferEncoding),
        .fields("Content-Length: 3\r\nTransfer-Encoding: xchunked", .lengthAndTransferEncoding),
        .fields("Content-Length: 3\r\nTransfer-Encoding:", .lengthAndTransferEncoding),
        .fields("Transfer-Encoding: chunked, identity", .malformedTransferEncoding),
        .fields("Transfer-Encoding: identity, chunked", .unknownTransferCoding),
        .fields("Transfer-Encoding: CHUNKED, Chunked", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunked chunked", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunk", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunkedx", .malformedTransferEncoding),
        .fields("Transfer-Encoding: 'chunked'", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunked;", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunked\u{A0}", .malformedTransferEncoding),
        .fields("Transfer-Encoding: x, , chunked", .malformedTransferEncoding),
        .fields("Transfer-Encoding: \0chunked", .controlInField),
        .fields("Transfer-Encoding:\r\nTransfer-Encoding: chunked", .malformedTransferEncoding),
        .init(
            "both lengths in HTTP/1.0",
            "POST / HTTP/1.0\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", .transferEncodingInHTTP10),
        .init(
            "transfer encoding on GET in HTTP/1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: identity\r\n\r\n",
            .transferEncodingInHTTP10),
        .fields("Expect: 100-continue\r\nExpect: 100-continue", .unsupportedExpectation),
        .fields("Expect: 100-continue;x", .unsupportedExpectation),
        .fields("Expect: 102-processing", .unsupportedExpectation),
        .fields("Transfer-Encoding: identity", .malformedTransferEncoding),
        .fields("Transfer-Encoding: gzip", .malformedTransferEncoding),
        .fields("Transfer-Encoding:", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunked, gzip", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunked, chunked", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunked,", .malformedTransferEncoding),
        .fields("Transfer-Encoding: ,chunked", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunked;q=1", .malformedTransferEncoding),
        .fields("Transfer-Encoding: xchunked", .malformedTransferEncoding),
        .fields("Transfer-Encoding: \"chunked\"", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", .malformedTransferEncoding),
        .fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", .malformedTransferEncoding),
        .fields("Transfer-Encoding: \u{B}chunked", .controlInField),
        .fields("Transfer-Encoding: gzip, chunked", .unknownTransferCoding),
        .fields("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", .unknownTransferCoding),
        .init(
            "transfer encoding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            .transferEncodingInHTTP10),
        .fields("Expect: 200-ok", .unsupportedExpectation),
        .fields("Expect: 100-continue, x", .unsupportedExpectation),
        .fields("Expect:", .unsupportedExpectation),
    ]

    private static let sizes: [MalformedRequest] = [
        .init("long target", "GET /\(long(8192)) HTTP/1.1\r\nHost: a\r\n\r\n", .requestLineTooLong),
        .init("long target without an end", "GET /\(long(8300))", .requestLineTooLong),
        .init("long method", "\(long(8300)) / HTTP/1.1\r\n\r\n", .requestLineTooLong),
        .init("long field", "GET / HTTP/1.1\r\nHost: a\r\nX: \(long(32 << 10))\r\n\r\n", .headTooLarge),
        .init("long field without an end", "GET / HTTP/1.1\r\nHost: a\r\nX: \(long(32 << 10))", .headTooLarge),
        .init(
            "many fields", "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: b\r\n", count: 100) + "\r\n",
            .tooManyFields),
    ]

    private static func long(_ count: Int) -> String { String(repeating: "a", count: count) }
}

@Suite struct MalformedRequestTests {
    @Test(arguments: MalformedRequest.table)
    func `refuses`(_ request: MalformedRequest) {
        #expect(throws: request.defect) { try RequestHead(parsing: request.bytes) }
    }

    @Test func `the table has at least two hundred rows and every defect of a head`() {
        #expect(MalformedRequest.table.count >= 200)
        let found = Set(MalformedRequest.table.map(\.defect))
        let ofBodies: Set<RequestDefect> = [.malformedChunk, .trailersTooLarge, .headTimeout, .bodyTimeout]
        #expect(found.union(ofBodies) == Set(RequestDefect.allCases))
    }

    @Test func `gives each defect a status of its class`() {
        let statuses = Set(RequestDefect.allCases.map(\.status.code))
        #expect(statuses == [400, 405, 408, 413, 414, 417, 431, 501, 505])
        for defect in RequestDefect.allCases { #expect(!defect.message.isEmpty) }
    }

    @Test(arguments: MalformedRequest.table)
    func `refuses it in pieces of one byte too`(_ request: MalformedRequest) throws {
        var scanner = HeadScanner(HTTPServerLimits())
        for end in 1...request.bytes.count {
            switch scanner.scan(request.bytes.span.extracting(0..<end)) {
            case .wait: continue
            case .refuse(let defect):
                #expect(RequestDefect(defect) == request.defect)
                return
            case .head(let range):
                #expect(throws: request.defect) {
                    try RequestHead(
                        in: request.bytes, range, fieldCount: scanner.fieldCount, limits: HTTPServerLimits())
                }
                return
            }
        }
        Issue.record("the scanner still waits")
    }
}
