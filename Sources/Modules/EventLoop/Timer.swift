// SPDX-License-Identifier: Apache-2.0
package import Platform

/// Something to do at a time, on one loop. It can be moved and cancelled at any time, on the loop's thread.
package class Timer {
    /// When it is due, or was.
    package fileprivate(set) var due = Instant(nanoseconds: 0)
    /// Its place in the heap; negative when it is not in there.
    fileprivate var place = -1
    private unowned let loop: EventLoop

    init(loop: EventLoop) { self.loop = loop }

    /// True until it has fired or was cancelled.
    package final var isScheduled: Bool { place >= 0 }

    /// Moves it to another time, or schedules it again after it has fired.
    package final func reschedule(at due: Instant) {
        loop.checkThread()
        if place >= 0 { loop.timers.remove(self) }
        loop.timers.insert(self, due: due)
    }

    /// Takes it back. Nothing happens when it has already fired.
    package final func cancel() {
        loop.checkThread()
        if place >= 0 { loop.timers.remove(self) }
    }

    /// It is due. On the loop's thread.
    func fire() {}
}

private final class BodyTimer: Timer {
    private let body: () -> Void

    init(loop: EventLoop, body: @escaping () -> Void) {
        self.body = body
        super.init(loop: loop)
    }

    override func fire() { body() }
}

extension EventLoop {
    /// Runs `body` after some time, on the loop. The loop keeps the timer until then.
    @discardableResult
    package func schedule(after duration: Duration, _ body: @escaping () -> Void) -> Timer {
        let timer = makeTimer(body)
        timer.reschedule(at: now + duration)
        return timer
    }

    /// A timer that is not scheduled yet; for deadlines that move often.
    package func makeTimer(_ body: @escaping () -> Void) -> Timer {
        BodyTimer(loop: self, body: body)
    }

    /// Waits, without a thread.
    package func sleep(_ duration: Duration) async {
        unsafe await withUnsafeContinuation { continuation in
            schedule(after: duration) { unsafe continuation.resume() }
        }
    }

    /// Waits, or less when `cancellation` fires.
    /// - Returns: false when it fired.
    @discardableResult
    package func sleep(_ duration: Duration, unless cancellation: Cancellation) async -> Bool {
        guard !cancellation.isFired else { return false }
        let end = OneShot<Bool>(on: self)
        let timer = schedule(after: duration) { end.fulfil(true) }
        let token = cancellation.onFire {
            timer.cancel()
            end.fulfil(false)
        }
        defer { cancellation.remove(token) }
        return await end.value()
    }
}

/// Timers by the time they are due: a binary heap in which each timer knows its place, so that moving one is O(log n).
struct TimerHeap {
    /// The time stands beside the timer, so that comparing looks at no object.
    private struct Entry {
        let due: Instant
        let timer: Timer
    }

    private var timers: [Entry] = []

    mutating func insert(_ timer: Timer, due: Instant) {
        timer.due = due
        timer.place = timers.count
        timers.append(Entry(due: due, timer: timer))
        siftUp(timer.place)
    }

    mutating func remove(_ timer: Timer) {
        let place = timer.place
        precondition(timers[place].timer === timer, "a timer is in its loop's heap")
        let last = timers.removeLast()
        timer.place = -1
        guard last.timer !== timer else { return }
        put(last, place)
        siftUp(place)
        siftDown(last.timer.place)
    }

    /// What epoll_wait(2) may wait: rounded up, so that it does not wake too early, spin, and wait again.
    ///
    /// - Parameter now: as it was when the turn began; a timer fires later by as much as the turn has taken.
    func millisecondsUntilFirst(from now: Instant) -> CInt {
        guard !timers.isEmpty else { return -1 }
        let due = timers[0].due
        guard due > now else { return 0 }
        let nanoseconds = due.nanoseconds - now.nanoseconds
        return CInt(clamping: nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 == 0 ? 0 : 1))
    }

    /// Takes the first timer out, if it is due.
    mutating func takeFirst(until now: Instant) -> Timer? {
        guard !timers.isEmpty, timers[0].due <= now else { return nil }
        let first = timers[0].timer
        remove(first)
        return first
    }

    var count: Int { timers.count }

    mutating func removeAll() {
        for entry in timers { entry.timer.place = -1 }
        timers.removeAll()
    }

    private mutating func put(_ entry: Entry, _ place: Int) {
        timers[place] = entry
        entry.timer.place = place
    }

    private mutating func siftUp(_ start: Int) {
        var place = start
        let entry = timers[place]
        while place > 0 {
            let parent = (place - 1) / 2
            guard entry.due < timers[parent].due else { break }
            put(timers[parent], place)
            place = parent
        }
        put(entry, place)
    }

    private mutating func siftDown(_ start: Int) {
        var place = start
        let entry = timers[place]
        while true {
            var child = place * 2 + 1
            guard child < timers.count else { break }
            if child + 1 < timers.count, timers[child + 1].due < timers[child].due { child += 1 }
            guard timers[child].due < entry.due else { break }
            put(timers[child], place)
            place = child
        }
        put(entry, place)
    }
}

extension EventLoop {
    /// Fires what is due, in order. What fired timers schedule for now waits for the next turn.
    func fireTimers(until now: Instant) {
        for _ in 0..<timers.count {
            guard let timer = timers.takeFirst(until: now) else { return }
            timer.fire()
        }
    }
}
