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

    private let firstLineBytesMax: Int
    private let headBytesMax: Int
    private let fieldsMax: Int

    private var scanned = 0
    private var start = 0
    private var lineStart = 0
    private var lines = 0

    init(firstLineBytesMax: Int, headBytesMax: Int, fieldsMax: Int) {
        self.firstLineBytesMax = firstLineBytesMax
        self.headBytesMax = headBytesMax
        self.fieldsMax = fieldsMax
    }

    /// - Parameter bytes: all bytes received and not yet consumed.
    mutating func scan(_ bytes: Span<UInt8>) -> Action {
        while let lineFeed = bytes.firstIndex(of: Octet.lineFeed, from: scanned) {
            scanned = lineFeed + 1
            guard lineFeed > lineStart, bytes[lineFeed - 1] == Octet.carriageReturn else {
                return .refuse(.bareLineFeed)
            }
            if let action = receiveLine(ofLength: lineFeed - 1 - lineStart) { return action }
            lineStart = scanned
        }
        scanned = max(scanned, bytes.count)
        return judgeOpenLine(bytes)
    }

    private mutating func receiveLine(ofLength length: Int) -> Action? {
        if lines == 0, length == 0 {
            guard start == 0 else { return .refuse(.malformed) }
            start = scanned
            return nil
        }
        if lines == 0, length > firstLineBytesMax { return .refuse(.firstLineTooLong) }
        if scanned - start > headBytesMax { return .refuse(.headTooLarge) }
        if length == 0 { return .head(start..<scanned) }
        if lines > fieldsMax { return .refuse(.tooManyFields) }
        lines += 1
        return nil
    }

    /// What can be said already of a line whose end has not come.
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
