// SPDX-License-Identifier: Apache-2.0

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

/// A stage that never waits and has nothing to settle: it is passed without the cost of a call that might.
package protocol ImmediateStage: Stage {
    func enter(_ exchange: Exchange) throws(Failure)
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

/// The stages of a server in the order of the journey.
package struct Stages: Sendable {
    private let ordered: [any Stage]
    /// The same by their places, where they are of that kind.
    private let immediate: [(any ImmediateStage)?]
    private let positions: [StagePosition]
    /// The one that writes exchanges down.
    package let recorder: (any RecordStage)?

    /// Sorts by position; stages of one position keep the order in which they are listed.
    package init(_ stages: [any Stage]) {
        ordered = StagePosition.allCases.flatMap { position in stages.filter { $0.position == position } }
        immediate = ordered.map { $0 as? any ImmediateStage }
        positions = ordered.map(\.position)
        recorder = ordered.lazy.compactMap { $0 as? any RecordStage }.first
    }

    /// Takes an exchange through stages that never wait, as far as there are such one after the other.
    ///
    /// - Returns: false where `advance` has to go on, from the stage at which this stopped.
    func advanceNow(_ exchange: Exchange, through position: StagePosition) throws(Failure) -> Bool {
        while exchange.stagesEntered < ordered.count, positions[exchange.stagesEntered] <= position {
            guard let stage = immediate[exchange.stagesEntered] else { return false }
            do throws(Failure) {
                try stage.enter(exchange)
            } catch {
                exchange.refusedAt = stage.position
                throw error
            }
            exchange.stagesEntered += 1
        }
        return true
    }

    /// Settles an exchange with stages that have nothing to settle, as far as there are such one after the other.
    ///
    /// - Returns: false where `settle` has to go on.
    func settleNow(_ exchange: Exchange) -> Bool {
        while exchange.stagesEntered > 0, immediate[exchange.stagesEntered - 1] != nil { exchange.stagesEntered -= 1 }
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
