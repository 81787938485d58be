// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Log
import Platform
import Synchronization

/// What is asked of the runner.
struct RunRequest: Sendable {
    /// Whose run it is; nil for the house's own.
    var tenant: TenantID?
    var order: BoxOrder
    var input: [UInt8] = []
}

/// Why a run was not begun.
enum RunRefusal: Error, Equatable, Sendable {
    /// The queue is full, or the server stops.
    case busy
    /// The keeper is not there: it is being started anew, or the box was lost with it.
    case restarting
    /// This host cannot keep what a box promises.
    case unable
    /// The client went away while it waited.
    case abandoned
}

/// Runs boxes: the queue in front of the keeper. Everything but `run` is for the sandbox's loop.
final class Runner: @unchecked Sendable {
    let loop: EventLoop
    private let log: Logger
    private let cpuHundredths: Int
    private let spare: Int
    private let standard: BoxLimits
    private let systemSocket: String?
    private var link: KeeperLink?
    private var queue: RunQueue<String, Waiting>
    private var runs: [UInt64: BoxRun] = [:]
    private var warm: WarmPool?
    private var lastNumber: UInt64 = 0
    /// Whether the self-test held; nothing of anybody's runs before.
    private(set) var isTrusted = false
    private(set) var enforcements = Enforcements()
    private(set) var landlock = 0
    /// Called when the keeper's state is known.
    var onState: ((KeeperLink.State) -> Void)?
    /// Guards what the metrics read from another thread.
    private let figures = Mutex(RunnerFigures())

    private struct Waiting {
        let number: UInt64
        let ticket: RunTicket
        let request: RunRequest
        let since: Instant
        let heard: ((OutputKind, ArraySlice<UInt8>) -> Void)?
        let done: (Result<(RunOutcome, Instant), RunRefusal>) -> Void
    }

    init(on loop: EventLoop, settings: SandboxSettings, parallel: Int, log: Logger) {
        self.loop = loop
        self.log = log
        cpuHundredths = settings.cpuHundredths
        spare = settings.spare
        standard = settings.standard
        systemSocket = settings.keeper
        queue = RunQueue(parallelMax: parallel, waitingMax: settings.queue, waitingOfOneMax: settings.queueOfOne)
    }

    func start(_ path: String, _ hello: KeeperLink.Hello) {
        let link = KeeperLink(
            path: path, systemSocket: systemSocket, hello: hello, on: loop, log: log,
            changed: { [weak self] state in self?.take(state) },
            refused: { [weak self] number, cause in self?.runs[number]?.refuse(cause) })
        self.link = link
        do throws(Errno) {
            try link.start()
        } catch {
            take(.failed(.execution, error))
        }
    }

    private func take(_ state: KeeperLink.State) {
        if case .ready(let held, let abi) = state {
            enforcements = held
            landlock = abi
        }
        onState?(state)
        advance()
        if case .ready = state {
            keepSpare()
            warm?.refill()
        }
    }

    /// The self-test held: runs are taken from now on.
    func trust() {
        isTrusted = true
        keepSpare()
    }

    /// Has the keeper hold boxes ready for runs with the usual limits.
    private func keepSpare() {
        guard isTrusted, spare > 0 else { return }
        _ = link?.send(
            KeeperMessage(.spare, a: standard.memoryBytes, b: standard.processes, c: cpuHundredths, d: spare), [])
    }

    /// Keeps interpreters ready from now on.
    func keepWarm(_ terms: WarmPool.Terms) {
        guard isTrusted, terms.count > 0, warm == nil else { return }
        let pool = WarmPool(terms, on: loop, log: log) { [weak self] order, ready, lost in
            let tell = { (words: String) in
                ready(words)
                self?.note { _ in }
            }
            return self?.makeWaiting(order, tell, lost)
        }
        warm = pool
        pool.refill()
    }

    private func makeWaiting(
        _ order: BoxOrder, _ ready: @escaping (String) -> Void, _ lost: @escaping () -> Void
    ) -> BoxRun? {
        guard case .ready = link?.state else { return nil }
        lastNumber += 1
        let number = lastNumber
        let run = BoxRun(number: number, order: order, on: loop, heard: nil) { [weak self] _ in
            self?.runs[number] = nil
            lost()
            // One less waits, which nothing else may say for a while.
            self?.note { _ in }
        }
        do throws(Errno) {
            try run.beginWaiting(cpuHundredths: cpuHundredths, ready: ready) { message, descriptors in
                link?.send(message, descriptors) ?? false
            }
        } catch {
            return nil
        }
        runs[number] = run
        return run
    }

    /// What the metrics tell. On any thread.
    var snapshot: RunnerFigures { figures.withLock { $0 } }

    private func note(_ change: (inout RunnerFigures) -> Void) {
        figures.withLock { figures in
            change(&figures)
            (figures.running, figures.waiting, figures.warm) = (queue.running, queue.waiting, warm?.readyCount ?? 0)
        }
    }

    var keeperProcess: Int32 { link?.processID ?? -1 }
    var runningCount: Int { queue.running }
    var waitingCount: Int { queue.waiting }

    func stop(by deadline: Instant) {
        for waiting in queue.removeAll() { waiting.done(.failure(.busy)) }
        link?.stop(by: deadline)
    }

    // MARK: Runs

    /// Runs something, when its turn comes. On any loop.
    ///
    /// - Parameters:
    ///   - cancellation: of the caller's loop; what runs is killed when it fires.
    ///   - feed: gets what the program writes, as it does.
    func run(
        _ request: RunRequest, from caller: EventLoop, cancellation: Cancellation?, feed: RunFeed? = nil
    ) async throws(RunRefusal) -> (RunOutcome, queued: Duration) {
        let ticket = RunTicket()
        let token = cancellation?.onFire { [loop] in loop.post { self.cancel(ticket) } }
        defer { if let token { cancellation?.remove(token) } }
        let answer: Result<(RunOutcome, Duration), RunRefusal> = await caller.suspend { waiting in
            loop.post {
                let since = Instant.now()
                self.enter(request, ticket, since, feed.map { feed in { feed.give($0, Array($1)) } }) { result in
                    waiting.resume(returning: result.map { ($0.0, $0.1 - since) })
                }
            }
        }
        switch answer {
        case .success(let (outcome, queued)): return (outcome, queued)
        case .failure(let refusal): throw refusal
        }
    }

    /// The same for the house itself, on the sandbox's loop, before anybody is served.
    func runOwn(_ order: BoxOrder, input: [UInt8] = [], done: @escaping (Result<RunOutcome, RunRefusal>) -> Void) {
        let request = RunRequest(tenant: nil, order: order, input: input)
        enter(request, RunTicket(), Instant.now(), nil, isOwn: true) { result in done(result.map(\.0)) }
    }

    private func enter(
        _ request: RunRequest, _ ticket: RunTicket, _ since: Instant,
        _ heard: ((OutputKind, ArraySlice<UInt8>) -> Void)?, isOwn: Bool = false,
        done: @escaping (Result<(RunOutcome, Instant), RunRefusal>) -> Void
    ) {
        guard !ticket.isCancelled else { return done(.failure(.abandoned)) }
        guard isTrusted || isOwn else { return done(.failure(.unable)) }
        guard case .ready = link?.state else { return done(.failure(.restarting)) }
        lastNumber += 1
        ticket.number = lastNumber
        ticket.owner = request.tenant?.text ?? ""
        let waiting = Waiting(
            number: lastNumber, ticket: ticket, request: request, since: since, heard: heard, done: done)
        do throws(RunQueue<String, Waiting>.Refusal) {
            try queue.append(waiting, of: ticket.owner, number: lastNumber)
        } catch {
            note { $0.refused += 1 }
            return done(.failure(.busy))
        }
        advance()
    }

    private func cancel(_ ticket: RunTicket) {
        ticket.isCancelled = true
        if let waiting = queue.remove(number: ticket.number, of: ticket.owner) {
            waiting.done(.failure(.abandoned))
        } else {
            runs[ticket.number]?.cancel()
        }
    }

    /// Begins whatever may run now.
    private func advance() {
        guard case .ready = link?.state else {
            // Whoever waits would wait for a keeper that may not come.
            for waiting in queue.removeAll() { waiting.done(.failure(.restarting)) }
            return
        }
        while let next = queue.next() { begin(next) }
        note { _ in }
    }

    private func begin(_ waiting: Waiting) {
        let begun = Instant.now()
        if let warm, waiting.request.tenant != nil, let run = warm.take(for: waiting.request.order) {
            if claim(run, for: waiting, begun) { return }
            // Nothing of the program has run there.
            run.discard()
        }
        let number = waiting.number
        let run = BoxRun(number: number, order: waiting.request.order, on: loop, heard: waiting.heard) {
            [weak self] outcome in
            self?.end(number, outcome)
            waiting.done(.success((outcome, begun)))
            self?.advance()
        }
        runs[number] = run
        note { $0.begun += 1 }
        do throws(Errno) {
            try run.begin(input: waiting.request.input, cpuHundredths: cpuHundredths) { message, descriptors in
                link?.send(message, descriptors) ?? false
            }
        } catch {
            run.refuse(error)
        }
    }

    /// Runs it in a box that waited. False where that box is of no use.
    private func claim(_ run: BoxRun, for waiting: Waiting, _ begun: Instant) -> Bool {
        let number = run.number
        let ticket = waiting.ticket
        do throws(Errno) {
            try run.claim(
                waiting.request.order, input: waiting.request.input, heard: waiting.heard,
                send: { message, descriptors in link?.send(message, descriptors) ?? false },
                finished: { [weak self] outcome in
                    self?.end(number, outcome)
                    waiting.done(.success((outcome, begun)))
                    self?.advance()
                    self?.warm?.runEnded()
                })
        } catch {
            return false
        }
        ticket.number = number
        note { figures in
            figures.begun += 1
            figures.begunWarm += 1
        }
        return true
    }

    private func end(_ number: UInt64, _ outcome: RunOutcome) {
        runs[number] = nil
        queue.leave()
        note { figures in
            switch outcome {
            case .ended(let result): figures.ended[ExecutionStatus(result.report), default: 0] += 1
            case .refused, .lost: figures.lost += 1
            }
        }
    }
}

/// What became of runs since the start.
struct RunnerFigures: Sendable {
    var begun = 0
    /// Of these, in an interpreter that waited.
    var begunWarm = 0
    var refused = 0
    var lost = 0
    var ended: [ExecutionStatus: Int] = [:]
    /// Now.
    var running = 0
    var waiting = 0
    var warm = 0
}

/// Names a run that was asked for, so that it can be taken back. On the sandbox's loop only.
private final class RunTicket: @unchecked Sendable {
    var number: UInt64 = 0
    var owner = ""
    var isCancelled = false
}

/// What a program writes, on its way to a handler on another loop. Bounded by the run's output limits.
///
/// What was given before the run's end is there when the handler hears of the end. Posted to its loop it might come behind:
/// a task that is told to go on before it waits goes on at once, past everything that its loop has in its mailbox.
final class RunFeed: @unchecked Sendable {
    private let loop: EventLoop
    private let pieces = Mutex<[(OutputKind, [UInt8])]>([])
    // Of the handler's loop.
    private var waiter: OneShot<Void>?
    private var isEnded = false

    /// - Parameter loop: the handler's.
    init(on loop: EventLoop) { self.loop = loop }

    /// On the sandbox's loop.
    func give(_ kind: OutputKind, _ bytes: [UInt8]) {
        let isFirst = pieces.withLock { pieces in
            pieces.append((kind, bytes))
            return pieces.count == 1
        }
        if isFirst { loop.post { self.waiter?.fulfil(()) } }
    }

    /// On the handler's loop: there is no more.
    func end() {
        isEnded = true
        waiter?.fulfil(())
    }

    /// The next pieces; empty at the end. On the handler's loop.
    func next() async -> [(OutputKind, [UInt8])] {
        while true {
            let given = pieces.withLock { exchange(&$0, with: []) }
            guard given.isEmpty, !isEnded else { return given }
            let waiter = OneShot<Void>(on: loop)
            self.waiter = waiter
            await waiter.value()
            self.waiter = nil
        }
    }
}
