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
        entries.reserveCapacity(16)
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

    /// One field line without its line end: `field-name ":" OWS field-value OWS` (RFC 9112 §5).
    static func entry(in bytes: Span<UInt8>, line: Range<Int>) throws(FieldDefect) -> Entry {
        guard let first = line.first, line.upperBound <= Int(Int32.max) else { throw .malformed }
        guard bytes[first] != Octet.space, bytes[first] != Octet.tab else { throw .obsoleteFold }
        let index = first + bytes.extracting(first..<line.upperBound).tokenPrefixCount
        let name = first..<index
        guard index < line.upperBound, bytes[index] == Octet.colon, !name.isEmpty else {
            throw nameDefect(in: bytes, line: line, at: index)
        }
        if !bytes.extracting((index + 1)..<line.upperBound).isFieldContent {
            throw contentDefect(in: bytes, (index + 1)..<line.upperBound)
        }
        let value = bytes.trimming((index + 1)..<line.upperBound)
        return Entry(bytes.extracting(name), at: first, valueAt: value.lowerBound, count: value.count)
    }

    /// The first of what may not stand in a value.
    private static func contentDefect(in bytes: Span<UInt8>, _ range: Range<Int>) -> FieldDefect {
        for place in range where !bytes[place].isFieldContent {
            return bytes[place] == Octet.carriageReturn ? .bareCarriageReturn : .control
        }
        return .control
    }

    /// Why the name of a line ends at `index` without a colon there.
    private static func nameDefect(in bytes: Span<UInt8>, line: Range<Int>, at index: Int) -> FieldDefect {
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
