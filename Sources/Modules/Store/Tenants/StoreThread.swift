// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Platform
import SQLite

/// A thread that owns the files of some tenants, and the mailbox in front of it.
///
/// Each tenant has a queue of its own and they take turns, so that one tenant's flood waits behind itself. A turn takes what
/// waits for one tenant, up to a group: first the reads, then the writes in one commit.
final class StoreThread: Sendable {
    private struct State {
        /// An array each: mostly all of it is taken at once.
        var queues: [TenantID: [Job]] = [:]
        /// Tenants whose queue is not empty, in the order of their turns.
        var turns = Queue<TenantID>()
        var count = 0
        /// Being deleted, or deleted since the start: nothing more is taken.
        var retired: Set<TenantID> = []
        /// Files to close, and whom to tell.
        var closings: [(tenant: TenantID, finish: @Sendable () -> Void)] = []
        var isStopped = false
    }

    private enum Step {
        case turn(TenantID, [Job])
        case close(TenantID, @Sendable () -> Void)
        case idle
        case stop
    }

    private let state: Monitor<State>
    private let thread: NamedThread

    /// - Parameter files: makes the files; called once, on the thread, which owns them.
    init(files: @escaping @Sendable () -> TenantFiles) throws(Errno) {
        let state = Monitor(State())
        self.state = state
        thread = try NamedThread.start(name: "store") { StoreThread.work(state, files()) }
    }

    /// Leaves work for a tenant's file. Where there is no room for it, it is finished with the reason at once.
    func post(_ job: Job, for tenant: TenantID) {
        let refusal: DatabaseFailure? = state.withLock { state in
            if state.isStopped { return .busy }
            if state.retired.contains(tenant) { return .gone }
            guard state.count < TenantLimit.jobs, state.queues[tenant]?.count ?? 0 < TenantLimit.jobsOfOne else {
                return .busy
            }
            if state.queues[tenant]?.append(job) == nil {
                state.queues[tenant] = [job]
                state.turns.append(tenant)
            }
            state.count += 1
            return nil
        }
        if let refusal { return job.finish(refusal) }
        state.signal()
    }

    /// Takes no more work for a tenant, refuses what waits, and closes its file. Returns when it is closed.
    func retire(_ tenant: TenantID) async {
        await EventLoop.suspend { (caller: WaitingTask<Void>) in
            let waiting: [Job]? = state.withLock { state in
                state.retired.insert(tenant)
                guard !state.isStopped else { return nil }
                state.closings.append((tenant, { caller.resume() }))
                // The tenant's turn comes, and finds nothing.
                let jobs = state.queues.removeValue(forKey: tenant) ?? []
                state.count -= jobs.count
                return jobs
            }
            guard let waiting else { return caller.resume() }
            state.signal()
            for job in waiting { job.finish(.gone) }
        }
    }

    /// Does what waits, closes the files and ends the thread. Never on a loop.
    func stop() {
        state.withLock { $0.isStopped = true }
        state.signal(all: true)
        thread.join()
    }

    // MARK: - On the thread

    private static func work(_ state: Monitor<State>, _ files: TenantFiles) {
        while true {
            switch next(state, mayIdle: files.hasIdleWork) {
            case .turn(let tenant, let jobs): files.run(jobs, of: tenant)
            case .close(let tenant, let finish):
                files.close(tenant)
                finish()
            case .idle: files.doIdleWork()
            case .stop: return files.closeAll()
            }
        }
    }

    /// What to do next. With something left to try again, it waits a second at most.
    private static func next(_ state: Monitor<State>, mayIdle: Bool) -> Step {
        let deadline = Instant.now() + .seconds(mayIdle ? 1 : 3600)
        let step = state.wait(until: deadline) { state -> Step? in
            if let closing = state.closings.popLast() { return .close(closing.tenant, closing.finish) }
            while let tenant = state.turns.popFirst() {
                // A retired tenant's queue is empty.
                let jobs = take(&state, tenant)
                if !jobs.isEmpty { return .turn(tenant, jobs) }
            }
            return state.isStopped ? .stop : nil
        }
        return step ?? .idle
    }

    /// The next group of one tenant; if more waits, its turn comes again behind the others'.
    private static func take(_ state: inout State, _ tenant: TenantID) -> [Job] {
        guard let jobs = state.queues.removeValue(forKey: tenant) else { return [] }
        guard jobs.count > TenantLimit.group else {
            state.count -= jobs.count
            return jobs
        }
        state.queues[tenant] = Array(jobs[TenantLimit.group...])
        state.turns.append(tenant)
        state.count -= TenantLimit.group
        return Array(jobs[..<TenantLimit.group])
    }
}
