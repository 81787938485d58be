// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Finds the end of a head as its bytes come in, and refuses lines that are not ended by CR LF, or too long or too many
/// of them. It looks at each byte once, however small the pieces are in which a slow peer sends them.
///
/// It sees the same buffer again and again, longer each time; what it has seen must not change in between.
struct HeadScanner {
    enum Action: Equatable {
        /// The head is incomplete.
        case wait
        /// The head is the bytes `start..<end`, its empty last line included. In front of `start` there may have been
        /// one empty line, which RFC 9112 §2.2 asks a server to pass over.
        case head(Range<Int>)
        case refuse(Defect)
    }

    enum Defect: Equatable {
        case malformed
        case bareLineFeed
        case firstLineTooLong
        case headTooLarge
        case tooManyFields
    }

    // Narrow, since each connection at rest has them.
    private let limits: (firstLineBytes: UInt32, headBytes: UInt32, fields: UInt32)
    private var counts: (start: UInt8, lines: UInt32) = (0, 0)

    private var scanned = 0
    private var lineStart = 0

    private var firstLineBytesMax: Int { Int(limits.firstLineBytes) }
    private var headBytesMax: Int { Int(limits.headBytes) }
    private var fieldsMax: Int { Int(limits.fields) }
    /// 0, or 2 behind an empty line.
    private var start: Int { Int(counts.start) }
    /// No more than fields and one: behind that a head is refused.
    private var lines: Int { Int(counts.lines) }

    /// The number of field lines, once the head is complete.
    var fieldCount: Int { Swift.max(0, lines - 1) }

    init(firstLineBytesMax: Int, headBytesMax: Int, fieldsMax: Int) {
        limits = (UInt32(clamping: firstLineBytesMax), UInt32(clamping: headBytesMax), UInt32(clamping: fieldsMax))
    }

    /// - Parameter bytes: all bytes received and not yet consumed.
    mutating func scan(_ bytes: Span<UInt8>) -> Action {
        // Behind the first line: what of the head a field line may end at, and how many there may be.
        let (endMax, lastLine) = (start &+ headBytesMax, limits.fields)
        while let lineFeed = bytes.firstIndex(of: Octet.lineFeed, from: scanned) {
            let (lineStart, end) = (lineStart, lineFeed &+ 1)
            scanned = end
            guard lineFeed > lineStart, bytes[lineFeed &- 1] == Octet.carriageReturn else {
                return .refuse(.bareLineFeed)
            }
            // A field line, as nearly all are; for the first line the number is no small one.
            if counts.lines &- 1 < lastLine, end <= endMax, end &- lineStart > 2 {
                counts.lines &+= 1
            } else if let action = receiveLine(ofLength: lineFeed &- 1 &- lineStart) {
                return action
            }
            self.lineStart = end
        }
        scanned = max(scanned, bytes.count)
        return judgeOpenLine(bytes)
    }

    @inline(never)
    private mutating func receiveLine(ofLength length: Int) -> Action? {
        if lines == 0, length == 0 {
            guard start == 0 else { return .refuse(.malformed) }
            counts.start = UInt8(clamping: scanned)
            return nil
        }
        if lines == 0, length > firstLineBytesMax { return .refuse(.firstLineTooLong) }
        if scanned - start > headBytesMax { return .refuse(.headTooLarge) }
        if length == 0 { return .head(start..<scanned) }
        if lines > fieldsMax { return .refuse(.tooManyFields) }
        counts.lines &+= 1
        return nil
    }

    /// What can be said already of a line whose end has not come.
    @inline(never)
    private func judgeOpenLine(_ bytes: Span<UInt8>) -> Action {
        let open = bytes.count - lineStart
        guard open > 0 else { return .wait }
        if lines == 0 {
            // Whatever speaks another protocol (TLS at the plain port) is told at once.
            let first = bytes[lineStart]
            let isPlausible = first == Octet.carriageReturn ? open == 1 : CharacterSet128.token.contains(first)
            if !isPlausible { return .refuse(.malformed) }
            if open > firstLineBytesMax + 1 { return .refuse(.firstLineTooLong) }
        }
        return bytes.count - start > headBytesMax ? .refuse(.headTooLarge) : .wait
    }
}
