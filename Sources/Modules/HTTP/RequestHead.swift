// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The head of a request that has passed the parser: nothing in it is malformed or ambiguous, and the framing of what
/// follows is decided. There is no other way to make one. An object, since it goes from hand to hand and never changes.
package final class RequestHead: Sendable {
    package let method: Method
    package let version: Version
    package let fields: Fields
    package let framing: BodyFraming
    /// True if the client is ready to send another request on this connection (RFC 9112 §9.3).
    package let keepsAlive: Bool
    /// True if the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    package let expectsContinue: Bool

    private let targetRange: Range<Int>
    private let targetParts: RequestTarget
    /// Where the name stands in the Host field.
    private let hostRange: Range<Int>?

    /// The name the client meant: of an absolute target, else of the Host field; nil only in HTTP/1.0.
    package var host: Host? { targetParts.host ?? fields.withValue(of: .host) { Host($0) } ?? nil }

    /// Lends the name of ``host`` to `body`, in the case of letters in which it was written; nil without calling it if there is
    /// none. Mostly it is only compared, and need not be made a text for that.
    package func withHostName<Result>(_ body: (Span<UInt8>) -> Result) -> Result? {
        if let host = targetParts.host { return body(host.name.utf8.span) }
        guard let hostRange else { return nil }
        let bytes = fields.storage
        return body(bytes.span.extracting(hostRange))
    }

    /// Decoded from the target: begins with `/`, is valid UTF-8, and holds no dot segments, no controls and no slashes that
    /// were encoded. `*` for a server-wide OPTIONS.
    package var path: String { withPath { String(decoding: $0) } }

    /// True for a server-wide OPTIONS.
    package var isForServer: Bool { targetParts.decodedPath == "*" }

    /// The value of the first field with this name. Bytes that are not UTF-8 appear as U+FFFD.
    package subscript(_ field: String) -> String? { fields[field] }

    /// Lends the value's bytes of the first field with this name to `body`; nil without calling it if there is none.
    package func withValue<Result>(of field: FieldName, _ body: (Span<UInt8>) -> Result) -> Result? {
        fields.withValue(of: field, body)
    }

    /// Lends the bytes of ``path`` to `body`: most paths are only compared, and need not be made texts for that.
    package func withPath<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        guard let pathRange = targetParts.path else { return body((targetParts.decodedPath ?? "").utf8.span) }
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
        return targetParts.query.map { String(decoding: bytes.span.extracting($0)) }
    }

    /// The decoded pairs of the query, in order, at most `queryItemsMax`.
    package var queryItems: [QueryItem] {
        let bytes = fields.storage
        return targetParts.query.map { QueryItem.items(in: bytes.span.extracting($0)) } ?? []
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
        case .head(let range):
            try self.init(in: bytes, range, fieldCount: scanner.fieldCount, limits: limits)
        }
    }

    /// Parses the head that `HeadScanner` has found complete at `range`. It keeps `bytes`, and looks at nothing in it but
    /// the head.
    init(
        in bytes: borrowing [UInt8], _ range: Range<Int>, fieldCount: Int, limits: borrowing HTTPServerLimits
    ) throws(RequestDefect) {
        let line = try RequestLine(bytes.span, range)
        let version = line.version
        targetParts =
            line.hasPlainTarget
            ? RequestTarget(plain: line.target)
            : try RequestTarget(in: bytes.span, line.target, method: line.method, queryItemsMax: limits.queryItemsMax)
        let fields: Fields
        do throws(FieldDefect) {
            fields = try Fields(in: copy bytes, line.end..<range.upperBound, count: fieldCount)
        } catch {
            throw RequestDefect(error)
        }
        hostRange = try Self.hostName(fields, version)
        framing = try .request(fields, version, bodyBytesMax: limits.bodyBytesMax)
        expectsContinue = fields.contains(.expect) ? try Self.expectsContinue(fields, version) : false
        keepsAlive = fields.keepsAlive(version)
        method = line.method
        self.version = version
        targetRange = line.target
        self.fields = fields
    }

    /// RFC 9112 §3.2: exactly one valid Host in HTTP/1.1, at most one in HTTP/1.0, also beside an absolute target, which
    /// then decides.
    private static func hostName(_ fields: Fields, _ version: Version) throws(RequestDefect) -> Range<Int>? {
        guard fields.count(of: .host) <= 1 else { throw .duplicateHost }
        guard let place = fields.firstPlace(of: .host) else {
            guard version == .http10 else { throw .missingHost }
            return nil
        }
        guard let nameCount = Host.nameCount(fields.storage.span.extracting(place)) else { throw .malformedHost }
        return place.lowerBound..<(place.lowerBound &+ nameCount)
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

    /// True if the target is a path that means itself, and nothing else.
    let hasPlainTarget: Bool

    /// - Parameter head: where the head stands in `bytes`, complete.
    init(_ bytes: Span<UInt8>, _ head: Range<Int>) throws(RequestDefect) {
        let start = head.lowerBound
        guard let lineFeed = bytes.firstIndex(of: Octet.lineFeed, from: start), lineFeed > start,
            lineFeed < head.upperBound
        else { throw .malformedRequestLine }
        end = lineFeed + 1
        let line = bytes.extracting(start..<(lineFeed - 1))
        // As nearly all lines are: what stands between the method and the last word has no space or control in it.
        let (known, nameCount) = Method.begin(line)
        let targetEnd = line.count - (HTTPVersionWord.count + 1)
        if let known, targetEnd > nameCount + 1, line[targetEnd] == Octet.space,
            line.word(at: targetEnd + 1) == HTTPVersionWord.http11,
            line.extracting((nameCount + 1)..<targetEnd).isPlainPath
        {
            method = known
            target = (start + nameCount + 1)..<(start + targetEnd)
            version = .http11
            hasPlainTarget = true
            return
        }
        (method, target, version) = try Self.parts(line, from: start)
        hasPlainTarget = false
    }

    /// Reads a line step by step.
    ///
    /// - Parameter start: where it begins, which what is found is told from.
    @inline(never)
    private static func parts(
        _ line: Span<UInt8>, from start: Int
    ) throws(RequestDefect) -> (Method, Range<Int>, Version) {
        guard line.firstIndex(of: Octet.carriageReturn) == nil else { throw .bareCarriageReturn }
        guard let first = line.firstIndex(of: Octet.space), let method = Method(line.extracting(0..<first)),
            let second = line.firstIndex(of: Octet.space, from: first + 1),
            line.firstIndex(of: Octet.space, from: second + 1) == nil
        else { throw .malformedRequestLine }
        let version = try version(line.extracting((second + 1)..<line.count))
        if case .other(let name) = method, name == "CONNECT" || name == "TRACE" { throw .methodRefused }
        return (method, (start + first + 1)..<(start + second), version)
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

extension Fields {
    /// Whether whoever sent these is ready for another message on the connection (RFC 9112 §9.3).
    func keepsAlive(_ version: Version) -> Bool {
        contains(.connection) ? listsPersistence(version) : version == .http11
    }

    @inline(never)
    private func listsPersistence(_ version: Version) -> Bool {
        // Mostly one says this, and nothing else.
        if count(of: .connection) == 1,
            withValue(of: .connection, { $0.equalsIgnoringASCIICase(small: "keep-alive") }) ?? false
        {
            return true
        }
        return !contains(token: "close", in: .connection)
            && (version == .http11 || contains(token: "keep-alive", in: .connection))
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
