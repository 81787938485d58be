// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import JSON
import Log
import Platform

@testable import Gateway

extension Property {
    /// A provider's answer reads the same however it is cut, ends once for the client, and shows no secret. The first
    /// byte of the input chooses the protocol, the client's route and which half of the checks, the rest is the answer.
    package static let answer = Property("Answer") { (bytes) throws(Broken) -> Bool in
        var choices = Choices(bytes)
        let choice = choices.byte()
        let isAnthropic = choice % 2 == 1
        let route = [ModelRoute.chat, .completions, .responses, .messages][choice / 2 % 4]
        let body = Array(choices.rest)
        let kind: ProviderKind = isAnthropic ? .anthropic : .openai
        if choice / 16 % 2 == 0 {
            return try checkTap(body, isAnthropic ? .messages : .chat, showsUsage: choice / 8 % 2 == 0)
        }
        let events = read([body], kind)
        try demand(read(pieces(body), kind) == events, "cut, other events")
        let faults = events.indices.filter { events[$0].isFailure }
        try demand(faults.isEmpty || faults == [events.count - 1], "something follows a failure")
        try checkWriting(events, route)
        _ = try? AnswerTap.whole(body, route)
        let whole = try? AnswerReader.whole(body, from: kind)
        if let whole, let written = try? AnswerWriter.whole(whole, route, context, request: request) {
            try demand((try? JSONDocument(parsing: written)) != nil, "a whole answer that is no JSON")
        }
        return whole != nil || faults.isEmpty
    }

    private static let context = AnswerContext(requestID: "req_1", answerID: "01A", model: "m", created: 1)
    private static let request = ChatRequest(model: "m")
    private static let secret = Array("hunter2!".utf8)
    private static let needles = SecretNeedles([SecretBytes(copying: secret.span)])

    private static func read(_ pieces: [[UInt8]], _ kind: ProviderKind) -> [ChatEvent] {
        var reader = AnswerReader(kind)
        return pieces.flatMap { reader.receive($0) } + reader.end()
    }

    private static func checkWriting(_ events: [ChatEvent], _ route: ModelRoute) throws(Broken) {
        var writer = AnswerWriter(route, context, request: request)
        let output = events.flatMap { writer.write($0) } + writer.end()
        var frames = EventFrames()
        guard let written = try? frames.receive(output) else { throw Broken("written, an event is too large") }
        try demand(frames.rest.isEmpty, "written, the last event has no end")
        for frame in written {
            guard let data = frame.data, data != Array("[DONE]".utf8) else { continue }
            try demand((try? JSONDocument(parsing: data)) != nil, "an event on \(route) that is no JSON")
        }
    }

    /// What passes a tap is the same however it came, and its texts hold no secret, also none dealt out over events.
    private static func checkTap(_ body: [UInt8], _ route: ModelRoute, showsUsage: Bool) throws(Broken) -> Bool {
        let whole = tapped([body], route, showsUsage: showsUsage)
        let cut = tapped(pieces(body), route, showsUsage: showsUsage)
        try demand(lines(cut.output) == lines(whole.output), "cut, the tap gives other bytes")
        try demand(cut.summary == whole.summary, "cut, the tap learns something else")
        // The events before the tap have been through a scrubber of bytes, so only texts joined over events count here.
        let isInTheClear = body.span.firstRange(of: secret.span) != nil
        guard !isInTheClear else { return true }
        var texts: [String: [UInt8]] = [:]
        for case .textDelta(let choice, let text) in read([whole.output], route == .messages ? .anthropic : .openai) {
            texts["\(choice)", default: []] += Array(text.utf8)
        }
        for text in texts.values {
            try demand(text.span.firstRange(of: secret.span) == nil, "a secret in the text of an answer")
        }
        return !texts.isEmpty
    }

    /// With one kind of line end: the LF of a CR LF that comes late passes with the next event, and not at all behind the
    /// last.
    private static func lines(_ bytes: [UInt8]) -> [UInt8] {
        var previous: UInt8 = 0
        return bytes.compactMap { byte in
            defer { previous = byte }
            if byte == 0x0A, previous == 0x0D { return nil }
            return byte == 0x0D ? 0x0A : byte
        }
    }

    private static func tapped(
        _ pieces: [[UInt8]], _ route: ModelRoute, showsUsage: Bool
    ) -> (output: [UInt8], summary: AnswerSummary) {
        var tap = AnswerTap(route, requestID: "req_1", showsUsage: showsUsage, secrets: needles)
        let output = pieces.flatMap { tap.receive($0) } + tap.end()
        return (output, tap.summary)
    }
}

extension ChatEvent {
    fileprivate var isFailure: Bool { if case .failed = self { true } else { false } }
}
