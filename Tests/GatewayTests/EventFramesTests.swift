// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

@testable import Gateway

@Suite struct EventFramesTests {
    /// What a reader learns of a stream that comes in pieces of `step` bytes: the events that have data.
    private func events(_ bytes: [UInt8], step: Int) throws -> [String] {
        try frames(bytes, step: step).compactMap { frame in
            frame.data.map { "\(frame.name ?? "-")/\(String(decoding: $0, as: UTF8.self))" }
        }
    }

    private func frames(_ bytes: [UInt8], step: Int) throws -> [EventFrame] {
        var reader = EventFrames()
        var frames: [EventFrame] = []
        for start in stride(from: 0, to: bytes.count, by: step) {
            frames += try reader.receive(Array(bytes[start..<min(start + step, bytes.count)]))
        }
        #expect(frames.flatMap(\.raw) + reader.rest == bytes)
        return frames
    }

    @Test(arguments: [
        ("data: a\n\n", ["-/a"]),
        ("data:a\r\n\r\ndata:b\r\rdata:c\n\n", ["-/a", "-/b", "-/c"]),
        ("data: a\ndata: b\n\n", ["-/a\nb"]),
        ("event: x\r\ndata: a\r\ndata: b\r\n\r\n", ["x/a\nb"]),
        ("data:\n\n", ["-/"]),
        ("data:  a\n\n", ["-/ a"]),
        ("event: x\ndata: a\n\ndata: b\n\n", ["x/a", "-/b"]),
        ("event: x\n\ndata: b\n\n", ["-/b"]),
        (": comment\nretry: 3\nid: 7\nother: x\ndata: a\n\n", ["-/a"]),
        ("data: a\n\ndata: b\n", ["-/a"]),
        ("\n\n\ndata: é\n\n", ["-/é"]),
        ("\u{FEFF}data: a\n\n\u{FEFF}data: b\n\n", ["-/a"]),
        ("data\n\ndata\ndata: b\n\ndatum: c\n\n", ["-/", "-/\nb"]),
    ])
    func `reads events, however the bytes are cut, and loses none`(_ text: String, _ expected: [String]) throws {
        let bytes = Array(text.utf8)
        for step in 1...bytes.count { #expect(try events(bytes, step: step) == expected, "step \(step)") }
    }

    @Test func `mutilated streams come out alike, however they are cut`() throws {
        var generator = SeededGenerator()
        let seed = Array("event: a\r\ndata: b\rdata: c\n\nid: 1\ndata\r\n\r\n: x\ndata: y\n\n".utf8)
        for _ in 0..<2_000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: bytes.indices, using: &generator)] =
                    Array("\r\n: adx".utf8).randomElement(using: &generator) ?? 0
            }
            #expect(try events(bytes, step: 1) == events(bytes, step: bytes.count), "seed \(SeededGenerator.seed)")
        }
    }
}
