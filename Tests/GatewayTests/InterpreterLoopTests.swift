// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import JSON
import Platform
import Support
import Synchronization
import Testing

@testable import Gateway

/// The turns of a model that writes programs and the sandbox that runs them, with a model and a sandbox of the test's own.
struct InterpreterLoopTests {
    /// Says each time what the test says, and remembers what it was asked.
    private final class Script: Sendable {
        let asked = Mutex<[ChatRequest]>([])
        private let turns: [[ChatEvent]]

        init(_ turns: [[ChatEvent]]) { self.turns = turns }

        func next(_ request: ChatRequest) -> [ChatEvent] {
            asked.withLock { asked in
                asked.append(request)
                return turns[min(asked.count - 1, turns.count - 1)]
            }
        }
    }

    private final class FakeRunner: CodeRunner {
        let tasks = Mutex<[CodeTask]>([])
        var runsCode: Bool { true }

        func open(_ ids: [String], for exchange: Exchange) async throws(Failure) -> [CodeFile] { [] }

        func run(_ task: CodeTask) async throws(Failure) -> CodeOutcome {
            tasks.withLock { $0.append(task) }
            if task.code == "fail" { throw Failure(.overloaded, "no room") }
            return CodeOutcome(
                json: ["status": "ok"], output: "ran \(task.code)", errors: "", exitCode: 0, status: "ok",
                files: [CodeFile(name: Array(task.code.utf8), content: [1])])
        }
    }

    private static func call(_ code: String, named name: String = "code_interpreter", index: Int = 0) -> [ChatEvent] {
        let arguments = String(decoding: JSONValue.object(["code": .string(code)]).serialized(), as: UTF8.self)
        return [
            .toolCallStarted(choice: 0, index: index, id: "call_\(code)", name: name),
            .toolCallArguments(choice: 0, index: index, arguments),
        ]
    }

    private static let head = ChatEvent.started(AnswerHead(id: "a", model: "m"))
    private static let end: [ChatEvent] = [.finished(choice: 0, .toolCalls), .usage(TokenUsage(input: 10, output: 5))]
    private static let said: [ChatEvent] =
        [head, .textDelta(choice: 0, "done"), .finished(choice: 0, .stop), .usage(TokenUsage(input: 20, output: 7))]

    /// Runs a loop; the events of its one answer.
    private func events(
        _ script: Script, _ runner: FakeRunner, rounds: Int = 4, choice: ToolChoice = .automatic, gone: Int = .max,
        retries: Int = 0
    ) throws -> [ChatEvent] {
        try onLoop { loop in
            let steps = InterpreterLoop(
                price: nil, runner: runner,
                settings: InterpreterSettings(rounds: rounds, time: .seconds(60), cost: nil),
                tool: "code_interpreter", tenant: TenantID("ten_a"), loop: loop,
                cancellation: Cancellation(on: loop),
                ask: { (request, receive) async throws(Fault) in
                    var left = retries
                    while true {
                        let turn = script.next(request)
                        if case .failed(let fault)? = turn.first {
                            guard left > 0 else { throw fault }
                            left -= 1
                            continue
                        }
                        for event in turn { guard await receive(event) else { return } }
                        return
                    }
                },
                used: { _ in })
            var request = ChatRequest(model: "m", messages: [ChatMessage(.user, text: "go")])
            request.toolChoice = choice
            var events: [ChatEvent] = []
            do throws(Fault) {
                try await steps.perform(request) { event in
                    events.append(event)
                    return events.count < gone
                }
            } catch {
                events.append(.failed(error))
            }
            return events
        }
    }

    private func runs(_ events: [ChatEvent]) -> [String] {
        events.compactMap { if case .ran(let run) = $0 { run.code } else { nil } }
    }

    @Test func `a program is run, its result is told to the model, and there is one answer`() throws {
        let script = Script([[Self.head, .textDelta(choice: 0, "so: ")] + Self.call("a") + Self.end, Self.said])
        let runner = FakeRunner()
        let events = try events(script, runner)
        #expect(runs(events) == ["a"])
        let answer = ChatAnswer(events)
        #expect(answer.choices.first?.text == "so: done")
        #expect(answer.choices.first?.finish == .stop)
        #expect(answer.choices.first?.calls.isEmpty == true)
        #expect(answer.usage == TokenUsage(input: 30, output: 12))
        #expect(answer.textBeforeRuns == [4])
        #expect(events.count { if case .started = $0 { true } else { false } } == 1)
        let second = try #require(script.asked.withLock { $0.last })
        #expect(second.messages.map(\.role) == [.user, .assistant, .tool])
        guard case .toolResult(let result) = second.messages[2].parts[0] else {
            Issue.record("no result")
            return
        }
        #expect(ChatMessage(.tool, result.content).text.contains("ran a"))
    }

    @Test func `the last round may call nothing, however often the model would`() throws {
        let script = Script([[Self.head] + Self.call("again") + Self.end])
        let runner = FakeRunner()
        let events = try events(script, runner, rounds: 3)
        #expect(runs(events).count == 2)
        let choices = script.asked.withLock { $0.map(\.toolChoice) }
        #expect(choices == [.automatic, .automatic, .forbidden])
        #expect(ChatAnswer(events).choices.first?.finish == .stop)
    }

    @Test func `files of one run are there in the next`() throws {
        let script = Script([
            [Self.head] + Self.call("a") + Self.end, [Self.head] + Self.call("b") + Self.end, Self.said,
        ])
        let runner = FakeRunner()
        _ = try events(script, runner)
        #expect(runner.tasks.withLock { $0.map { $0.files.map(\.name) } } == [[], [Array("a".utf8)]])
    }

    @Test func `a call of the client's own is the client's, and nothing is run beside it`() throws {
        let script = Script([[Self.head] + Self.call("a") + Self.call("x", named: "weather", index: 1) + Self.end])
        let runner = FakeRunner()
        let answer = ChatAnswer(try events(script, runner))
        #expect(answer.choices.first?.calls.map(\.name) == ["weather"])
        #expect(answer.choices.first?.finish == .toolCalls)
        #expect(runner.tasks.withLock { $0.isEmpty })
    }

    @Test func `a demanded call is demanded once`() throws {
        let script = Script([[Self.head] + Self.call("a") + Self.end, Self.said])
        _ = try events(script, FakeRunner(), choice: .named("code_interpreter"))
        #expect(script.asked.withLock { $0.map(\.toolChoice) } == [.named("code_interpreter"), .automatic])
    }

    @Test func `what cannot be run is told to the model and to the client`() throws {
        let malformed: [ChatEvent] = [
            .toolCallStarted(choice: 0, index: 0, id: "c", name: "code_interpreter"),
            .toolCallArguments(choice: 0, index: 0, "{not json"),
        ]
        for turn in [malformed, Self.call("fail")] {
            let events = try events(Script([[Self.head] + turn + Self.end, Self.said]), FakeRunner())
            guard case .ran(let run)? = events.first(where: { if case .ran = $0 { true } else { false } }) else {
                Issue.record("no run")
                continue
            }
            #expect(run.result["status"] == "refused" && run.exitCode == 1)
            #expect(ChatAnswer(events).choices.first?.text == "done")
        }
    }

    @Test func `programs beyond the most of one turn are not run`() throws {
        let calls = (0..<6).flatMap { Self.call("c\($0)", index: $0) }
        let runner = FakeRunner()
        _ = try events(Script([[Self.head] + calls + Self.end, Self.said]), runner)
        #expect(runner.tasks.withLock { $0.count } == InterpreterSettings.callsMax)
    }

    @Test func `a fault before the first word is thrown, and one behind it ends the answer`() throws {
        let broken: [ChatEvent] = [.failed(.malformedAnswer)]
        #expect(try events(Script([broken]), FakeRunner()) == broken)
        let later = try events(Script([[Self.head] + Self.call("a") + Self.end, broken]), FakeRunner())
        #expect(later.last == broken[0])
        #expect(runs(later) == ["a"])
    }

    /// The control asks the whole again, as whoever retries around the loop does.
    @Test func `a round that is asked once more behind a program does not run it again, and a loop begun anew would`()
        throws
    {
        let turns = [[Self.head] + Self.call("a") + Self.end, [.failed(.malformedAnswer)], Self.said]
        let (script, runner) = (Script(turns), FakeRunner())
        let events = try events(script, runner, retries: 1)
        #expect(ChatAnswer(events).choices.first?.text == "done" && runs(events) == ["a"])
        #expect(runner.tasks.withLock { $0.count } == 1)
        let asked = script.asked.withLock { $0 }
        #expect(asked.count == 3 && asked[1].messages == asked[2].messages)
        // What failed has used nothing.
        #expect(ChatAnswer(events).usage == TokenUsage(input: 30, output: 12))
        let (anew, twice) = (Script(turns.dropLast() + turns), FakeRunner())
        #expect(try self.events(anew, twice).last == .failed(.malformedAnswer))
        _ = try self.events(anew, twice)
        #expect(twice.tasks.withLock { $0.count } == 2)
    }

    @Test func `who goes away is asked nothing more`() throws {
        let script = Script([[Self.head, .textDelta(choice: 0, "x")] + Self.call("a") + Self.end, Self.said])
        let runner = FakeRunner()
        _ = try events(script, runner, gone: 2)
        #expect(runner.tasks.withLock { $0.isEmpty })
        #expect(script.asked.withLock { $0.count } == 1)
    }

    @Test func `a long output is told to the model with its beginning and its end`() {
        let run = CodeRun(
            id: "c", code: "x", result: ["status": "ok"],
            output: "first" + String(repeating: "x", count: 100_000) + "last",
            errors: "", exitCode: 0)
        #expect(run.words.utf8.count <= CodeRun.wordsBytesMax + 16)
        #expect(run.words.contains("first") && run.words.contains("last"))
    }
}
