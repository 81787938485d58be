// SPDX-License-Identifier: Apache-2.0

import Core

/// The model inside the binary: deterministic, without I/O and without a clock. It gives one step after another, and says
/// when time should pass; whoever runs it lets it pass.
struct BuiltinModel {
    /// What it does next.
    enum Step: Equatable {
        case event(ChatEvent)
        /// Lets time pass, then goes on.
        case wait(Duration)
        /// Never goes on.
        case hang
        /// The connection ends here, without an ending.
        case cut
        /// In place of an answer: a provider's error with this status. Only as the first step that is no wait.
        case fail(status: Int, retryAfter: Duration?)
        case end
    }

    /// Where in the answer it is.
    private enum Stage {
        case opening
        case failing
        case started
        case thinking(choice: Int, index: Int)
        case answering(choice: Int, index: Int)
        case calling(choice: Int, index: Int)
        case finishing(choice: Int)
        case reporting
        case over
    }

    private let request: ChatRequest
    private let name: String
    private let script: BuiltinScript
    private let answer: BuiltinAnswer
    private var stage = Stage.opening
    /// Steps that go before the next stage, the next one last: taking from the front of a long list costs its length.
    private var pending: [Step] = []
    /// Tokens given so far, over all choices.
    private var given = 0

    /// - Parameter name: what it calls itself.
    init(_ request: ChatRequest, name: String) {
        self.request = request
        self.name = name
        script = BuiltinScript(request.messages.last { $0.role == .user }?.text ?? "")
        answer = BuiltinAnswer(request, script)
    }

    mutating func next() -> Step {
        while true {
            if let step = pending.popLast() { return step }
            if let step = advance() { return step }
        }
    }

    /// One stage further; `nil` if that stage had nothing to do.
    private mutating func advance() -> Step? {
        switch stage {
        case .opening:
            stage = .failing
            return script.delay.map(Step.wait)
        case .failing:
            stage = .started
            if script.hangs { return over(.hang) }
            if let failure = script.failure {
                return over(.fail(status: failure.status, retryAfter: failure.retryAfter))
            }
            return .event(.started(AnswerHead(id: "", model: name, fingerprint: "gatehouse-builtin")))
        case .started:
            stage = .thinking(choice: 0, index: 0)
            return nil
        case .thinking(let choice, let index):
            guard index < answer.thought.count else {
                stage = .answering(choice: choice, index: 0)
                return nil
            }
            stage = .thinking(choice: choice, index: index + 1)
            return give(.reasoningDelta(choice: choice, answer.thought[index]))
        case .answering(let choice, let index):
            guard index < answer.pieces.count else {
                stage = .calling(choice: choice, index: 0)
                return nil
            }
            stage = .answering(choice: choice, index: index + 1)
            let piece = answer.pieces[index]
            return give(answer.isRefusal ? .refusalDelta(choice: choice, piece) : .textDelta(choice: choice, piece))
        case .calling(let choice, let index):
            return call(choice, index)
        case .finishing(let choice):
            stage = choice + 1 < request.choices ? .thinking(choice: choice + 1, index: 0) : .reporting
            return breakOff() ?? .event(.finished(choice: choice, answer.finish))
        case .reporting:
            stage = .over
            return .event(.usage(usage))
        case .over:
            return .end
        }
    }

    private mutating func call(_ choice: Int, _ index: Int) -> Step? {
        guard index < answer.calls.count else {
            stage = .finishing(choice: choice)
            return nil
        }
        stage = .calling(choice: choice, index: index + 1)
        let call = answer.calls[index]
        pending = BuiltinTokens.pieces(of: call.arguments).reversed().map {
            .event(.toolCallArguments(choice: choice, index: index, $0))
        }
        return .event(
            .toolCallStarted(choice: choice, index: index, id: "call_builtin_\(choice)_\(index)", name: call.name))
    }

    /// One token, after the pause between two, unless the answer breaks off here.
    private mutating func give(_ event: ChatEvent) -> Step {
        if let step = breakOff() { return step }
        given += 1
        guard let pace = script.pace, given > 1 else { return .event(event) }
        pending = [.event(event)]
        return .wait(pace)
    }

    private mutating func breakOff() -> Step? {
        guard let (tokens, kind) = script.breakOff, given >= tokens else { return nil }
        switch kind {
        case .cut: return over(.cut)
        case .failure(let status): return over(.event(.failed(.upstream(status: status, body: []))))
        }
    }

    private mutating func over(_ step: Step) -> Step {
        stage = .over
        return step
    }

    private var usage: TokenUsage {
        if let usage = script.usage { return TokenUsage(input: usage.input, output: usage.output) }
        return TokenUsage(
            input: BuiltinTokens.input(of: request), output: answer.tokenCount * request.choices,
            reasoning: answer.thought.count * request.choices)
    }
}
