// SPDX-License-Identifier: Apache-2.0

import Platform
import SQLite

/// The one thread that writes the keyring. What many callers want at once shares one commit, since what costs is the
/// flush and not the row.
///
///     callers ─ enqueue ─→ [work … work] ─→ BEGIN · SAVEPOINT work RELEASE · … · COMMIT ─→ tickets
///
/// Work that throws is rolled back alone; where the file itself fails, the whole group hears it and nothing of it was
/// written.
final class GroupCommit: Sendable {
    typealias Work = @Sendable (SQLiteConnection) throws(KeyringFailure) -> Void
    /// Work outside any transaction, which may put another connection in the place of the one there is.
    typealias Maintenance = @Sendable (inout SQLiteConnection) throws(KeyringFailure) -> Void

    /// Work that may wait; beyond it callers hear `busy`.
    static let queueMax = 1 << 16
    /// Work in one commit.
    static let groupMax = 4096

    /// What one commit does and who waits for it.
    final class Group: Sendable {
        fileprivate enum Outcome {
            case open
            /// Committed, but for what threw, by place.
            case done([Int: KeyringFailure])
            case failed(KeyringFailure)
        }

        fileprivate let outcome = Monitor(Outcome.open)

        fileprivate func finish(_ new: Outcome) {
            outcome.withLock { $0 = new }
            outcome.signal(all: true)
        }
    }

    /// A claim on one piece of work.
    struct Ticket: Sendable {
        fileprivate let group: Group
        fileprivate let place: Int

        /// Waits until the work is on the disk. Never on a loop's thread.
        func wait() throws(KeyringFailure) {
            let failure = group.outcome.wait { outcome -> KeyringFailure?? in
                switch outcome {
                case .open: nil
                case .done(let failures): .some(failures[place])
                case .failed(let failure): .some(failure)
                }
            }
            if let failure { throw failure }
        }
    }

    private enum Job {
        case group(Group, [Work])
        case alone(Group, Maintenance)
    }

    private struct State {
        var jobs: [Job] = []
        var waiting = 0
        var isStopped = false
    }

    private let state: Monitor<State>
    private let thread: NamedThread

    /// Takes over a connection; no other thread may use it from here on.
    init(_ connection: SQLiteConnection) throws(Errno) {
        let state = Monitor(State())
        self.state = state
        thread = try NamedThread.start(name: "keyring") {
            connection.adopt()
            Self.work(state, connection)
        }
    }

    /// Leaves work for the next commit and returns at once.
    func enqueue(_ work: @escaping Work) throws(KeyringFailure) -> Ticket {
        let ticket = try state.withLock { state throws(KeyringFailure) in
            try Self.admit(&state)
            if case .group(let group, var works)? = state.jobs.last, works.count < Self.groupMax {
                state.jobs.removeLast()
                works.append(work)
                state.jobs.append(.group(group, works))
                return Ticket(group: group, place: works.count - 1)
            }
            let group = Group()
            state.jobs.append(.group(group, [work]))
            return Ticket(group: group, place: 0)
        }
        state.signal()
        return ticket
    }

    /// Does work and waits until it is on the disk. Never on a loop's thread.
    func run<Result: Sendable>(
        _ work: @escaping @Sendable (SQLiteConnection) throws(KeyringFailure) -> Result
    ) throws(KeyringFailure) -> Result {
        let box = Monitor<Result?>(nil)
        let ticket = try enqueue { connection throws(KeyringFailure) in
            let result = try work(connection)
            box.withLock { $0 = result }
        }
        try ticket.wait()
        guard let result = box.withLock({ $0 }) else { throw .stopped }
        return result
    }

    /// Does work that must have the thread for itself.
    func runAlone(_ work: @escaping Maintenance) throws(KeyringFailure) {
        let ticket = try state.withLock { state throws(KeyringFailure) in
            try Self.admit(&state)
            let group = Group()
            state.jobs.append(.alone(group, work))
            return Ticket(group: group, place: 0)
        }
        state.signal()
        try ticket.wait()
    }

    /// Does what waits, checkpoints, and ends the thread.
    func stop() {
        state.withLock { $0.isStopped = true }
        state.signal()
        thread.join()
    }

    private static func admit(_ state: inout State) throws(KeyringFailure) {
        guard !state.isStopped else { throw .stopped }
        guard state.waiting < queueMax else { throw .busy }
        state.waiting += 1
    }

    private static func work(_ state: Monitor<State>, _ first: SQLiteConnection) {
        var connection = first
        while true {
            let jobs: [Job] = state.wait { state -> [Job]? in
                guard !state.jobs.isEmpty || state.isStopped else { return nil }
                defer { (state.jobs, state.waiting) = ([], 0) }
                return state.jobs
            }
            guard !jobs.isEmpty else { break }
            for job in jobs {
                switch job {
                case .group(let group, let works): group.finish(commit(works, connection))
                case .alone(let group, let work):
                    do throws(KeyringFailure) {
                        try work(&connection)
                        group.finish(.done([:]))
                    } catch {
                        group.finish(.failed(error))
                    }
                }
            }
        }
        try? connection.checkpoint()
    }

    private static func commit(_ works: [Work], _ connection: SQLiteConnection) -> Group.Outcome {
        var failures: [Int: KeyringFailure] = [:]
        var fatal: KeyringFailure?
        do throws(SQLiteError) {
            try connection.transaction { () throws(SQLiteError) in
                for (place, work) in works.enumerated() {
                    try connection.execute("SAVEPOINT work")
                    do throws(KeyringFailure) {
                        try work(connection)
                    } catch {
                        failures[place] = error
                        if error.concernsFile {
                            fatal = error
                            if case .failed(let cause) = error { throw cause }
                        }
                        try connection.execute("ROLLBACK TO work")
                    }
                    try connection.execute("RELEASE work")
                }
                // The number by which an older copy of this file is recognised.
                try connection.execute("UPDATE keyring_meta SET generation = generation + 1")
            }
            return .done(failures)
        } catch {
            return .failed(fatal ?? .failed(error))
        }
    }
}
