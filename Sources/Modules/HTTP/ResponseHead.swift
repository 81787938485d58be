// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The head of an upstream's response. As strict as the server's parser where framing is concerned; a status line
/// without a phrase, with or without the space in front of it, is accepted.
package final class ResponseHead: Sendable {
    package let status: Status
    package let version: Version
    package let fields: Fields
    package let framing: BodyFraming
    /// True if the upstream is ready for another request on this connection.
    package let keepsAlive: Bool

    /// What is wrong with a response head.
    package enum Defect: Error, Equatable, Sendable {
        case malformedStatusLine
        case unsupportedVersion
        case bareLineFeed
        case malformedField
        case ambiguousFraming
        case tooLarge
    }

    /// Bounds of a response head.
    package struct Limits: Sendable {
        /// Head and interim heads each, in bytes.
        package var headBytesMax = 64 << 10
        package var fieldsMax = 200

        package init() {}
    }

    /// Parses the first head in `bytes`, an answer to a request with `method`; what follows it is ignored. For tests and
    /// fuzzers.
    ///
    /// - Throws: what is wrong; `malformedStatusLine` if the head is not complete.
    package convenience init(parsing bytes: [UInt8], method: Method, limits: Limits = Limits()) throws(Defect) {
        var scanner = HeadScanner(limits)
        switch scanner.scan(bytes.span) {
        case .wait: throw .malformedStatusLine
        case .refuse(let defect): throw Defect(defect)
        case .head(let range): try self.init(in: bytes, range, fieldCount: scanner.fieldCount, method: method)
        }
    }

    /// Parses the head that `HeadScanner` has found complete at `range`. It keeps `bytes`, and looks at nothing in it but
    /// the head.
    init(in bytes: borrowing [UInt8], _ range: Range<Int>, fieldCount: Int, method: Method) throws(Defect) {
        let start = range.lowerBound
        guard let lineFeed = bytes.span.firstIndex(of: Octet.lineFeed, from: start), lineFeed > start,
            lineFeed < range.upperBound
        else { throw .malformedStatusLine }
        let (version, status) = try Self.statusLine(bytes.span.extracting(start..<(lineFeed - 1)))
        let fields: Fields
        do throws(FieldDefect) {
            fields = try Fields(in: copy bytes, (lineFeed + 1)..<range.upperBound, count: fieldCount)
        } catch {
            throw .malformedField
        }
        guard let framing = BodyFraming.response(fields, version, status, to: method) else { throw .ambiguousFraming }
        self.version = version
        self.status = status
        self.framing = framing
        keepsAlive = framing != .untilClose && fields.keepsAlive(version)
        self.fields = fields
    }

    /// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 §4). The phrase is not kept: it is upstream's text,
    /// and means nothing.
    private static func statusLine(_ line: Span<UInt8>) throws(Defect) -> (Version, Status) {
        guard line.count >= 12, line[8] == Octet.space, line.count == 12 || line[12] == Octet.space,
            let code = line.extracting(9..<12).decimal, (100...599).contains(code)
        else { throw .malformedStatusLine }
        for index in 12..<line.count where !line[index].isFieldContent { throw .malformedStatusLine }
        if line.word(at: 0) == HTTPVersionWord.http11 { return (.http11, Status(code)) }
        guard line.extracting(0..<5).equals("HTTP/") else { throw .malformedStatusLine }
        if line.extracting(5..<8).equals("1.0") { return (.http10, Status(code)) }
        throw .unsupportedVersion
    }
}

extension HeadScanner {
    init(_ limits: ResponseHead.Limits) {
        self.init(
            firstLineBytesMax: limits.headBytesMax, headBytesMax: limits.headBytesMax, fieldsMax: limits.fieldsMax)
    }
}

extension ResponseHead.Defect {
    init(_ defect: HeadScanner.Defect) {
        switch defect {
        case .malformed: self = .malformedStatusLine
        case .bareLineFeed: self = .bareLineFeed
        case .firstLineTooLong, .headTooLarge, .tooManyFields: self = .tooLarge
        }
    }
}
