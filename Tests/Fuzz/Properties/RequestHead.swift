// SPDX-License-Identifier: Apache-2.0

import Bytes

@testable import HTTP

extension Property {
    /// A request's head means the same whole and in pieces, as a plain reader sees it, and as it is written again.
    package static let requestHead = Property("RequestHead") { (bytes) throws(Broken) -> Bool in
        let accepted = try RequestHeads.check(bytes, HTTPServerLimits())
        _ = try RequestHeads.check(bytes, RequestHeads.small)
        return accepted
    }
}

private enum RequestHeads {
    static let small: HTTPServerLimits = {
        var limits = HTTPServerLimits()
        limits.requestLineBytesMax = 40
        limits.headBytesMax = 120
        limits.fieldsMax = 3
        limits.queryItemsMax = 2
        limits.bodyBytesMax = 1_000
        return limits
    }()

    static func check(_ bytes: [UInt8], _ limits: HTTPServerLimits) throws(Broken) -> Bool {
        let whole = try? RequestHead(parsing: bytes, limits: limits)
        let grown = try grow(bytes, limits)
        try demand((whole == nil) == (grown == nil), "accepted whole or in pieces, but not both")
        guard let head = whole, let grown else { return false }
        try demand(head.target == grown.target && head.fields.elementsEqual(grown.fields, by: ==), "cut, it differs")
        try checkMeaning(of: head, bytes, limits)
        try checkFraming(of: head, bytes, limits)
        try checkWriting(of: head)
        return true
    }

    /// The head as a connection finds it when a byte comes at a time.
    private static func grow(_ bytes: [UInt8], _ limits: HTTPServerLimits) throws(Broken) -> RequestHead? {
        var scanner = HeadScanner(limits)
        for count in 0...bytes.count {
            switch scanner.scan(bytes.span.extracting(0..<count)) {
            case .wait: continue
            case .refuse: return nil
            case .head(let range):
                try demand(range.upperBound == count, "the head ends at \(range.upperBound), found at \(count)")
                try demand(range.count <= limits.headBytesMax, "the head is longer than headBytesMax")
                return try? RequestHead(in: bytes, range, fieldCount: scanner.fieldCount, limits: limits)
            }
        }
        return nil
    }

    private static func checkMeaning(
        of head: RequestHead, _ bytes: [UInt8], _ limits: HTTPServerLimits
    ) throws(Broken) {
        try demand(head.target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "the target is not visible ASCII")
        try demand(head.target.utf8.count <= limits.requestLineBytesMax, "the target is longer than its line")
        try demand(head.path == "*" || head.path.utf8.first == UInt8(ascii: "/"), "the path has no slash in front")
        try demand(head.path.isOneLine && !head.path.utf8.contains(0x09), "a control in the path")
        let segments = head.path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        try demand(
            !segments.contains { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) },
            "a dot segment in the path")
        try demand(head.queryItems.count <= limits.queryItemsMax, "more query items than queryItemsMax")
        try demand(
            head.queryItems.allSatisfy { !$0.name.utf8.contains(0) && !$0.value.utf8.contains(0) }, "NUL in the query")
        try demand(head.fields.count <= limits.fieldsMax, "more fields than fieldsMax")
        guard let plain = PlainHead(bytes) else { throw Broken("a head without an end") }
        try demand(plain.fields.count == head.fields.count, "\(head.fields.count) fields, a plain reader sees others")
        for (field, seen) in zip(head.fields, plain.fields) {
            try demand(field.name.isOneLine && field.value.isOneLine, "a control in a field")
            let isSame =
                field.name.utf8.elementsEqual(seen.name) && field.value == String(decoding: seen.value, as: UTF8.self)
            try demand(isSame, "the field \(field.name) is not what a plain reader sees")
        }
        let hostName = head.withHostName { String(decoding: $0).asciiLowercased }
        try demand(hostName == head.host?.name, "two names of the host")
        if let host = head.host {
            try demand(Host(host.name)?.name == host.name, "a host that is none: \(host.name)")
        }
        try demand(head.version == .http10 || plain.values("host").count == 1, "not exactly one host")
    }

    /// Two readers of one request must find the same end, or a second request hides in the first.
    private static func checkFraming(
        of head: RequestHead, _ bytes: [UInt8], _ limits: HTTPServerLimits
    ) throws(Broken) {
        guard let plain = PlainHead(bytes) else { return }
        let lengths = plain.values("content-length")
        let codings = plain.values("transfer-encoding")
        try demand(lengths.count + codings.count <= 1, "framed twice")
        switch head.framing {
        case .none: try demand(codings.isEmpty && (lengths.first.map { Int($0) == 0 } ?? true), "a body unseen")
        case .length(let count):
            try demand(lengths.first.flatMap { Int($0) } == count, "a length of \(count) that nobody wrote")
            try demand(count > 0 && count <= limits.bodyBytesMax, "a length out of range")
        case .chunked:
            try demand(codings.first?.equalsIgnoringASCIICase("chunked") == true, "chunked unasked")
        case .untilClose: throw Broken("a request that ends with the connection")
        }
    }

    /// Written as our client writes it and read again, it says the same.
    private static func checkWriting(of head: RequestHead) throws(Broken) {
        guard MessageEncoder.isValidTarget(head.target) else { return }
        let opening = MessageEncoder.opening(head.method, target: head.target, authority: "h")
        let output = MessageEncoder.head(opening, head.fields, bodyBytes: 5)
        let again: RequestHead
        do throws(RequestDefect) {
            again = try RequestHead(parsing: output, limits: HTTPServerLimits())
        } catch {
            // The written head has a host and a length more; expectations that HTTP/1.0 ignores are refused in 1.1.
            try demand(error != .bareLineFeed && error != .bareCarriageReturn, "written, it has other lines")
            let isLarger = error == .headTooLarge || error == .tooManyFields || error == .requestLineTooLong
            try demand(isLarger || head.version == .http10, "written, it is refused: \(error)")
            return
        }
        try demand(again.method == head.method && again.path == head.path, "written, it is another request")
        try demand(again.query == head.query && again.framing == .length(5), "written, it is another request")
        for (name, value) in head.fields where again.fields.contains(name) && name.utf8.count > 17 {
            try demand(again.fields.all(name).contains(value), "written, the field \(name) differs")
        }
    }
}
