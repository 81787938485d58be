// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTP

@Suite struct SSETests {
    private func events(_ bytes: [UInt8], step: Int, max: Int = 1 << 20) throws(SSEParser.EventTooLarge) -> [SSEEvent] {
        var parser = SSEParser(eventBytesMax: max)
        var events: [SSEEvent] = []
        var index = 0
        while index < bytes.count {
            let end = min(index + step, bytes.count)
            parser.append(Array(bytes[index..<end]))
            while let event = try parser.next() { events.append(event) }
            index = end
        }
        return events
    }

    private func show(_ events: [SSEEvent]) -> [String] {
        events.map { "\($0.name ?? "-")/\(String(decoding: $0.data, as: UTF8.self))/\($0.id ?? "-")" }
    }

    @Test(arguments: [
        ("data: a\n\n", ["-/a/-"]),
        ("data:a\r\n\r\ndata:b\r\rdata:c\n\n", ["-/a/-", "-/b/-", "-/c/-"]),
        ("data: a\ndata: b\n\n", ["-/a\nb/-"]),
        ("data\n\n", ["-//-"]),
        ("data:  a\n\n", ["-/ a/-"]),
        ("event: x\ndata: a\n\ndata: b\n\n", ["x/a/-", "-/b/-"]),
        ("event: x\n\ndata: b\n\n", ["-/b/-"]),
        ("id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", ["-/a/7", "-/b/7", "-/c/"]),
        ("id: 7\0\ndata: a\n\n", ["-/a/-"]),
        (": comment\nretry: 3\nother: x\ndata: a\n\n", ["-/a/-"]),
        ("\u{FEFF}data: a\n\n", ["-/a/-"]),
        ("\u{FEFF}\u{FEFF}data: a\n\ndata: b\n\n", ["-/b/-"]),
        ("data: a\n\ndata: b\n", ["-/a/-"]),
        ("\n\n\ndata: é\n\n", ["-/é/-"]),
        (
            "event: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n",
            ["message_stop/{\"type\":\"message_stop\"}/-"]
        ),
    ])
    func `reads events, however the bytes are cut`(_ text: String, _ expected: [String]) throws {
        let bytes = Array(text.utf8)
        for step in 1...bytes.count { #expect(try show(events(bytes, step: step)) == expected) }
    }

    @Test func `bounds lines and events`() {
        let long = Array(("data: " + String(repeating: "a", count: 100)).utf8)
        #expect(throws: SSEParser.EventTooLarge()) { try events(long, step: 10, max: 50) }
        let many = Array(String(repeating: "data: aaaa\n", count: 20).utf8)
        #expect(throws: SSEParser.EventTooLarge()) { try events(many, step: 10, max: 50) }
    }

    @Test func `knows an event that was cut off`() throws {
        var parser = SSEParser()
        parser.append(Array("data: a\n\n".utf8))
        _ = try parser.next()
        #expect(!parser.hasIncompleteEvent)
        parser.append(Array("data: b".utf8))
        let event = try parser.next()
        #expect(event == nil)
        #expect(parser.hasIncompleteEvent)
    }

    @Test(arguments: ["", "a", "a\nb", "a\r\nb\rc\n", "\n", "\n\n", "data: x\n\nevent: y"])
    func `what the writer writes the parser reads as one event`(_ data: String) throws {
        let bytes = SSEWriter.event(name: "x\ny", data: Array(data.utf8))
        let expected = data.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
        #expect(try show(events(bytes, step: 3)) == ["x/\(expected)/-"])
    }

    @Test func `writes the usual form`() {
        #expect(String(decoding: SSEWriter.event(data: Array("{}".utf8)), as: UTF8.self) == "data: {}\n\n")
        #expect(
            String(decoding: SSEWriter.event(name: "ping", data: Array("{}".utf8)), as: UTF8.self)
                == "event: ping\ndata: {}\n\n")
    }
}
