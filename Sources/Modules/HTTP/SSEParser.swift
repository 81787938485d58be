// SPDX-License-Identifier: Apache-2.0

import Bytes

/// One event of a stream of server-sent events.
package struct SSEEvent: Equatable, Sendable {
    /// The `event` field; nil if there was none, which means `message`.
    package var name: String?
    /// The `data` fields, joined with LF.
    package var data: [UInt8]
    /// The last `id` seen in the stream so far; nil if there was none.
    package var id: String?

    package init(name: String? = nil, data: [UInt8], id: String? = nil) {
        self.name = name
        self.data = data
        self.id = id
    }
}

/// Reads server-sent events as bytes come in (HTML standard §9.2.6). Lines end with LF, CR or CR LF, also when the
/// pieces part a CR from its LF. Comments and unknown fields are dropped; `retry` too, since nobody here reconnects.
package struct SSEParser: Sendable {
    /// An event, or a line, beyond `eventBytesMax`. The stream cannot be read any further.
    package struct EventTooLarge: Error, Equatable, Sendable {}

    private let eventBytesMax: Int
    private var buffer: [UInt8] = []
    private var start = 0
    private var scanned = 0
    private var isAtStreamStart = true
    /// The line before ended with a CR that was the last byte there was: an LF now belongs to it.
    private var endedWithCarriageReturn = false

    private var draft = Draft()

    /// - Parameter eventBytesMax: the most bytes of data in an event, and of a line.
    package init(eventBytesMax: Int = 16 << 20) {
        self.eventBytesMax = eventBytesMax
    }

    /// True if the stream would end in the middle of an event: such an event is never given out.
    package var hasIncompleteEvent: Bool { draft.hasData || start < buffer.count }

    /// Takes the next bytes of the stream; then call `next()` until it gives nil.
    package mutating func append(_ bytes: [UInt8]) {
        if start > 0 {
            buffer.removeSubrange(0..<start)
            scanned -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole event; nil if more bytes are needed.
    package mutating func next() throws(EventTooLarge) -> SSEEvent? {
        while let line = try nextLine() {
            guard line.isEmpty else {
                let buffer = buffer
                try draft.receive(buffer.span.extracting(line), dataBytesMax: eventBytesMax)
                continue
            }
            if let event = draft.finish() { return event }
        }
        return nil
    }

    /// The place of the next line in the buffer without its end.
    private mutating func nextLine() throws(EventTooLarge) -> Range<Int>? {
        if endedWithCarriageReturn, start < buffer.count {
            if buffer[start] == Octet.lineFeed { start += 1 }
            endedWithCarriageReturn = false
        }
        if isAtStreamStart, !skipByteOrderMark() { return nil }
        let end = Self.lineEnd(in: buffer.span, from: max(scanned, start))
        scanned = end
        guard end - start <= eventBytesMax else { throw EventTooLarge() }
        guard end < buffer.count else { return nil }
        let line = start..<end
        start = end + 1
        if buffer[end] == Octet.carriageReturn {
            if start == buffer.count {
                endedWithCarriageReturn = true
            } else if buffer[start] == Octet.lineFeed {
                start += 1
            }
        }
        return line
    }

    /// The offset of the first CR or LF, or `count`.
    private static func lineEnd(in bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index < bytes.count, bytes[index] != Octet.lineFeed, bytes[index] != Octet.carriageReturn { index += 1 }
        return index
    }

    /// - Returns: false if it cannot be told yet whether the stream begins with one.
    private mutating func skipByteOrderMark() -> Bool {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let present = min(buffer.count, mark.count)
        guard present > 0, buffer[..<present].elementsEqual(mark[..<present]) else {
            isAtStreamStart = buffer.isEmpty
            return true
        }
        guard present == mark.count else { return false }
        start = mark.count
        isAtStreamStart = false
        return true
    }
}

/// The event whose lines are coming in.
private struct Draft {
    private var name: String?
    private var data: [UInt8] = []
    private(set) var hasData = false
    /// Outlives the event: the next ones have it too, until another is sent.
    private var id: String?

    mutating func receive(_ line: Span<UInt8>, dataBytesMax: Int) throws(SSEParser.EventTooLarge) {
        let colon = line.firstIndex(of: Octet.colon)
        let field = line.extracting(0..<(colon ?? line.count))
        var valueStart = colon.map { $0 + 1 } ?? line.count
        if valueStart < line.count, line[valueStart] == Octet.space { valueStart += 1 }
        let value = line.extracting(valueStart..<line.count)
        if field.equals("data") {
            guard data.count + value.count < dataBytesMax else { throw SSEParser.EventTooLarge() }
            if hasData { data.append(Octet.lineFeed) }
            data.append(value)
            hasData = true
        } else if field.equals("event") {
            name = value.isEmpty ? nil : String(decoding: value)
        } else if field.equals("id"), value.firstIndex(of: 0) == nil {
            id = String(decoding: value)
        }
    }

    /// The event, if it has data; a name alone is forgotten.
    mutating func finish() -> SSEEvent? {
        defer {
            name = nil
            data = []
            hasData = false
        }
        return hasData ? SSEEvent(name: name, data: data, id: id) : nil
    }
}
