// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@testable import HTTP

@Suite struct RequestHeadTests {
    static func head(_ text: String) throws(RequestDefect) -> RequestHead {
        try RequestHead(parsing: Array(text.utf8))
    }

    @Test func `reads a whole head`() throws {
        let head = try Self.head(
            "POST /v1/chat/completions?a=1&b=x%20y+z&c HTTP/1.1\r\nHost: Example.org:8443\r\nX-A:  one \t\r\n"
                + "x-a: two\r\nEmpty:\r\nContent-Length: 12\r\n\r\nrest")
        #expect(head.method == .post)
        #expect(head.version == .http11)
        #expect(head.target == "/v1/chat/completions?a=1&b=x%20y+z&c")
        #expect(head.path == "/v1/chat/completions")
        #expect(head.query == "a=1&b=x%20y+z&c")
        #expect(
            head.queryItems == [
                QueryItem(name: "a", value: "1"), QueryItem(name: "b", value: "x y z"), QueryItem(name: "c", value: ""),
            ])
        #expect(head.host == Host("example.org:8443"))
        #expect(head.host?.name == "example.org")
        #expect(head.host?.port == 8443)
        #expect(head.fields["x-a"] == "one")
        #expect(head.fields.all("X-A") == ["one", "two"])
        #expect(head.fields["empty"] == "")
        #expect(head.fields["absent"] == nil)
        #expect(head.framing == .length(12))
        #expect(head.keepsAlive)
        #expect(!head.expectsContinue)
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE ,\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: x\r\nConnection: keep-alive\r\n\r\n", true),
        ("GET / HTTP/1.0\r\nConnection: x\r\n\r\n", false),
    ])
    func `knows whether the connection stays`(_ text: String, _ keepsAlive: Bool) throws {
        #expect(try Self.head(text).keepsAlive == keepsAlive)
    }

    @Test(arguments: [
        ("Content-Length: 0", BodyFraming.none), ("Content-Length: 007", .length(7)),
        ("Content-Length: \t33554432 ", .length(33_554_432)), ("Transfer-Encoding: chunked", .chunked),
        ("transfer-encoding:\tCHUNKED ", .chunked), ("X: y", BodyFraming.none),
    ])
    func `decides the framing`(_ line: String, _ framing: BodyFraming) throws {
        #expect(try Self.head("GET / HTTP/1.1\r\nHost: a\r\n\(line)\r\n\r\n").framing == framing)
    }

    /// What is no method, path and version as nearly all requests have them is read step by step, to the same end.
    @Test(arguments: [
        ("POST /v1/a-b_c", .post, "/v1/a-b_c"), ("GET /", .get, "/"), ("GET /a.b", .get, "/a.b"),
        ("PUT /v1", .put, "/v1"), ("POST http://a/v1", .post, "/v1"), ("OPTIONS *", .options, "*"),
        ("GETS /", Method.other("GETS"), "/"), ("POSTS /v1", .other("POSTS"), "/v1"),
        ("G /aaaaaaaa", .other("G"), "/aaaaaaaa"),
    ])
    func `reads request lines of every shape`(_ line: String, _ method: Method, _ path: String) throws {
        let head = try Self.head("\(line) HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head.method == method && head.path == path && head.version == .http11)
        let old = try Self.head("\r\n\(line) HTTP/1.0\r\n\r\n")
        #expect(old.method == method && old.path == path && old.version == .http10)
        #expect(old.target == line.split(separator: " ")[1])
    }

    /// The byte is refused for the same reason as by who reads step by step.
    @Test(arguments: [
        ("POST /a b HTTP/1.1", RequestDefect.malformedRequestLine), ("POST  /a HTTP/1.1", .malformedRequestLine),
        ("POST /a  HTTP/1.1", .malformedRequestLine), ("POST HTTP/1.1", .malformedRequestLine),
        ("POST  HTTP/1.1", .malformedTarget), ("POST /a\tb HTTP/1.1", .malformedTarget),
        ("POST /a\rb HTTP/1.1", .bareCarriageReturn), ("POST /a HTTP/1.1\r", .bareCarriageReturn),
        ("POST /a HTTP/1.2", .unsupportedVersion), ("POST /a http/1.1", .malformedVersion),
        ("POST a HTTP/1.1", .malformedTarget), ("POST /aHTTP/1.1", .malformedRequestLine),
        ("POSTx/a HTTP/1.1", .malformedRequestLine), ("POST /.. HTTP/1.1", .dotSegment),
    ])
    func `tells what is wrong with a request line`(_ line: String, _ defect: RequestDefect) {
        #expect(throws: defect) { _ = try Self.head("\(line)\r\nHost: a\r\n\r\n") }
    }

    @Test func `lends the host's name as it was written`() throws {
        func name(_ text: String) throws -> String? {
            try Self.head(text).withHostName { String(decoding: $0) }
        }
        #expect(try name("GET / HTTP/1.1\r\nHost:  Example.org:80 \r\n\r\n") == "Example.org")
        #expect(try name("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n") == "[::1]")
        #expect(try name("GET http://b.example/ HTTP/1.1\r\nHost: a\r\n\r\n") == "b.example")
        #expect(try name("GET / HTTP/1.0\r\n\r\n") == nil)
    }

    @Test func `an absolute target decides over the host field`() throws {
        let head = try Self.head("GET HTTP://b.example:81?x HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head.host == Host("b.example:81"))
        #expect(head.path == "/")
        #expect(head.query == "x")
    }

    @Test(arguments: ["a", "a.example:", "127.0.0.1:80", "[::1]", "[::ffff:1.2.3.4]:443", "a_b-c.example"])
    func `accepts hosts`(_ host: String) throws {
        #expect(try Self.head("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n").host != nil)
    }

    @Test(arguments: [
        ("/", "/"), ("/a%20b", "/a b"), ("/%C3%A9", "/é"), ("/a%25b", "/a%b"), ("/a;b=c,d", "/a;b=c,d"),
        ("//a/", "//a/"),
        ("/...", "/..."), ("/.a/..b", "/.a/..b"), ("/a?/../b", "/a"), ("/%76", "/v"),
    ])
    func `decodes paths once`(_ target: String, _ path: String) throws {
        #expect(try Self.head("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n").path == path)
    }

    @Test func `passes over one empty line in front`() throws {
        #expect(try Self.head("\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path == "*")
    }

    @Test func `needs no host in HTTP 1,0`() throws {
        #expect(try Self.head("GET / HTTP/1.0\r\n\r\n").host == nil)
    }

    @Test func `keeps unknown methods`() throws {
        #expect(try Self.head("BREW / HTTP/1.1\r\nHost: a\r\n\r\n").method == .other("BREW"))
        #expect(try Self.head("get / HTTP/1.1\r\nHost: a\r\n\r\n").method == .other("get"))
    }

    @Test func `sees the expectation, in HTTP 1,1 only`() throws {
        #expect(try Self.head("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n").expectsContinue)
        #expect(try !Self.head("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expectsContinue)
    }

    @Test func `finds the end of a head wherever it is cut`() throws {
        let text = Array("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /".utf8)
        for cut in 0...text.count {
            var scanner = HeadScanner(HTTPServerLimits())
            var action = scanner.scan(text.span.extracting(0..<cut))
            if action == .wait { action = scanner.scan(text.span) }
            #expect(action == .head(2..<29))
        }
    }

    /// Lines are read sixteen bytes at a time: each byte that means something is seen at each place, however long name and value
    /// are, and with little or much behind the head.
    @Test func `sees every byte of a field line`() throws {
        let outcomes: [(byte: UInt8, defect: RequestDefect?)] = [
            (0x09, nil), (0x20, nil), (0x3A, nil), (0x80, nil), (0xFF, nil), (0x00, .controlInField),
            (0x1F, .controlInField),
            (0x7F, .controlInField), (0x0D, .bareCarriageReturn),
        ]
        for nameCount in [1, 2, 6, 7, 8, 13, 14, 15, 16, 17, 31, 32, 33] {
            let name = String(repeating: "n", count: nameCount)
            for valueCount in 0...34 {
                for (byte, defect) in outcomes {
                    var value = [UInt8](repeating: UInt8(ascii: "v"), count: valueCount)
                    value.insert(byte, at: nameCount % (valueCount + 1))
                    var head = Array("GET / HTTP/1.1\r\nhost: a\r\n\(name): ".utf8) + value
                    head += Array("\r\n\(name)2:\r\n\r\n".utf8)
                    for behind in [0, 3, 20] {
                        let bytes = head + [UInt8](repeating: UInt8(ascii: ":"), count: behind)
                        if let defect {
                            #expect(throws: defect) { _ = try RequestHead(parsing: bytes) }
                            continue
                        }
                        let fields = try RequestHead(parsing: bytes).fields
                        let trimmed = value.drop { $0 == 0x20 || $0 == 0x09 }
                        let end = trimmed.lastIndex { $0 != 0x20 && $0 != 0x09 }.map { $0 + 1 } ?? trimmed.startIndex
                        let shown = fields.withValue(of: name) { [UInt8](copying: $0) }
                        #expect(shown == Array(trimmed[..<end]), "\(nameCount) \(valueCount) \(byte)")
                        #expect(fields.count == 3 && fields["\(name)2"] == "")
                    }
                }
            }
        }
    }

    /// The same of names, in which fewer bytes may stand.
    @Test func `sees every byte of a field name`() throws {
        let outcomes: [(byte: UInt8, defect: RequestDefect)] = [
            (0x09, .malformedField), (0x20, .malformedField), (0x00, .controlInField), (0x7F, .controlInField),
            (0x0D, .bareCarriageReturn), (0x80, .malformedField), (0x28, .malformedField),
        ]
        for count in 2...18 {
            for place in 1..<count {
                for (byte, defect) in outcomes {
                    var name = [UInt8](repeating: UInt8(ascii: "n"), count: count)
                    name[place] = byte
                    let line = name + Array(": value that is long enough\r\n".utf8)
                    let isLast = place == count - 1
                    let isSpace = byte == 0x20 || byte == 0x09
                    let head = Array("GET / HTTP/1.1\r\nhost: a\r\n".utf8) + line + Array("\r\n".utf8)
                    #expect(throws: isLast && isSpace ? .spaceBeforeColon : defect) {
                        _ = try RequestHead(parsing: head)
                    }
                }
            }
        }
        #expect(throws: RequestDefect.malformedField) {
            _ = try RequestHead(parsing: Array("GET / HTTP/1.1\r\nhost: a\r\n: value that is long enough\r\n\r\n".utf8))
        }
        #expect(throws: RequestDefect.malformedField) {
            _ = try RequestHead(
                parsing: Array("GET / HTTP/1.1\r\nhost: a\r\nno colon stands here\r\na: b\r\n\r\n".utf8))
        }
    }

    @Test func `keeps values that are not UTF-8`() throws {
        let head = try RequestHead(
            parsing: Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + [0xE9] + Array("\r\n\r\n".utf8))
        #expect(head.fields["x"] == "\u{FFFD}")
        #expect(head.fields.withValue(of: "x") { $0[0] } == 0xE9)
    }
}
