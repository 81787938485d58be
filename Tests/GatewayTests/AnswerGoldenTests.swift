// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Testing

@testable import Gateway

/// `Vectors/gateway/answers`: what a provider sends, and what the client of each route gets of it.
struct AnswerGoldenTests {
    static let files = Golden.all("answers")
    static let routes: [ModelRoute] = [.chat, .completions, .responses, .messages]
    static let context = AnswerContext(requestID: "req_1", answerID: "01A", model: "fast", created: 1_700_000_000)

    @Test func `there are golden answers`() {
        #expect(Self.files.count >= 12)
    }

    @Test(arguments: files, routes)
    func `a provider's answer becomes the client's`(_ golden: Golden, _ route: ModelRoute) throws {
        let upstream = try #require(golden["upstream"])
        let isStream = golden.settings["stream"] == "yes"
        let actual = isStream ? Self.streamed(golden, upstream, route) : Self.whole(golden, upstream, route)
        guard let expected = golden[route.rawValue] else {
            if Golden.isRecording { golden.record(route.rawValue, actual.trimmed) }
            Issue.record("no section for \(route.rawValue) in \(golden.testDescription)")
            return
        }
        #expect(actual.trimmed == expected.trimmed)
    }

    @Test(arguments: files.filter { $0.settings["stream"] == "yes" })
    func `a stream reads the same however it is cut`(_ golden: Golden) throws {
        let bytes = Array(try #require(golden["upstream"]).utf8)
        let frames = try Self.frames([bytes])
        for cut in 1..<bytes.count {
            #expect(try Self.frames([Array(bytes[..<cut]), Array(bytes[cut...])]) == frames, "cut at \(cut)")
        }
        let whole = Self.events(golden, [bytes])
        #expect(!whole.isEmpty)
        #expect(Self.events(golden, bytes.map { [$0] }) == whole)
        let returns = bytes.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] }
        #expect(Self.events(golden, returns.map { [$0] }) == whole)
    }

    @Test(arguments: files.filter { $0.settings["stream"] == "yes" && $0.settings["broken"] == nil })
    func `a stream that is cut off anywhere before its end fails`(_ golden: Golden) throws {
        let text = try #require(golden["upstream"])
        // Cut after each event but those that may follow the last finish reason.
        let frames = text.trimmed.split(separator: "\n\n").count
        let ends = golden.settings["kind"] == "anthropic" ? 1 : 3
        guard frames > ends else { return }
        for kept in 0..<(frames - ends) {
            let part = text.split(separator: "\n\n").prefix(kept).map { $0 + "\n\n" }.joined()
            let events = Self.events(golden, [Array(part.utf8)])
            #expect(events.last.map { if case .failed = $0 { true } else { false } } == true, "after \(kept) events")
        }
    }

    static func frames(_ pieces: [[UInt8]]) throws -> [EventFrame] {
        var reader = EventFrames()
        return try pieces.flatMap { try reader.receive($0) }
    }

    static func kind(_ golden: Golden) -> ProviderKind {
        ProviderKind(rawValue: golden.settings["kind"] ?? "") ?? .openai
    }

    static func events(_ golden: Golden, _ pieces: [[UInt8]]) -> [ChatEvent] {
        var reader = AnswerReader(kind(golden), answerTool: golden.settings["answer tool"])
        return pieces.flatMap { reader.receive($0) } + reader.end()
    }

    private static func streamed(_ golden: Golden, _ upstream: String, _ route: ModelRoute) -> String {
        var request = ChatRequest(model: "fast")
        request.showsUsage = golden.settings["usage"] != "hidden"
        var writer = AnswerWriter(route, context, request: request)
        var bytes: [UInt8] = []
        for event in events(golden, [Array(upstream.utf8)]) { bytes += writer.write(event) }
        return text(bytes + writer.end())
    }

    private static func whole(_ golden: Golden, _ upstream: String, _ route: ModelRoute) -> String {
        do throws(Fault) {
            let events = try AnswerReader.whole(
                Array(upstream.utf8), from: kind(golden), answerTool: golden.settings["answer tool"])
            return text(try AnswerWriter.whole(events, route, context, request: ChatRequest(model: "fast")))
        } catch {
            return "\(error.code.status) " + text(AnswerWriter.error(error, route, requestID: "req_1"))
        }
    }
}
