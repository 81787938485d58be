// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The target of a request line (RFC 9112 §3.2): `/path?query`, an absolute URL, or `*` for OPTIONS.
///
/// Nothing is normalised. A path that could be read in two ways (dot segments, encoded slashes, controls) is refused, so
/// that the router, a log and whatever stands in front or behind cannot disagree about it.
struct RequestTarget {
    /// Where the path stands, if it is one and means itself.
    let path: Range<Int>?
    /// Of any other target the path: decoded, or `*`.
    let decodedPath: String?
    /// Where the raw query stands, without its `?`.
    let query: Range<Int>?
    /// Of an absolute URL; it takes the place of the Host field (RFC 9112 §3.2.2).
    let host: Host?

    /// A path that means itself (``Span/isPlainPath``).
    init(plain target: Range<Int>) {
        path = target
        decodedPath = nil
        query = nil
        host = nil
    }

    init(in bytes: Span<UInt8>, _ target: Range<Int>, method: Method, queryItemsMax: Int) throws(RequestDefect) {
        guard let first = target.first else { throw .malformedTarget }
        if target.count == 1, bytes[first] == UInt8(ascii: "*"), method == .options {
            path = nil
            decodedPath = "*"
            query = nil
            host = nil
            return
        }
        var pathStart = first
        if bytes[first] == Octet.slash {
            host = nil
        } else {
            let authority = try Self.authority(ofAbsolute: bytes.extracting(target))
            host = authority.host
            pathStart += authority.end
        }
        let question = bytes.extracting(target).firstIndex(of: Octet.question).map { $0 + first }
        let pathEnd = question ?? target.upperBound
        decodedPath = try Self.decodedPath(bytes.extracting(pathStart..<pathEnd))
        path = decodedPath == nil ? pathStart..<pathEnd : nil
        query = question.map { ($0 + 1)..<target.upperBound }
        if let query { try Self.checkQuery(bytes.extracting(query), itemsMax: queryItemsMax) }
    }

    /// The authority of `http://authority/…`, and the offset behind it. CONNECT's form (a bare authority) comes here too
    /// and has no scheme: refused.
    private static func authority(ofAbsolute target: Span<UInt8>) throws(RequestDefect) -> (host: Host, end: Int) {
        var start = 0
        for scheme: StaticString in ["http://", "https://"] {
            let length = scheme.utf8CodeUnitCount
            if target.count >= length, target.extracting(0..<length).equalsIgnoringASCIICase(scheme) { start = length }
        }
        guard start > 0 else { throw .malformedTarget }
        var end = start
        while end < target.count, target[end] != Octet.slash, target[end] != Octet.question { end += 1 }
        guard let host = Host(target.extracting(start..<end)) else { throw .malformedTarget }
        return (host, end)
    }

    /// Begins with `/`; nil for what means itself.
    private static func decodedPath(_ raw: Span<UInt8>) throws(RequestDefect) -> String? {
        guard !raw.isEmpty else { return "/" }
        if raw.isPlainPath { return nil }
        var isEncoded = false
        for index in 0..<raw.count {
            if raw[index] == Octet.percent {
                isEncoded = true
            } else if !CharacterSet128.path.contains(raw[index]) {
                throw .malformedTarget
            }
        }
        guard isEncoded else {
            try refuseDotSegments(raw)
            return nil
        }
        guard let decoded = Percent.decode(raw), decoded.span.isValidUTF8 else { throw .malformedPercentEncoding }
        try checkEscapes(raw)
        try refuseDotSegments(decoded.span)
        return String(decoding: decoded, as: UTF8.self)
    }

    /// Refuses what an escape must not hide in a path. `raw` has been decoded without an error.
    private static func checkEscapes(_ raw: Span<UInt8>) throws(RequestDefect) {
        var index = 0
        while index < raw.count {
            guard raw[index] == Octet.percent else {
                index += 1
                continue
            }
            guard raw.count - index > 2, let high = raw[index + 1].hexDigitValue, let low = raw[index + 2].hexDigitValue
            else { throw .malformedPercentEncoding }
            switch high << 4 | low {
            case Octet.slash, UInt8(ascii: "\\"): throw .encodedSlash
            case 0..<0x20, 0x7F: throw .controlInTarget
            default: index += 3
            }
        }
    }

    /// Refuses `.` and `..` as segments.
    private static func refuseDotSegments(_ path: Span<UInt8>) throws(RequestDefect) {
        var segmentStart = 0
        for index in 0...path.count where index == path.count || path[index] == Octet.slash {
            let length = index - segmentStart
            let dot = UInt8(ascii: ".")
            if length == 1 || length == 2, path[segmentStart] == dot, path[index - 1] == dot { throw .dotSegment }
            segmentStart = index + 1
        }
    }

    /// Checks a query so that reading its items later cannot fail.
    private static func checkQuery(_ raw: Span<UInt8>, itemsMax: Int) throws(RequestDefect) {
        var items = 1
        var isEncoded = false
        for index in 0..<raw.count {
            if raw[index] == Octet.percent {
                isEncoded = true
            } else if !CharacterSet128.query.contains(raw[index]) {
                throw .malformedTarget
            } else if raw[index] == UInt8(ascii: "&") {
                items += 1
            }
        }
        guard items <= itemsMax else { throw .tooManyQueryItems }
        guard isEncoded else { return }
        guard let decoded = Percent.decode(raw), decoded.span.isValidUTF8 else { throw .malformedPercentEncoding }
        guard decoded.span.firstIndex(of: 0) == nil else { throw .controlInTarget }
    }
}

extension Span where Element == UInt8 {
    /// True for a path of letters, digits, `/`, `-` and `_` alone, which mean themselves in any order.
    var isPlainPath: Bool {
        guard !isEmpty, self[0] == Octet.slash else { return false }
        return allWords { word in
            ByteWord.areAll(
                word.letters | word.bytes(in: Octet.slash, UInt8(ascii: "9"))
                    | word.bytes(in: UInt8(ascii: "-"), UInt8(ascii: "-"))
                    | word.bytes(in: UInt8(ascii: "_"), UInt8(ascii: "_")))
        }
    }
}

/// A pair of a query, decoded in the way of HTML forms (`+` is a space).
package struct QueryItem: Equatable, Sendable {
    package let name: String
    /// Empty for a name without `=`.
    package let value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }

    /// The pairs of a raw query, in order; empty ones are left out. Pairs that do not decode are left out, of which the
    /// parser of heads has let none pass.
    static func items(in raw: Span<UInt8>) -> [QueryItem] {
        var items: [QueryItem] = []
        var start = 0
        while start < raw.count {
            let end = raw.firstIndex(of: UInt8(ascii: "&"), from: start) ?? raw.count
            let equals = raw.extracting(start..<end).firstIndex(of: UInt8(ascii: "=")).map { $0 + start } ?? end
            if end > start, let name = text(raw.extracting(start..<equals)),
                let value = text(raw.extracting(min(equals + 1, end)..<end))
            {
                items.append(QueryItem(name: name, value: value))
            }
            start = end + 1
        }
        return items
    }

    private static func text(_ raw: Span<UInt8>) -> String? {
        guard let decoded = Percent.decode(raw, plusIsSpace: true), decoded.span.isValidUTF8 else { return nil }
        return String(decoding: decoded, as: UTF8.self)
    }
}
