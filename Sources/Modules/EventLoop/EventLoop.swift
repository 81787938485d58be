// SPDX-License-Identifier: Apache-2.0
//
// One thread, one epoll set. A turn is: wait for events, hand them to their sources, take the mail, fire timers, run
// jobs, send what they wrote. Its connections' tasks run nowhere else, so a handler is straight `async` code that stays on
// this thread between one read and the next, and what it touches needs no lock.
//
//     any thread ── post / spawn ────▶ mailbox ──eventfd──▶ ready ─▶ run
//     kernel     ── epoll ──▶ source ── resumes a task ─────▶ ready ─▶ run
//                                    └─ that begins anew ───▶ beginning ─▶ run, some a turn
//
// All sockets whose readers wait are read before the first reader goes on, and what tasks write is sent at the end of the turn,
// for all one after the other: the kernel's code for either is as large as the processor's first cache, and would be fetched anew
// for each request, between all else that it needs.
//
// What is under way goes before what begins: of 256 requests that come at once each would otherwise be half done while
// the others are, and none would find in the processor's cache what it left there.

import CLinux
import Glibc
package import Platform
import Synchronization

/// An event loop: epoll, timers, a mailbox, and what runs the tasks that begin on it.
///
/// Everything but `post`, `spawn`, `start`, `stop` and `join` is for the loop's own thread.
@safe package final class EventLoop: @unchecked Sendable {
    /// The name of the loop and of its thread.
    package let name: String

    private let epoll: FileDescriptor
    private let wake: FileDescriptor
    /// The id of the thread that runs the loop; 0 when none does.
    private let threadID = Atomic<UInt>(0)
    private let isStopping = Atomic<Bool>(false)
    private let background: BackgroundWork
    /// Work that other threads leave here.
    private let mailbox = Monitor<[Work]>([])
    /// Guards the thread made by `start`.
    private let thread = Mutex<NamedThread?>(nil)

    // The rest is touched by the loop's thread only.
    private var inbox: [Work] = []
    private var ready = Queue<Work>()
    /// What begins something new, behind everything else.
    private var beginning = Queue<Work>()
    /// True while a source wakes a task that begins something new.
    private var isBeginning = false
    private var nextTurn: [Work] = []
    /// What stands behind all that the turn does, and before what leaves at its end.
    private var ending: [Work] = []
    /// What must be done before anything leaves.
    private var dues: [() -> Void] = []
    /// Sockets that hold what leaves at the end of the turn.
    private var holders: [Socket] = []
    /// Sockets that have read ahead this turn.
    private var arrivals: [Socket] = []
    /// How many of them begin something new.
    private var arrivingBeginnings = 0
    private var arena = EarlyArena()
    /// Empty arrays whose room the sockets that hold something use in turn.
    private var spareRoom: [[UInt8]] = []
    private var sources = SourceTable()
    private let events: UnsafeMutablePointer<epoll_event>
    /// `scratchBytes` of memory for whoever runs on the loop, until it next waits: arrays are read through it, so that
    /// each is as long as what came.
    package let scratch: UnsafeMutableRawBufferPointer
    /// Random bits for the names of what happens on the loop.
    package var randomness = RandomReservoir()
    var timers = TimerHeap()
    /// Counts turns; wraps around.
    private(set) var turn: UInt64 = 0
    private var cachedNow = Instant.now()
    /// When others last had this thread's processor.
    private(set) var lastRest = Instant.now()

    /// Makes a loop that nobody runs yet. What is posted until then waits.
    package init(name: String, background: BackgroundWork = .shared) throws(Errno) {
        let epoll = FileDescriptor(owning: try Errno.check { epoll_create1(CInt(EPOLL_CLOEXEC)) })
        let wake = FileDescriptor(owning: try Errno.check { eventfd(0, CInt(EFD_NONBLOCK | EFD_CLOEXEC)) })
        let (set, doorbell) = (epoll.rawValue, wake.rawValue)
        // Edge-triggered: each write is one event, and nobody needs to read the counter.
        try Errno.check {
            clinux_epoll_ctl(set, EPOLL_CTL_ADD, doorbell, clinux_EPOLLIN | clinux_EPOLLET, SourceTable.wakeID)
        }
        self.name = name
        self.background = background
        self.epoll = epoll
        self.wake = wake
        unsafe events = .allocate(capacity: EventLoopLimits.eventsPerTurn)
        unsafe scratch = .allocate(byteCount: EventLoopLimits.scratchBytes, alignment: 16)
    }

    deinit {
        unsafe events.deallocate()
        unsafe scratch.deallocate()
    }

    /// Runs the loop on a thread of its own.
    package func start() throws(Errno) {
        let started = try NamedThread.start(name: name) { self.run() }
        thread.withLock { $0 = started }
    }

    /// Runs the loop on this thread until `stop`.
    package func run() {
        let (free, _) = threadID.compareExchange(
            expected: 0, desired: UInt(pthread_self()), ordering: .sequentiallyConsistent)
        precondition(free, "a loop is run by one thread")
        _ = LoopThread.takesJobs
        LoopThread.enter(self)
        while !isStopping.load(ordering: .relaxed) { takeTurn(mayWait: true) }
        finish()
        LoopThread.leave()
        threadID.store(0, ordering: .sequentiallyConsistent)
    }

    /// Tells the loop to end: its sockets are aborted, their tasks get a few turns to notice, then `run` returns.
    /// Tasks that wait for something else stay suspended for good.
    package func stop() {
        isStopping.store(true, ordering: .relaxed)
        ring()
    }

    /// Waits for the thread that `start` made.
    package func join() {
        thread.withLock { $0 }?.join()
    }

    /// The loop whose thread this is.
    package static var current: EventLoop? { LoopThread.current }

    /// True on the loop's own thread.
    package var isCurrent: Bool { threadID.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// Stops the process when the caller is on another thread: whoever is has already raced.
    @inline(__always)
    package func checkThread() {
        precondition(isCurrent, "used outside its loop")
    }

    /// The clock as read at the start of the turn: right to a few milliseconds, and free.
    package var now: Instant {
        // Asked a dozen times a request, and it changes nothing: seen to by every build that is tested.
        assert(isCurrent, "used outside its loop")
        return cachedNow
    }

    /// Runs `body` on the loop, after what was posted before from the same thread. Any thread.
    ///
    /// The mailbox has no bound of its own: what is posted is an answer to something whose number is bounded already
    /// (work in a worker's mailbox, a connection's task), or rare. Nothing is run any more once the loop has ended.
    package func post(_ body: @escaping @Sendable () -> Void) {
        deliver(.body(body))
    }

    /// Runs `body` at the end of this turn: behind all that the turn has begun, before what sockets hold leaves. For what is done
    /// once for many; whoever goes on after it does so in the same turn. On the loop.
    package func postAtEnd(_ body: @escaping @Sendable () -> Void) {
        checkThread()
        ending.append(.body(body))
    }

    /// Runs `body` before anything more leaves by a socket of this loop: at the end of the turn, or as soon as a socket has
    /// to send or to connect. For what must stand written before that which sockets hold is let go. It waits for nothing, and
    /// sends nothing itself. On the loop.
    package func postBeforeLeaving(_ body: @escaping () -> Void) {
        checkThread()
        dues.append(body)
    }

    /// Does what must be done before anything leaves, where something is about to. Sockets call this; so does whoever lets
    /// something leave in another way. On the loop.
    @inline(__always)
    package func settleDues() { if !dues.isEmpty { runDues() } }

    private func runDues() { while let body = dues.popLast() { body() } }

    /// Starts a task that runs on the loop and stays there. Any thread.
    package func spawn(_ body: @escaping @Sendable () async -> Void) {
        // What a loop's thread starts is left with the loop (`LoopThread.takesJobs`).
        if isCurrent { Task { await body() } } else { post { Task { await body() } } }
    }

    /// Takes a step of a task that this thread has resumed or started. On the loop.
    func take(_ job: UnsafeMutableRawPointer) { line(unsafe .job(job)) }

    /// Lines work up behind what stands there already. On the loop.
    private func line(_ work: Work) { if isBeginning { beginning.append(work) } else { ready.append(work) } }

    /// Lets everything else that is ready go first, sockets included.
    package func yield() async {
        checkThread()
        unsafe await withUnsafeContinuation { continuation in
            nextTurn.append(.body { unsafe continuation.resume() })
        }
    }

}

// Sources.
extension EventLoop {
    /// Adds a descriptor to the epoll set. The source is kept weakly: when it goes away, it takes its slot with it.
    func register(_ source: EventSource, descriptor: CInt, events: UInt32) throws(Errno) -> UInt64 {
        checkThread()
        let id = sources.insert(source)
        do throws(Errno) {
            let set = epoll.rawValue
            try Errno.check { clinux_epoll_ctl(set, EPOLL_CTL_ADD, descriptor, events, id) }
        } catch {
            sources.remove(id)
            throw error
        }
        return id
    }

    /// Changes what a registered descriptor waits for; what is already the case is reported again.
    func change(_ id: UInt64, descriptor: CInt, events: UInt32) throws(Errno) {
        checkThread()
        let set = epoll.rawValue
        try Errno.check { clinux_epoll_ctl(set, EPOLL_CTL_MOD, descriptor, events, id) }
    }

    /// Forgets a source, before its descriptor is closed. Events of it that this turn already holds are dropped.
    func unregister(_ id: UInt64, descriptor: CInt) {
        checkThread()
        sources.remove(id)
        // The descriptor may have a duplicate elsewhere, so closing it would not be enough.
        _ = clinux_epoll_ctl(epoll.rawValue, EPOLL_CTL_DEL, descriptor, 0, 0)
    }
}

// What sockets read ahead.
extension EventLoop {
    /// Room in which a socket may read before its reader goes on; nil where there is none this turn. What begins something new
    /// has room only where it begins in this turn: what waits longer lies better in the kernel.
    func earlyRoom(begins: Bool) -> UnsafeMutableRawBufferPointer? {
        let isTurn = !begins || beginning.count + arrivingBeginnings < EventLoopLimits.beginningsPerTurn
        return isTurn ? unsafe arena.room : nil
    }

    /// `socket` has read so many bytes into the room: its reader goes on when all have.
    func arrive(_ socket: Socket, with count: Int, begins: Bool) {
        arena.take(count)
        if begins { arrivingBeginnings += 1 }
        arrivals.append(socket)
    }

    private func wakeArrivals() {
        for socket in arrivals { socket.wakeEarly() }
        arrivingBeginnings = 0
    }
}

// What sockets hold.
extension EventLoop {
    /// Has `socket` flushed at the end of the turn.
    func list(_ socket: Socket) { holders.append(socket) }

    /// An empty array, with the room of an earlier one where there is one to spare. For bytes that are gone soon.
    package func takeRoom() -> [UInt8] { spareRoom.popLast() ?? [] }

    /// Gives room back.
    package func giveRoom(_ room: consuming [UInt8]) {
        guard spareRoom.count < EventLoopLimits.spareRooms, room.capacity <= EventLoopLimits.spareRoomBytesMax
        else { return }
        room.removeAll(keepingCapacity: true)
        spareRoom.append(room)
    }
}

// Turns.
extension EventLoop {
    private func deliver(_ work: Work) {
        if isCurrent { return line(work) }
        let wasEmpty = mailbox.withLock { mail in
            defer { mail.append(work) }
            return mail.isEmpty
        }
        if wasEmpty { ring() }
    }

    private func ring() {
        var one: UInt64 = 1
        // SAFETY: eight bytes, as eventfd(2) wants. It can only fail when the counter is full, and then it rings anyway.
        _ = unsafe write(wake.rawValue, &one, 8)
    }

    private func takeTurn(mayWait: Bool) {
        turn &+= 1
        let waited = background.isWaiting ? leaveRoom() : nil
        let timeout = mayWait && isAtRest ? timers.millisecondsUntilFirst(from: cachedNow) : 0
        // SAFETY: the buffer holds `eventsPerTurn` events and lives as long as the loop.
        let count = unsafe clinux_epoll_wait(
            epoll.rawValue, events, CInt(EventLoopLimits.eventsPerTurn), timeout)
        precondition(count >= 0 || errno == EINTR, "epoll_wait failed")
        cachedNow = .now()
        if let waited, cachedNow - waited >= BackgroundWork.rest { lastRest = cachedNow }
        for index in 0..<Int(max(count, 0)) {
            // SAFETY: the kernel filled the first `count` events.
            dispatch(unsafe clinux_epoll_data(events + index), unsafe clinux_epoll_events(events + index))
        }
        wakeArrivals()
        fireTimers(until: cachedNow)
        if !nextTurn.isEmpty {
            for work in nextTurn { ready.append(work) }
            nextTurn.removeAll(keepingCapacity: true)
        }
        runReady(max: EventLoopLimits.jobsPerTurn)
        for _ in 0..<EventLoopLimits.beginningsPerTurn {
            guard let work = beginning.popFirst() else { break }
            perform(work)
            runReady(max: EventLoopLimits.jobsPerTurn)
        }
        if !ending.isEmpty {
            for work in ending { ready.append(work) }
            ending.removeAll(keepingCapacity: true)
            runReady(max: EventLoopLimits.jobsPerTurn)
        }
        flushHolders()
        while let socket = arrivals.popLast() { socket.keepEarlyBytes() }
        arena.reset()
    }

    /// Rests for a moment, if there was none for a while: for work that gives way.
    ///
    /// - Returns: the time.
    private func leaveRoom() -> Instant {
        let now = Instant.now()
        guard now - lastRest >= BackgroundWork.withoutRestMax else { return now }
        usleep(UInt32(BackgroundWork.rest.clampedNanoseconds / 1_000))
        lastRest = .now()
        return lastRest
    }

    private func runReady(max: Int) {
        for _ in 0..<max {
            guard let work = ready.popFirst() else { return }
            perform(work)
            // In a long turn the other end is not left without work until its end.
            if holders.count >= EventLoopLimits.holdersMax { flushHolders() }
        }
    }

    /// Has `wake` resume a task that begins something new: it goes on behind those that have begun.
    func begin(_ wake: () -> Void) {
        isBeginning = true
        wake()
        isBeginning = false
    }

    /// True when nothing is left to run.
    private var isAtRest: Bool {
        ready.isEmpty && beginning.isEmpty && nextTurn.isEmpty && ending.isEmpty && dues.isEmpty
            && holders.isEmpty
    }

    /// Sends what was written in the turn: answers and requests that leave one after the other wake the process at the
    /// other end once, and not once each.
    private func flushHolders() {
        settleDues()
        // The last first: what it needs is still at hand.
        while let socket = holders.popLast() { socket.flush() }
    }

    private func dispatch(_ id: UInt64, _ events: UInt32) {
        guard id != SourceTable.wakeID else {
            takeMail()
            return
        }
        sources[id]?.handle(events)
    }

    private func takeMail() {
        mailbox.withLock { swap(&$0, &inbox) }
        for work in inbox { ready.append(work) }
        inbox.removeAll(keepingCapacity: true)
    }

    private func perform(_ work: Work) {
        switch work {
        case .job(let job): unsafe clinux_run_job(job)
        case .body(let body): body()
        }
    }

    private func finish() {
        for source in sources.all { source.loopEnds() }
        var turns = 0
        repeat {
            takeMail()
            takeTurn(mayWait: false)
            turns += 1
        } while turns < EventLoopLimits.turnsAfterStop && !isAtRest
        timers.removeAll()
    }
}
