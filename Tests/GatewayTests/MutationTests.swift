// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Testing

@testable import Gateway

/// What a provider or a client may send that nobody meant: bytes changed, lost and doubled. Nothing may trap, an answer
/// ends once, and none ends well that lost its end.
struct MutationTests {
    @Test(arguments: AnswerGoldenTests.files, 0..<40 as Range<UInt64>)
    func `mutilated answers end in order`(_ golden: Golden, _ seed: UInt64) throws {
        var dice = Dice(seed)
        let bytes = Self.mutilated(Array(try #require(golden["upstream"]).utf8), &dice)
        let kind = AnswerGoldenTests.kind(golden)
        if golden.settings["stream"] != "yes" {
            for route in AnswerGoldenTests.routes {
                guard let events = try? AnswerReader.whole(bytes, from: kind) else { continue }
                _ = try? AnswerWriter.whole(
                    events, route, AnswerGoldenTests.context, request: ChatRequest(model: "m"))
            }
            return
        }
        let events = AnswerGoldenTests.events(golden, [bytes])
        let faults = events.indices.filter { if case .failed = events[$0] { true } else { false } }
        #expect(faults.isEmpty || faults == [events.count - 1])
        for route in AnswerGoldenTests.routes {
            var writer = AnswerWriter(route, AnswerGoldenTests.context, request: ChatRequest(model: "m"))
            let output = text(events.flatMap { writer.write($0) } + writer.end())
            let isAnthropic = route == .messages
            let ends =
                isAnthropic
                ? ["event: message_stop", "event: error"]
                : ["data: [DONE]", "event: response.completed", "event: response.incomplete"]
            #expect(ends.contains { output.contains($0) })
        }
        for route in [ModelRoute.chat, .messages] {
            var tap = AnswerTap(route, requestID: "req_1", showsUsage: dice.flip())
            _ = tap.receive(bytes) + tap.end()
            #expect(tap.isOver)
        }
    }

    @Test(arguments: RequestGoldenTests.files, 0..<40 as Range<UInt64>)
    func `mutilated requests are refused or translated`(_ golden: Golden, _ seed: UInt64) throws {
        var dice = Dice(seed)
        let bytes = Self.mutilated(Array(try #require(golden["request"]).utf8), &dice)
        guard let document = try? JSONDocument(parsing: bytes),
            let route = ModelRoute(rawValue: golden.settings["route"] ?? "")
        else { return }
        for kind in ProviderKind.allCases {
            let extras = try? route.table.check(document.root, for: kind)
            let passes = document.read { PlainTable(route.table.fields, for: kind).passes($0) }
            #expect(!passes || extras?.isEmpty == true)
        }
        // Without the table's check too: a decoder must not rely on it to stay alive.
        _ = RequestFacts(document, route)
        _ = NativeRequest.body(document, route: route, for: UpstreamModel(name: "up"))
        guard let request = try? route.decode(document.root) else { return }
        _ = try? OpenAIChatEncoder.encode(request, for: UpstreamModel(name: "up"))
        _ = try? AnthropicEncoder.encode(request, for: UpstreamModel(name: "up"))
    }

    private static func mutilated(_ bytes: [UInt8], _ dice: inout Dice) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<(1 + dice.below(4)) where !bytes.isEmpty {
            let index = dice.below(bytes.count)
            switch dice.below(5) {
            case 0: bytes[index] = UInt8(dice.below(256))
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(Array("\"{}[]:,0-\n\r".utf8)[dice.below(11)], at: index)
            case 3: bytes.removeSubrange(index..<min(bytes.count, index + dice.below(60)))
            default: bytes.insert(contentsOf: bytes[index..<min(bytes.count, index + dice.below(200))], at: index)
            }
        }
        return bytes
    }
}
