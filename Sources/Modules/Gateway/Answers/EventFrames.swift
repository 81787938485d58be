// SPDX-License-Identifier: Apache-2.0

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
        let mark = isFirst && raw.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        for line in raw[mark...].split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            if let value = Self.value(of: line, "data") {
                if data == nil { data = Array(value) } else { data?.append(contentsOf: [0x0A] + value) }
            } else if let value = Self.value(of: line, "event") {
                name = String(decoding: value, as: UTF8.self)
            }
        }
        self.name = name
        self.data = data
    }

    private static func value(of line: ArraySlice<UInt8>, _ field: String) -> ArraySlice<UInt8>? {
        guard line.starts(with: field.utf8) else { return nil }
        var value = line.dropFirst(field.utf8.count)
        // A line without a colon is a field without a value.
        guard let colon = value.popFirst() else { return value }
        guard colon == UInt8(ascii: ":") else { return nil }
        return value.first == 0x20 ? value.dropFirst() : value
    }
}

/// Cuts a provider's stream into events and loses no byte: the frames joined are the stream,
/// which is what a tap passes on.
struct EventFrames: Sendable {
    private var buffer: [UInt8] = []
    private var scanned = 0
    /// Whether no event has ended yet.
    private var isFirst = true
    /// Whether the line that `scanned` stands in has no byte yet.
    private var isLineEmpty = true
    /// Whether the byte before `scanned` is a CR to which an LF may still belong.
    private var endedWithReturn = false

    /// Bytes of an event that has not ended yet.
    var rest: [UInt8] { buffer }

    /// The event that has not ended yet, as if `ending` had come and ended it.
    func last(ending: [UInt8] = []) -> EventFrame { EventFrame(raw: buffer + ending, isFirst: isFirst) }

    /// Takes the next bytes and gives the events that are whole now. Fails when one is larger than
    /// `GatewayLimits.eventBytesMax`; the stream cannot be read any further then.
    mutating func receive(_ bytes: [UInt8]) throws(Fault) -> [EventFrame] {
        buffer += bytes
        var frames: [EventFrame] = []
        var start = 0
        while scanned < buffer.count {
            let byte = buffer[scanned]
            scanned += 1
            // CR LF is one end of line, also when it comes in two pieces: the CR counts at once, and the LF for nothing.
            let isRestOfEnd = byte == 0x0A && endedWithReturn
            endedWithReturn = byte == 0x0D
            guard !isRestOfEnd else { continue }
            guard byte == 0x0A || byte == 0x0D else {
                isLineEmpty = false
                continue
            }
            if byte == 0x0D, scanned < buffer.count, buffer[scanned] == 0x0A {
                scanned += 1
                endedWithReturn = false
            }
            if isLineEmpty {
                frames.append(EventFrame(raw: Array(buffer[start..<scanned]), isFirst: isFirst))
                isFirst = false
                start = scanned
            }
            isLineEmpty = true
        }
        buffer.removeFirst(start)
        scanned -= start
        guard buffer.count <= GatewayLimits.eventBytesMax else { throw .malformedAnswer }
        return frames
    }
}
