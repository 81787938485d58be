// SPDX-License-Identifier: Apache-2.0

import Bytes

@testable import Gateway

extension Property {
    /// A stream of server-sent events loses no byte, is the same however it is cut, and holds the events that a reader
    /// sees who keeps to the letter of the HTML standard (§9.2.6): what we do not see there, we do not check.
    package static let eventStream = Property("EventStream") { (bytes) throws(Broken) -> Bool in
        let whole = try frames([bytes], bytes)
        for cut in [pieces(bytes, 1), pieces(bytes)] {
            let events = try frames(cut, bytes)
            // An LF that comes late belongs to the end before it and to the bytes of the event behind it.
            let isSame = events.elementsEqual(whole) { $0.name == $1.name && $0.data == $1.data }
            try demand(isSame, "in \(cut.count) pieces, the events differ")
        }
        let seen = whole.compactMap(\.data)
        try demand(seen == PlainEvents(bytes).events, "a plain reader sees other events")
        return !seen.isEmpty
    }

    private static func frames(_ pieces: [[UInt8]], _ bytes: [UInt8]) throws(Broken) -> [EventFrame] {
        var reader = EventFrames()
        var frames: [EventFrame] = []
        for piece in pieces {
            do throws(Fault) {
                frames += try reader.receive(piece)
            } catch {
                throw Broken("refused: \(error.message)")
            }
        }
        try demand(frames.flatMap(\.raw) + reader.rest == bytes, "the events joined are not the stream")
        return frames.filter { $0.data != nil }
    }
}

/// Server-sent events as the standard words it: lines first, then fields, an event at each empty line.
struct PlainEvents {
    /// The data of the events that are dispatched.
    private(set) var events: [[UInt8]] = []

    init(_ bytes: [UInt8]) {
        var bytes = bytes[...]
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        var data: [UInt8]?
        while let end = bytes.firstIndex(where: { $0 == 0x0A || $0 == 0x0D }) {
            let line = bytes[..<end]
            let isPair = bytes[end] == 0x0D && end + 1 < bytes.endIndex && bytes[end + 1] == 0x0A
            bytes = bytes[(end + (isPair ? 2 : 1))...]
            guard !line.isEmpty else {
                if let data { events.append(data) }
                data = nil
                continue
            }
            let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
            guard line[..<colon].elementsEqual("data".utf8) else { continue }
            var value = line[min(colon + 1, line.endIndex)...]
            if value.first == 0x20 { value = value.dropFirst() }
            data = data.map { $0 + [0x0A] + value } ?? Array(value)
        }
    }
}
