// SPDX-License-Identifier: Apache-2.0

import Bytes

/// One server-sent event of a provider, as it came and as it reads (HTML standard §9.2.6).
struct EventFrame: Equatable, Sendable {
    /// Its bytes with the empty line that ends it: what is passed on where nothing must change.
    let raw: [UInt8]
    /// The `event` field; nil if there was none.
    let name: String?
    /// The `data` fields, joined with LF; nil for comments and empty frames.
    let data: [UInt8]?

    /// - Parameter isFirst: it begins the stream, and a byte order mark before it is not part of its first field's name
    ///   (§9.2.5). The client's reader skips the mark: an event that we took for a comment would pass unread.
    init(raw: [UInt8], isFirst: Bool = false) {
        self.raw = raw
        var name: String?
        var data: [UInt8]?
        let bytes = raw.span
        var start = isFirst && raw.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != 0x0A, bytes[end] != 0x0D { end &+= 1 }
            if let value = Self.value(of: "data", in: bytes, start..<end) {
                if data == nil { data = Array(raw[value]) } else { data?.append(contentsOf: [0x0A] + raw[value]) }
            } else if let value = Self.value(of: "event", in: bytes, start..<end) {
                name = String(decoding: bytes.extracting(value))
            }
            start = end &+ 1
        }
        self.name = name
        self.data = data
    }

    /// Where the value stands in a line, if it is of that field. One space before it does not count, and a line without a
    /// colon is a field without a value.
    private static func value(of field: StaticString, in bytes: Span<UInt8>, _ line: Range<Int>) -> Range<Int>? {
        let colon = line.lowerBound + field.utf8CodeUnitCount
        guard colon <= line.upperBound, bytes.extracting(line.lowerBound..<colon).equals(field) else { return nil }
        guard colon < line.upperBound else { return colon..<colon }
        guard bytes[colon] == UInt8(ascii: ":") else { return nil }
        let start = colon + 1
        return start < line.upperBound && bytes[start] == 0x20 ? start + 1..<line.upperBound : start..<line.upperBound
    }
}

/// Cuts a provider's stream into events and loses no byte: the frames joined are the stream,
/// which is what a tap passes on.
struct EventFrames: Sendable {
    /// Bytes of an event that has not ended yet.
    private(set) var rest: [UInt8] = []
    /// Whether no event has ended yet.
    private var isFirst = true
    /// Whether the line that the next byte stands in has none yet.
    private var isLineEmpty = true
    /// Whether the last byte was a CR to which an LF may still belong.
    private var endedWithReturn = false

    /// Whether the next byte begins an event: nothing of one is held, not even half a line's end.
    var isBetweenEvents: Bool { rest.isEmpty && isLineEmpty && !endedWithReturn }

    /// A whole event has passed by another way.
    mutating func notePassed() { isFirst = false }

    /// The event that has not ended yet, as if `ending` had come and ended it.
    func last(ending: [UInt8] = []) -> EventFrame { EventFrame(raw: rest + ending, isFirst: isFirst) }

    /// Takes the next bytes and gives the events that are whole now. Fails when one is larger than
    /// `GatewayLimits.eventBytesMax`; the stream cannot be read any further then.
    mutating func receive(_ bytes: [UInt8]) throws(Fault) -> [EventFrame] {
        var frames: [EventFrame] = []
        var position = 0
        while let frame = try next(bytes, from: &position) { frames.append(frame) }
        return frames
    }

    /// Takes bytes from `position` on, up to the end of an event, and gives it; nil where all are taken and none has ended.
    /// Fails as ``receive(_:)``.
    mutating func next(_ bytes: [UInt8], from position: inout Int) throws(Fault) -> EventFrame? {
        let start = position
        let end = pastEvent(bytes.span, from: start)
        position = end ?? bytes.count
        rest += bytes[start..<position]
        guard end != nil else {
            guard rest.count <= GatewayLimits.eventBytesMax else { throw .malformedAnswer }
            return nil
        }
        defer { (rest, isFirst) = ([], false) }
        return EventFrame(raw: rest, isFirst: isFirst)
    }

    /// Where the event ends that the byte at `start` belongs to; nil beyond what is here.
    private mutating func pastEvent(_ bytes: Span<UInt8>, from start: Int) -> Int? {
        var index = start
        var (isEmpty, isReturn) = (isLineEmpty, endedWithReturn)
        defer { (isLineEmpty, endedWithReturn) = (isEmpty, isReturn) }
        while index < bytes.count {
            let byte = bytes[index]
            index &+= 1
            // CR LF is one end of line, also when it comes in two pieces: the CR counts at once, and the LF for nothing.
            let isRestOfEnd = byte == 0x0A && isReturn
            isReturn = byte == 0x0D
            guard !isRestOfEnd else { continue }
            guard byte == 0x0A || byte == 0x0D else {
                isEmpty = false
                continue
            }
            if byte == 0x0D, index < bytes.count, bytes[index] == 0x0A {
                index &+= 1
                isReturn = false
            }
            guard !isEmpty else { return index }
            isEmpty = true
        }
        return nil
    }
}
