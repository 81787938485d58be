// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Writes heads and chunks. The fields that frame a message (`connection`, `content-length`, `transfer-encoding` and
/// their relatives) are written here and nowhere else: what a handler or an upstream put into `Fields` under these names
/// is left out, so that a head and its body cannot contradict each other.
enum MessageEncoder {
    /// What frames the body of an answer.
    enum Body: Equatable {
        /// Neither body nor length (1xx, 204, 304).
        case none
        case length(Int)
        case chunked
        case untilClose
    }

    /// What an answer says of the connection.
    enum Persistence: Equatable {
        /// It stays open, which HTTP/1.1 need not be told.
        case implied
        /// It stays open; a client of HTTP/1.0 asked for that.
        case keepAlive
        case close
    }

    static func appendHead(
        _ status: Status, _ fields: borrowing Fields, also more: borrowing Fields = Fields(), _ body: Body,
        _ persistence: Persistence, date: DateLine, to output: inout [UInt8]
    ) {
        output.append(addingCapacity: headBytesMax(fields, more)) {
            appendHead(status, fields, also: more, body, persistence, date: date, to: &$0)
        }
    }

    /// No fewer bytes than the head of an answer with these fields takes.
    static func headBytesMax(_ fields: borrowing Fields, _ more: borrowing Fields) -> Int {
        fields.lineBytesMax + more.lineBytesMax + linesBytesMax
    }

    /// The head of an answer, where there are `headBytesMax` bytes of room.
    static func appendHead(
        _ status: Status, _ fields: borrowing Fields, also more: borrowing Fields, _ body: Body,
        _ persistence: Persistence, date: DateLine, to head: inout OutputSpan<UInt8>
    ) {
        if status.code == 200 {
            head.append(date.behindOK.span)
        } else {
            head.append(utf8: "HTTP/1.1 ")
            head.append(decimal: status.code)
            head.append(utf8: " ")
            head.append(utf8: status.reason)
            head.append(date.behindOK.span.extracting(DateLine.start...))
        }
        append(fields, to: &head)
        append(more, to: &head)
        append(body, to: &head)
        switch persistence {
        case .implied: break
        case .keepAlive: head.append(utf8: "connection: keep-alive\r\n")
        case .close: head.append(utf8: "connection: close\r\n")
        }
        head.append(utf8: "\r\n")
    }

    /// Bytes that a head needs at most beside its fields: the longest reason, date, length or coding, persistence.
    private static let linesBytesMax = 256

    /// The request line and the host field.
    ///
    /// - Parameter target: begins with `/`, and is checked by the caller (`isValidTarget`).
    static func opening(_ method: Method, target: String, authority: String) -> [UInt8] {
        Array("\(method.name) \(target) HTTP/1.1\r\nhost: \(authority)\r\n".utf8)
    }

    /// No fewer bytes than the head of a request with these fields takes.
    static func headBytesMax(_ opening: [UInt8], _ fields: Fields) -> Int {
        opening.count + fields.lineBytesMax + linesBytesMax
    }

    /// The head of a request, where there are `headBytesMax` bytes of room.
    ///
    /// - Parameter bodyBytes: nil for a request without a body.
    static func appendHead(
        _ opening: borrowing [UInt8], _ fields: borrowing Fields, bodyBytes: Int?, to head: inout OutputSpan<UInt8>
    ) {
        head.append(opening.span)
        append(fields, to: &head)
        if let bodyBytes { append(.length(bodyBytes), to: &head) }
        head.append(utf8: "\r\n")
    }

    /// The same as an array.
    static func head(_ opening: [UInt8], _ fields: Fields, bodyBytes: Int?) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(addingCapacity: headBytesMax(opening, fields)) {
            appendHead(opening, fields, bodyBytes: bodyBytes, to: &$0)
        }
        return bytes
    }

    /// True if the text can stand in a request line: visible ASCII that begins with `/`, and no `#`.
    static func isValidTarget(_ target: String) -> Bool {
        let bytes = target.utf8.span
        guard !bytes.isEmpty, bytes[0] == Octet.slash else { return false }
        for index in 0..<bytes.count where bytes[index] != Octet.percent {
            guard CharacterSet128.query.contains(bytes[index]) else { return false }
        }
        return true
    }

    /// Bytes that stand around a chunk's data at most, and those that end the body behind it: sixteen digits and three ends of
    /// lines, the last chunk and one more.
    static let chunkFrameBytesMax = 32

    /// Appends a chunk with this data, where there is room for it; nothing for no data, since an empty chunk would end the
    /// body.
    static func appendChunk(_ data: Span<UInt8>, to output: inout OutputSpan<UInt8>) {
        guard !data.isEmpty else { return }
        appendHexadecimal(data.count, to: &output)
        output.append(utf8: "\r\n")
        output.append(data)
        output.append(utf8: "\r\n")
    }

    /// The same, and makes room.
    static func appendChunk(_ data: Span<UInt8>, to output: inout [UInt8]) {
        output.append(addingCapacity: data.count + chunkFrameBytesMax) { appendChunk(data, to: &$0) }
    }

    /// Appends what ends a chunked body, where there is room for it.
    static func appendLastChunk(to output: inout OutputSpan<UInt8>) {
        output.append(utf8: "0\r\n\r\n")
    }

    /// The same, and makes room.
    static func appendLastChunk(to output: inout [UInt8]) {
        output.append(addingCapacity: chunkFrameBytesMax) { appendLastChunk(to: &$0) }
    }

    private static func append(_ fields: borrowing Fields, to output: inout OutputSpan<UInt8>) {
        guard !fields.isWireForm else { return output.append(fields.storage.span) }
        let storage = fields.storage.span
        for entry in fields.entries where !FramingFields.contain(storage.extracting(entry.name)) {
            output.append(storage.extracting(entry.name))
            output.append(utf8: ": ")
            output.append(storage.extracting(entry.value))
            output.append(utf8: "\r\n")
        }
    }

    private static func append(_ body: Body, to output: inout OutputSpan<UInt8>) {
        switch body {
        case .none, .untilClose: break
        case .length(let bytes):
            output.append(utf8: "content-length: ")
            output.append(decimal: bytes)
            output.append(utf8: "\r\n")
        case .chunked: output.append(utf8: "transfer-encoding: chunked\r\n")
        }
    }

    private static func appendHexadecimal(_ number: Int, to output: inout OutputSpan<UInt8>) {
        var shift = 60
        while shift > 0, number >> shift & 15 == 0 { shift -= 4 }
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: number >> shift & 15)
            output.append(digit < 10 ? UInt8(ascii: "0") &+ digit : UInt8(ascii: "a") &+ digit &- 10)
            shift -= 4
        }
    }
}

/// The fields that belong to the connection and the framing, and to whoever writes the head. `expect` is one of them:
/// a body of ours follows at once, and nobody waits for leave to send it.
enum FramingFields {
    static func contain(_ name: Span<UInt8>) -> Bool {
        switch name.count {
        case 2: name.equalsIgnoringASCIICase("te")
        case 4: name.equalsIgnoringASCIICase("date") || name.equalsIgnoringASCIICase("host")
        case 6: name.equalsIgnoringASCIICase("expect")
        case 7: name.equalsIgnoringASCIICase("trailer") || name.equalsIgnoringASCIICase("upgrade")
        case 10: name.equalsIgnoringASCIICase("connection") || name.equalsIgnoringASCIICase("keep-alive")
        case 14: name.equalsIgnoringASCIICase("content-length")
        case 16: name.equalsIgnoringASCIICase("proxy-connection")
        case 17: name.equalsIgnoringASCIICase("transfer-encoding")
        default: false
        }
    }
}
