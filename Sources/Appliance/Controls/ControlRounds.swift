// SPDX-License-Identifier: Apache-2.0

import Core
import Log
import Platform

/// The thread `controls`, which tries what is due, from a while after the start on, and everything when somebody asks.
///
/// Made and stopped by the main thread.
final class ControlRounds: ControlExaminer {
    /// Gives what a round needs, and the client it has to stop.
    typealias World = @Sendable () throws(ProbeClient.Failure) -> ProbeWorld

    private struct State {
        var isStopping = false
        var isWanted = false
        /// Rounds that are over.
        var rounds = 0
        var isRunning = false
    }

    private let state = Monitor(State())
    private let book: ControlBook
    private let thread: NamedThread

    /// Between looks at what is due.
    private static let step = Duration.seconds(60)
    /// Rounds after a start in which nothing is tried that takes the server some work: it has enough to do.
    private static let quietRounds = 15

    /// - Parameter delay: until the first round. In production it comes at once, elsewhere when the server has stayed.
    init(_ book: ControlBook, after delay: Duration, world: @escaping World, log: Logger) throws(Errno) {
        self.book = book
        let run: @Sendable () -> Void = { [state] in Self.run(state, book, delay, world, log) }
        thread = try NamedThread.start(name: "controls", body: run)
        book.join(self)
    }

    func stop() {
        book.join(nil)
        state.withLock { $0.isStopping = true }
        state.signal(all: true)
        thread.join()
    }

    private static func run(
        _ state: Monitor<State>, _ book: ControlBook, _ delay: Duration, _ world: World, _ log: Logger
    ) {
        var next = Instant.now() + delay
        // Rounds in which something was tried.
        var turns = 0
        while true {
            _ = state.wait(until: next) { $0.isStopping || $0.isWanted ? true : nil }
            let (isStopping, isWhole, round) = state.withLock { state in
                defer { (state.isWanted, state.isRunning) = (false, true) }
                return (state.isStopping, state.isWanted, state.rounds)
            }
            guard !isStopping else { return }
            let due = book.due().filter { round >= Self.quietRounds || !$0.control.isRare }
            let probes = isWhole ? book.probes : due
            if !probes.isEmpty { turns += 1 }
            examine(probes, turns, isWhole, state, book, world, log)
            state.withLock { state in
                state.rounds += 1
                state.isRunning = false
            }
            state.signal(all: true)
            next = .now() + step
        }
    }

    private static func examine(
        _ probes: [(control: Control, probe: Control.Probe)], _ round: Int, _ isWhole: Bool, _ state: Monitor<State>,
        _ book: ControlBook, _ world: World, _ log: Logger
    ) {
        guard !probes.isEmpty else { return }
        do throws(ProbeClient.Failure) {
            var world = try world()
            defer { world.client.stop() }
            (world.round, world.isWhole) = (round, isWhole)
            for (control, probe) in probes where !state.withLock({ $0.isStopping }) {
                let result = probe(world)
                book.note(result, of: control)
                if case .failed(let reason) = result {
                    log.error("a promise is not kept", ["control": .string(control.id), "cause": .string(reason)])
                }
            }
        } catch {
            for (control, _) in probes { book.note(.untried(error.reason), of: control) }
        }
    }

    func request() -> Int {
        let ticket = state.withLock { state in
            state.isWanted = true
            // A round that is under way began without knowing.
            return state.rounds + (state.isRunning ? 2 : 1)
        }
        state.signal(all: true)
        return ticket
    }

    func isOver(_ ticket: Int) -> Bool { state.withLock { $0.rounds >= ticket || $0.isStopping } }
}
