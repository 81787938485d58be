// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The head of a request that has passed the parser: nothing in it is malformed or ambiguous, and the framing of what
/// follows is decided. There is no other way to make one. An object, since it goes from hand to hand and never changes.
package final class RequestHead: Sendable {
    package let method: Method
    package let version: Version
    /// The name the client meant: of an absolute target, else of the Host field; nil only in HTTP/1.0.
    package let host: Host?
    package let fields: Fields
    package let framing: BodyFraming
    /// True if the client is ready to send another request on this connection (RFC 9112 §9.3).
    package let keepsAlive: Bool
    /// True if the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    package let expectsContinue: Bool

    private let targetRange: Range<Int>
    private let pathRange: Range<Int>?
    private let decodedPath: String?
    private let queryRange: Range<Int>?

    /// Decoded from the target: begins with `/`, is valid UTF-8, and holds no dot segments, no controls and no slashes that
    /// were encoded. `*` for a server-wide OPTIONS.
    package var path: String { withPath { String(decoding: $0) } }

    /// True for a server-wide OPTIONS.
    package var isForServer: Bool { decodedPath == "*" }

    /// The value of the first field with this name. Bytes that are not UTF-8 appear as U+FFFD.
    package subscript(_ field: String) -> String? { fields[field] }

    /// Lends the value's bytes of the first field with this name to `body`; nil without calling it if there is none.
    package func withValue<Result>(of field: FieldName, _ body: (Span<UInt8>) -> Result) -> Result? {
        fields.withValue(of: field, body)
    }

    /// Lends the bytes of ``path`` to `body`: most paths are only compared, and need not be made texts for that.
    package func withPath<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        guard let pathRange else { return body((decodedPath ?? "").utf8.span) }
        let bytes = fields.storage
        return body(bytes.span.extracting(pathRange))
    }

    /// The target as received.
    package var target: String {
        let bytes = fields.storage
        return String(decoding: bytes.span.extracting(targetRange))
    }

    /// The raw query without its `?`; nil if the target has none.
    package var query: String? {
        let bytes = fields.storage
        return queryRange.map { String(decoding: bytes.span.extracting($0)) }
    }

    /// The decoded pairs of the query, in order, at most `queryItemsMax`.
    package var queryItems: [QueryItem] {
        let bytes = fields.storage
        return queryRange.map { QueryItem.items(in: bytes.span.extracting($0)) } ?? []
    }

    /// Parses the first head in `bytes`; what follows it is ignored. For tests and fuzzers: a connection finds the end of
    /// a head as it comes in.
    ///
    /// - Throws: what is wrong; `malformedRequestLine` if the head is not complete.
    package convenience init(
        parsing bytes: [UInt8], limits: HTTPServerLimits = HTTPServerLimits()
    ) throws(RequestDefect) {
        var scanner = HeadScanner(limits)
        switch scanner.scan(bytes.span) {
        case .wait: throw .malformedRequestLine
        case .refuse(let defect): throw RequestDefect(defect)
        case .head(let range): try self.init(in: bytes, range, limits: limits)
        }
    }

    /// Parses the head that `HeadScanner` has found complete at `range`. It keeps `bytes`, and looks at nothing in it but
    /// the head.
    init(in bytes: borrowing [UInt8], _ range: Range<Int>, limits: HTTPServerLimits) throws(RequestDefect) {
        let line = try RequestLine(bytes.span, range)
        let target = try RequestTarget(
            in: bytes.span, line.target, method: line.method, queryItemsMax: limits.queryItemsMax)
        let fields: Fields
        do throws(FieldDefect) {
            fields = try Fields(in: copy bytes, line.end..<range.upperBound)
        } catch {
            throw RequestDefect(error)
        }
        let version = line.version
        host = try Self.host(fields, version, absolute: target.host)
        framing = try .request(fields, version, bodyBytesMax: limits.bodyBytesMax)
        expectsContinue = try Self.expectsContinue(fields, version)
        keepsAlive =
            !fields.contains(token: "close", in: .connection)
            && (version == .http11 || fields.contains(token: "keep-alive", in: .connection))
        method = line.method
        self.version = version
        targetRange = line.target
        queryRange = target.query
        pathRange = target.path
        decodedPath = target.decodedPath
        self.fields = fields
    }

    /// RFC 9112 §3.2: exactly one valid Host in HTTP/1.1, at most one in HTTP/1.0, also beside an absolute target, which
    /// then decides.
    private static func host(_ fields: Fields, _ version: Version, absolute: Host?) throws(RequestDefect) -> Host? {
        guard fields.count(of: .host) <= 1 else { throw .duplicateHost }
        guard let parsed = fields.withValue(of: .host, { Host($0) }) else {
            guard version == .http10 else { throw .missingHost }
            return absolute
        }
        guard let parsed else { throw .malformedHost }
        return absolute ?? parsed
    }

    private static func expectsContinue(_ fields: Fields, _ version: Version) throws(RequestDefect) -> Bool {
        guard version == .http11, let expectation = fields[.expect] else { return false }
        guard fields.count(of: .expect) == 1, expectation.equalsIgnoringASCIICase("100-continue") else {
            throw .unsupportedExpectation
        }
        return true
    }
}

/// `method SP request-target SP HTTP-version CRLF` (RFC 9112 §3), with single spaces and nothing else between.
private struct RequestLine {
    let method: Method
    let target: Range<Int>
    let version: Version
    /// Where the next line begins.
    let end: Int

    /// - Parameter head: where the head stands in `bytes`, complete.
    init(_ bytes: Span<UInt8>, _ head: Range<Int>) throws(RequestDefect) {
        let start = head.lowerBound
        guard let lineFeed = bytes.firstIndex(of: Octet.lineFeed, from: start), lineFeed > start,
            lineFeed < head.upperBound
        else { throw .malformedRequestLine }
        end = lineFeed + 1
        let line = bytes.extracting(start..<(lineFeed - 1))
        guard line.firstIndex(of: Octet.carriageReturn) == nil else { throw .bareCarriageReturn }
        guard let first = line.firstIndex(of: Octet.space), let method = Method(line.extracting(0..<first)),
            let second = line.firstIndex(of: Octet.space, from: first + 1),
            line.firstIndex(of: Octet.space, from: second + 1) == nil
        else { throw .malformedRequestLine }
        target = (start + first + 1)..<(start + second)
        version = try Self.version(line.extracting((second + 1)..<line.count))
        if case .other(let name) = method, name == "CONNECT" || name == "TRACE" { throw .methodRefused }
        self.method = method
    }

    /// `HTTP/` DIGIT `.` DIGIT, case-sensitive (RFC 9112 §2.3). A minor version above 1 was never published; RFC 9110
    /// §15.6.6 lets us refuse it, and we cannot promise to read what it may mean.
    private static func version(_ text: Span<UInt8>) throws(RequestDefect) -> Version {
        guard text.count == 8, text.extracting(0..<5).equals("HTTP/"), text[5].isASCIIDigit,
            text[6] == UInt8(ascii: "."),
            text[7].isASCIIDigit
        else { throw .malformedVersion }
        guard text[5] == UInt8(ascii: "1") else { throw .unsupportedVersion }
        switch text[7] {
        case UInt8(ascii: "1"): return .http11
        case UInt8(ascii: "0"): return .http10
        default: throw .unsupportedVersion
        }
    }
}

extension HeadScanner {
    init(_ limits: HTTPServerLimits) {
        self.init(
            firstLineBytesMax: limits.requestLineBytesMax, headBytesMax: limits.headBytesMax,
            fieldsMax: limits.fieldsMax)
    }
}

extension RequestDefect {
    init(_ defect: HeadScanner.Defect) {
        switch defect {
        case .malformed: self = .malformedRequestLine
        case .bareLineFeed: self = .bareLineFeed
        case .firstLineTooLong: self = .requestLineTooLong
        case .headTooLarge: self = .headTooLarge
        case .tooManyFields: self = .tooManyFields
        }
    }

    init(_ defect: FieldDefect) {
        switch defect {
        case .malformed: self = .malformedField
        case .spaceBeforeColon: self = .spaceBeforeColon
        case .obsoleteFold: self = .obsoleteFold
        case .control: self = .controlInField
        case .bareCarriageReturn: self = .bareCarriageReturn
        }
    }
}
