// SPDX-License-Identifier: Apache-2.0

package import HTTP
import Platform

/// Where in the journey of a request a stage stands. The order of the cases is the order of the journey (ARCHITECTURE.md).
package enum StagePosition: Int, Comparable, CaseIterable, Sendable {
    /// Credential → principal.
    case identify
    /// Address, key, tenant: rates, concurrency, blocks.
    case admit
    /// Once model, node and end user are known: may this principal use them, and the limits that count for those.
    case attribute
    /// The input policy.
    case inspect
    /// Worst-case tokens, money and abuse units, atomically.
    case reserve
    /// The intent, written before anything leaves the house.
    case record

    package static func < (left: StagePosition, right: StagePosition) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// One step that a module takes with every exchange.
///
/// Stages are objects that the composition root lists, made once; a module that is off is a stage that is absent, and a
/// test leaves one out to show that its proof can fail.
package protocol Stage: AnyObject, Sendable {
    var position: StagePosition { get }

    /// Takes the step. What it throws is the answer, and nothing behind this stage happens.
    ///
    /// Runs on the exchange's loop and must not block it.
    func enter(_ exchange: Exchange) async throws(Failure)

    /// Called once for each exchange that this stage let in, in reverse order of entering, however the exchange ended.
    func settle(_ exchange: Exchange, _ outcome: Outcome) async
}

extension Stage {
    package func settle(_ exchange: Exchange, _ outcome: Outcome) async {}
}

/// A stage that mostly waits for nothing: it is then passed without the cost of a call that might.
package protocol PromptStage: Stage {
    /// `enter` where nobody has to wait; false, with nothing done, where `enter` has to be called.
    func enterNow(_ exchange: Exchange) throws(Failure) -> Bool

    /// `settle`, which waits for nothing.
    func leave(_ exchange: Exchange, _ outcome: Outcome)
}

extension PromptStage {
    package func leave(_ exchange: Exchange, _ outcome: Outcome) {}
    package func settle(_ exchange: Exchange, _ outcome: Outcome) async { leave(exchange, outcome) }
}

/// A stage that never waits.
package protocol ImmediateStage: PromptStage {
    func enter(_ exchange: Exchange) throws(Failure)
}

extension ImmediateStage {
    package func enterNow(_ exchange: Exchange) throws(Failure) -> Bool {
        try enter(exchange)
        return true
    }
}

/// A stage that reads, of a call to a model, what it may come to. While no stage wants to know, nobody reckons it.
package protocol FiguresStage: Stage {
    var wantsFigures: Bool { get }
}

/// A stage that also hears of every refusal and failure, those before it included.
package protocol JudgingStage: Stage {
    /// What is answered: the same failure, or another in its place. Called once, before anything is answered; waits for
    /// nothing.
    func judge(_ failure: Failure, of exchange: Exchange) -> Failure

    /// Meets a request for a route that is open to everybody, which passes no other stage; what this throws is the answer.
    func meet(_ exchange: Exchange) throws(Failure)

    /// Hears of a request that came to no route, and of one that was none.
    func note(_ code: ErrorCode, from peer: Peer)
}

extension JudgingStage {
    package func meet(_ exchange: Exchange) throws(Failure) {}
    package func note(_ code: ErrorCode, from peer: Peer) {}
}

/// How an exchange ended.
package enum Outcome: Sendable {
    /// Answered whole, with this status.
    case answered(status: Int)
    /// Refused or failed before or during the answer.
    case failed(ErrorCode)
    /// The client went away first.
    case abandoned

    /// One word or code for the log.
    package var name: String {
        switch self {
        case .answered(let status): String(status)
        case .failed(let code): code.rawValue
        case .abandoned: "abandoned"
        }
    }
}

/// The stages of a server in the order of the journey. A class, since every exchange refers to them and their lists are many.
package final class Stages: Sendable {
    private let ordered: [any Stage]
    /// The same by their places, as every request passes them.
    private let steps: [Step]
    private let readers: [Lent<any FiguresStage>]
    // Those that the two before lend.
    private let promptBoxes: [Lent<any PromptStage>.Box?]
    private let readerBoxes: [Lent<any FiguresStage>.Box]
    private let judges: [any JudgingStage]
    /// The one that writes exchanges down.
    package let recorder: (any RecordStage)?
    /// Keeps the ledger of units of work.
    let charger: (any ChargingStage)?

    /// Sorts by position; stages of one position keep the order in which they are listed.
    package init(_ stages: [any Stage]) {
        ordered = StagePosition.allCases.flatMap { position in stages.filter { $0.position == position } }
        promptBoxes = ordered.map { ($0 as? any PromptStage).map { .init($0) } }
        readerBoxes = ordered.compactMap { ($0 as? any FiguresStage).map { .init($0) } }
        steps = zip(ordered, promptBoxes).map { Step(position: $0.position, prompt: $1.map { Lent($0) }) }
        readers = readerBoxes.map { Lent($0) }
        judges = ordered.compactMap { $0 as? any JudgingStage }
        recorder = ordered.lazy.compactMap { $0 as? any RecordStage }.first
        charger = ordered.lazy.compactMap { $0 as? any ChargingStage }.first
    }

    /// All of them, in order.
    package var members: [any Stage] { ordered }

    /// Whether anybody wants to know what a call to a model may come to.
    var wantsFigures: Bool {
        if recorder != nil { return true }
        for index in readers.indices where readers[index].with({ $0.wantsFigures }) { return true }
        return false
    }

    /// What is answered where an exchange fails.
    func judged(_ failure: Failure, of exchange: Exchange) -> Failure {
        judges.reduce(failure) { $1.judge($0, of: exchange) }
    }

    func meet(_ exchange: Exchange) throws(Failure) {
        for judge in judges { try judge.meet(exchange) }
    }

    /// Tells of a request that came to no route, and of one that was none.
    package func note(_ code: ErrorCode, from peer: Peer) {
        for judge in judges { judge.note(code, from: peer) }
    }

    /// Takes an exchange through stages that do not wait, as far as there are such one after the other.
    ///
    /// - Returns: false where `advance` has to go on, from the stage at which this stopped.
    func advanceNow(_ exchange: Exchange, through position: StagePosition) throws(Failure) -> Bool {
        while exchange.stagesEntered < steps.count {
            let step = steps[exchange.stagesEntered]
            guard step.position <= position else { break }
            guard let stage = step.prompt else { return false }
            do throws(Failure) {
                let isPassed = try stage.with { (stage) throws(Failure) in try stage.enterNow(exchange) }
                guard isPassed else { return false }
            } catch {
                exchange.refusedAt = step.position
                throw error
            }
            exchange.stagesEntered += 1
        }
        return true
    }

    /// Settles an exchange with stages that do not wait, as far as there are such one after the other.
    ///
    /// - Returns: false where `settle` has to go on.
    func settleNow(_ exchange: Exchange, _ outcome: Outcome) -> Bool {
        while exchange.stagesEntered > 0, let stage = steps[exchange.stagesEntered - 1].prompt {
            exchange.stagesEntered -= 1
            stage.with { $0.leave(exchange, outcome) }
        }
        return exchange.stagesEntered == 0
    }

    /// Takes an exchange through every stage up to and including a position that it has not passed yet.
    package func advance(_ exchange: Exchange, through position: StagePosition) async throws(Failure) {
        while exchange.stagesEntered < ordered.count, ordered[exchange.stagesEntered].position <= position {
            do throws(Failure) {
                try await ordered[exchange.stagesEntered].enter(exchange)
            } catch {
                exchange.refusedAt = ordered[exchange.stagesEntered].position
                throw error
            }
            exchange.stagesEntered += 1
        }
    }

    /// Settles an exchange with every stage that let it in, in reverse. The front door calls it once per exchange.
    package func settle(_ exchange: Exchange, _ outcome: Outcome) async {
        while exchange.stagesEntered > 0 {
            exchange.stagesEntered -= 1
            await ordered[exchange.stagesEntered].settle(exchange, outcome)
        }
    }
}

/// A stage at its place.
private struct Step {
    let position: StagePosition
    /// nil for one that is not of that kind.
    let prompt: Lent<any PromptStage>?
}

/// A stage of a list, which is not counted as held by each request that passes it.
@safe private struct Lent<Stage: Sendable>: @unchecked Sendable {
    /// Holds a stage.
    final class Box: Sendable {
        fileprivate let stage: Stage

        init(_ stage: Stage) { self.stage = stage }
    }

    // SAFETY: whoever keeps the list keeps the boxes beside it, and both are never changed.
    private let box: Unmanaged<Box>

    init(_ box: Box) { unsafe self.box = Unmanaged.passUnretained(box) }

    @inline(__always)
    func with<Result, Failure: Error>(_ body: (Stage) throws(Failure) -> Result) throws(Failure) -> Result {
        try unsafe box.lend { (box) throws(Failure) in try body(box.stage) }
    }
}
