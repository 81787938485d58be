// SPDX-License-Identifier: Apache-2.0
package import Platform

/// A named thread with a bounded mailbox, for work that blocks: files, databases, names, password hashes.
///
/// The answer returns to the caller's loop through its mailbox; one such hop is some 16 µs alone, so hop once, with
/// everything.
package final class Worker: Sendable {
    /// Why work was not taken.
    package enum Refusal: Error, Equatable, Sendable {
        /// The mailbox is full: say "busy" rather than wait.
        case full
        /// The worker has been stopped.
        case stopped
    }

    /// Why `run` has no result.
    package enum Failure<Cause: Error>: Error {
        /// It never ran.
        case refused(Refusal)
        /// It ran, and threw this.
        case failed(Cause)
    }

    private struct State {
        var queue = Queue<@Sendable () -> Void>()
        var isStopped = false
    }

    private let queueMax: Int
    private let state: Monitor<State>
    private let threads: [NamedThread]

    /// Starts `threads` threads that share one mailbox of at most `queueMax` pieces of work.
    ///
    /// - Parameter background: where the work computes for long: that by which it gives way to the loops.
    package init(name: String, queueMax: Int, threads: Int = 1, background: BackgroundWork? = nil) throws(Errno) {
        precondition(queueMax > 0 && threads > 0)
        let state = Monitor(State())
        var started: [NamedThread] = []
        do throws(Errno) {
            for _ in 0..<threads {
                started.append(
                    try NamedThread.start(name: name) {
                        if background != nil { BackgroundWork.stepBehind() }
                        Worker.work(state, background)
                    })
            }
        } catch {
            Worker.stop(state)
            throw error
        }
        self.queueMax = queueMax
        self.state = state
        self.threads = started
    }

    deinit {
        Worker.stop(state)
    }

    /// Leaves work for the thread and returns. Any thread.
    package func post(_ body: @escaping @Sendable () -> Void) throws(Refusal) {
        try state.withLock { (state) throws(Refusal) in
            guard !state.isStopped else { throw .stopped }
            guard state.queue.count < queueMax else { throw .full }
            state.queue.append(body)
        }
        state.signal()
    }

    /// Runs `body` on the worker and waits for its result without blocking the caller's thread.
    package func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async throws(Refusal) -> Result {
        let answer: Swift.Result<Result, Refusal> = await EventLoop.suspend { caller in
            do throws(Refusal) {
                try post { caller.resume(returning: .success(body())) }
            } catch {
                caller.resume(returning: .failure(error))
            }
        }
        return try answer.get()
    }

    /// Runs `body`, which may throw, on the worker and waits for its result.
    package func run<Result: Sendable, Cause: Error>(
        throwing body: @escaping @Sendable () throws(Cause) -> Result
    ) async throws(Failure<Cause>) -> Result {
        let answer: Swift.Result<Result, Cause>
        do throws(Refusal) {
            answer = try await run { () -> Swift.Result<Result, Cause> in
                do throws(Cause) { return .success(try body()) } catch { return .failure(error) }
            }
        } catch {
            throw .refused(error)
        }
        switch answer {
        case .success(let result): return result
        case .failure(let cause): throw .failed(cause)
        }
    }

    /// The same for a thread that may block: at start, at stop, in commands. Never on a loop's thread.
    package func runBlocking<Result: Sendable, Cause: Error>(
        throwing body: @escaping @Sendable () throws(Cause) -> Result
    ) throws(Failure<Cause>) -> Result {
        precondition(EventLoop.current == nil, "a loop does not wait for a worker")
        let answer = Monitor<Swift.Result<Result, Cause>?>(nil)
        do throws(Refusal) {
            try post {
                let result: Swift.Result<Result, Cause>
                do throws(Cause) { result = .success(try body()) } catch { result = .failure(error) }
                answer.withLock { $0 = result }
                answer.signal()
            }
        } catch {
            throw .refused(error)
        }
        switch answer.wait({ $0 }) {
        case .success(let result): return result
        case .failure(let cause): throw .failed(cause)
        }
    }

    /// Takes no more work; what is in the mailbox is still done. Any thread.
    package func stop() {
        Worker.stop(state)
    }

    /// Waits until the work is done, after `stop`. Never on a loop's thread.
    package func join() {
        for thread in threads { thread.join() }
    }

    private static func stop(_ state: Monitor<State>) {
        state.withLock { $0.isStopped = true }
        state.signal(all: true)
    }

    private static func work(_ state: Monitor<State>, _ background: BackgroundWork?) {
        while true {
            let next: (@Sendable () -> Void)? = state.wait { (state) -> (@Sendable () -> Void)?? in
                if let work = state.queue.popFirst() { return .some(work) }
                return state.isStopped ? .some(nil) : nil
            }
            guard let next else { return }
            if let background { background.perform(next) } else { next() }
        }
    }
}
