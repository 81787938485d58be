// SPDX-License-Identifier: Apache-2.0
//
// A form with files (RFC 7578) is a multipart body (RFC 2046 §5.1): parts between delimiters.
//
//     --BOUNDARY CRLF  head of a part  CRLF CRLF  content  CRLF --BOUNDARY CRLF  …  CRLF --BOUNDARY-- CRLF
//
// A delimiter is the CRLF before it, two hyphens and the boundary, which must not occur in any content: whatever begins
// with those bytes is a delimiter (§5.1.1), so there is one way to read a body. The first one stands at the beginning,
// where no CRLF precedes it; the parser acts as if one did.

import Bytes

/// Why a body is no form.
package enum MultipartDefect: Error, Equatable, Sendable {
    /// The body ends before the last delimiter.
    case truncated
    /// Something stands before the first delimiter or behind the last that is longer than anybody has a reason for.
    case strayBytes
    /// A delimiter is followed by something else than the end of its line.
    case malformedDelimiter
    /// The head of a part is no list of fields, or not of a form.
    case malformedHead
    /// The head of a part is longer than ``MultipartLimits/headBytesMax``.
    case headTooLarge
    /// There are more than ``MultipartLimits/partsMax`` parts.
    case tooManyParts
}

/// The maxima of one form.
package enum MultipartLimits {
    /// Bytes of a boundary (RFC 2046 §5.1.1).
    package static let boundaryBytesMax = 70
    /// Bytes of the head of one part.
    package static let headBytesMax = 4096
    /// Bytes of a preamble or an epilogue, which readers ignore.
    package static let strayBytesMax = 1024
    /// Blanks between a boundary and the end of its line.
    static let paddingBytesMax = 64
    package static let partsMax = 32
}

/// Reads a form as its bytes come in; a value without input or output, which holds less than a head or a delimiter more than
/// what it was last given.
package struct MultipartParser: Sendable {
    /// What comes next in a form.
    package enum Event: Sendable, Equatable {
        case part(MultipartPart)
        /// Some of the part's content, never empty.
        case data([UInt8])
        case endOfPart
        /// The last delimiter; what follows is ignored.
        case end
    }

    private enum State {
        case preamble, delimiter, head, content, epilogue
    }

    private var state = State.preamble
    /// The CRLF that precedes a delimiter, two hyphens, the boundary.
    private let delimiter: [UInt8]
    private var buffer: [UInt8] = [0x0D, 0x0A]
    private var start = 0
    private var strayBytes = 0
    private var parts = 0

    /// - Parameter boundary: as ``boundary(of:)`` gives it.
    package init(boundary: String) {
        delimiter = Array("\r\n--\(boundary)".utf8)
    }

    /// The boundary that a content type names; nil if it is not `multipart/form-data`, or the boundary is none.
    package static func boundary(of contentType: String) -> String? {
        guard let value = HeaderParameters(contentType), value.value == "multipart/form-data",
            let boundary = value["boundary"], (1...MultipartLimits.boundaryBytesMax).contains(boundary.utf8.count),
            boundary.utf8.allSatisfy(isBoundary), boundary.utf8.last != 0x20
        else { return nil }
        return boundary
    }

    /// Gives the parser more of the body; take the events before giving more.
    package mutating func append(_ bytes: [UInt8]) {
        if start > 0 {
            buffer.removeSubrange(0..<start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next event; nil until there is more of the body.
    package mutating func next() throws(MultipartDefect) -> Event? {
        while true {
            switch state {
            case .preamble: if try !skipPreamble() { return nil }
            case .delimiter:
                guard let isLast = try endOfDelimiter() else { return nil }
                if isLast {
                    state = .epilogue
                    return .end
                }
                state = .head
            case .head:
                guard let part = try head() else { return nil }
                state = .content
                return .part(part)
            case .content: return content()
            case .epilogue:
                strayBytes += buffer.count - start
                start = buffer.count
                guard strayBytes <= MultipartLimits.strayBytesMax else { throw .strayBytes }
                return nil
            }
        }
    }

    /// To be asked at the end of the body.
    package func finish() throws(MultipartDefect) {
        guard case .epilogue = state else { throw .truncated }
    }

    private mutating func skipPreamble() throws(MultipartDefect) -> Bool {
        guard let found = buffer.span.firstRange(of: delimiter.span) else {
            guard buffer.count <= MultipartLimits.strayBytesMax + delimiter.count else { throw .strayBytes }
            return false
        }
        guard found.lowerBound <= MultipartLimits.strayBytesMax else { throw .strayBytes }
        start = found.upperBound
        state = .delimiter
        return true
    }

    /// Whether the delimiter just read is the last; nil until its line has ended.
    private mutating func endOfDelimiter() throws(MultipartDefect) -> Bool? {
        let hyphen = UInt8(ascii: "-")
        guard buffer.count - start >= 2 else { return nil }
        if buffer[start] == hyphen, buffer[start + 1] == hyphen {
            start += 2
            return true
        }
        var index = start
        while index < buffer.count, buffer[index] == 0x20 || buffer[index] == 0x09 { index += 1 }
        guard index - start <= MultipartLimits.paddingBytesMax else { throw .malformedDelimiter }
        guard buffer.count - index >= 2 else {
            guard index == buffer.count || buffer[index] == 0x0D else { throw .malformedDelimiter }
            return nil
        }
        guard buffer[index] == 0x0D, buffer[index + 1] == 0x0A else { throw .malformedDelimiter }
        start = index + 2
        return false
    }

    private mutating func head() throws(MultipartDefect) -> MultipartPart? {
        let end = [UInt8]([0x0D, 0x0A, 0x0D, 0x0A])
        guard let found = buffer.span.firstRange(of: end.span, from: start),
            found.lowerBound - start <= MultipartLimits.headBytesMax
        else {
            guard buffer.count - start < MultipartLimits.headBytesMax + end.count else { throw .headTooLarge }
            return nil
        }
        parts += 1
        guard parts <= MultipartLimits.partsMax else { throw .tooManyParts }
        let head = Array(buffer[start..<found.lowerBound])
        // A line of the head that begins like a delimiter is one, as readers see that look for it first: taken for a field,
        // it would hide a part from us that they find.
        guard (Array("\r\n".utf8) + head).span.firstRange(of: delimiter.span) == nil,
            let part = MultipartPart(head: head)
        else { throw .malformedHead }
        // The last CRLF of the head stays: without content, it begins the delimiter.
        start = found.upperBound - 2
        isAtContent = false
        return part
    }

    /// False while the CRLF that ended the head still stands before the content.
    private var isAtContent = false

    private mutating func content() -> Event? {
        if let found = buffer.span.firstRange(of: delimiter.span, from: start) {
            return content(until: found)
        }
        // Its last bytes may begin a delimiter.
        return data(upTo: buffer.count - (delimiter.count - 1))
    }

    private mutating func content(until found: Range<Int>) -> Event? {
        if let data = data(upTo: found.lowerBound) { return data }
        start = found.upperBound
        state = .delimiter
        return .endOfPart
    }

    private mutating func data(upTo end: Int) -> Event? {
        let first = isAtContent ? start : start + 2
        guard first < end else { return nil }
        isAtContent = true
        start = end
        return .data(Array(buffer[first..<end]))
    }

    /// `bchars` of RFC 2046 §5.1.1.
    private static func isBoundary(_ byte: UInt8) -> Bool {
        byte.isASCIIDigit || byte.isASCIILetter || Array("'()+_,-./:=? ".utf8).contains(byte)
    }
}
