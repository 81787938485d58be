// SPDX-License-Identifier: Apache-2.0

import Bytes

/// What can be wrong with a field line of either a request, a response or a trailer.
enum FieldDefect: Error, Equatable {
    case malformed
    case spaceBeforeColon
    case obsoleteFold
    case control
    case bareCarriageReturn
}

extension Fields {
    /// Reads the field lines of a head that `HeadScanner` has found complete, so that every line ends with CR LF and the
    /// last one is empty. The fields keep `bytes` as their storage, with whatever stands in front of the head and behind.
    ///
    /// - Parameter lines: where the first field line begins in `bytes`, and where the head ends.
    init(in bytes: [UInt8], _ lines: Range<Int>) throws(FieldDefect) {
        var entries: [Entry] = []
        entries.reserveCapacity(Self.entriesExpected)
        let span = bytes.span
        var lineStart = lines.lowerBound
        while let lineFeed = span.firstIndex(of: Octet.lineFeed, from: lineStart), lineFeed > lineStart + 1,
            lineFeed < lines.upperBound
        {
            entries.append(try Self.entry(in: span, line: lineStart..<(lineFeed - 1)))
            lineStart = lineFeed + 1
        }
        self.init(storage: bytes, entries: entries)
    }

    /// What most messages have at most, so that room is made once.
    private static let entriesExpected = 16

    /// One field line without its line end: `field-name ":" OWS field-value OWS` (RFC 9112 §5).
    @inline(__always)
    static func entry(in bytes: Span<UInt8>, line: Range<Int>) throws(FieldDefect) -> Entry {
        guard line.upperBound <= Int(Int32.max) else { throw .malformed }
        let text = bytes.extracting(line)
        guard let colon = text.firstIndex(of: Octet.colon) else { throw nameDefect(in: bytes, line: line) }
        let name = text.extracting(0..<colon)
        let known = FieldName(of: name)
        guard known != .other || name.isToken else { throw nameDefect(in: bytes, line: line) }
        let content = (line.lowerBound + colon + 1)..<line.upperBound
        guard bytes.extracting(content).isFieldContent else { throw contentDefect(in: bytes, content) }
        let value = bytes.trimming(content)
        return Entry(name, known, at: line.lowerBound, valueAt: value.lowerBound, count: value.count)
    }

    /// The first of what may not stand in a value.
    private static func contentDefect(in bytes: Span<UInt8>, _ range: Range<Int>) -> FieldDefect {
        for place in range where !bytes[place].isFieldContent {
            return bytes[place] == Octet.carriageReturn ? .bareCarriageReturn : .control
        }
        return .control
    }

    /// Why a line does not begin with a name and a colon.
    private static func nameDefect(in bytes: Span<UInt8>, line: Range<Int>) -> FieldDefect {
        guard let first = line.first else { return .malformed }
        guard bytes[first] != Octet.space, bytes[first] != Octet.tab else { return .obsoleteFold }
        let index = first + bytes.extracting(line).tokenPrefixCount
        guard index < line.upperBound else { return .malformed }
        switch bytes[index] {
        case Octet.space, Octet.tab:
            let rest = bytes.trimming(index..<line.upperBound)
            return rest.first.map { bytes[$0] == Octet.colon } == true ? .spaceBeforeColon : .malformed
        case Octet.carriageReturn: return .bareCarriageReturn
        case 0..<0x20, 0x7F: return .control
        default: return .malformed
        }
    }
}
