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
    /// - Parameters:
    ///   - lines: where the first field line begins in `bytes`, and where the head ends.
    ///   - count: how many there are, so that room is made once.
    init(in bytes: [UInt8], _ lines: Range<Int>, count: Int) throws(FieldDefect) {
        guard lines.upperBound <= Int(Int32.max) else { throw .malformed }
        let span = bytes.span
        let limit = lines.upperBound &- 2
        var start = lines.lowerBound
        var (present, repeated): (UInt32, UInt32) = (0, 0)
        var entries: [Entry] = []
        entries.append(addingCapacity: count) { entries in
            while !entries.isFull, start < limit, let entry = Self.plainEntry(in: span, from: start, before: limit) {
                entries.append(entry)
                repeated |= present & entry.known.bit
                present |= entry.known.bit
                start = entry.value.upperBound &+ 2
            }
        }
        self.init(storage: bytes, entries: entries, present, repeated)
        if start < limit { try readStepwise(start..<lines.upperBound) }
    }

    /// Reads the rest of the lines, of which the first is not as nearly all are.
    @inline(never)
    private mutating func readStepwise(_ lines: Range<Int>) throws(FieldDefect) {
        let bytes = storage
        let span = bytes.span
        var start = lines.lowerBound
        while let lineFeed = span.firstIndex(of: Octet.lineFeed, from: start), lineFeed > start + 1,
            lineFeed < lines.upperBound
        {
            note(new: try Self.entry(in: span, line: start..<(lineFeed - 1)))
            start = lineFeed + 1
        }
    }

    /// The line that begins at `start`, if it is as nearly all are: no tab in it, and no more white space around its value than
    /// the usual one in front. nil for any other, which is to be read step by step.
    ///
    /// - Parameter limit: where the empty line begins.
    @inline(__always)
    private static func plainEntry(in bytes: Span<UInt8>, from start: Int, before limit: Int) -> Entry? {
        // What is no name of a field has no entry: a colon may also have been found behind the end of the line.
        guard let colon = bytes.firstInBlocks(from: start, { $0.colons }), colon < limit else { return nil }
        let name = bytes.extracting(start..<colon)
        let known = FieldName(of: name)
        guard known != .other || name.isToken, let end = bytes.firstInBlocks(from: colon &+ 1, { $0.controls }),
            end < limit, bytes[end] == Octet.carriageReturn, bytes[end &+ 1] == Octet.lineFeed
        else { return nil }
        var first = colon &+ 1
        if bytes[first] == Octet.space { first &+= 1 }
        guard bytes[first] != Octet.space, bytes[end &- 1] != Octet.space || first == end else { return nil }
        return Entry(name, known, at: start, valueAt: first, count: end &- first)
    }

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
