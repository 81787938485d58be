// SPDX-License-Identifier: Apache-2.0
import Platform
import Support
import Testing

@testable import EventLoop

struct TimerTests {
    @Test func `fire in order, not too early and not much too late`() throws {
        let fired = try onLoop { loop in
            let log = Log()
            let start = Instant.now()
            for milliseconds in [30, 5, 20, 5, 1] {
                loop.schedule(after: .milliseconds(milliseconds)) {
                    log.entries.append((milliseconds, Instant.now() - start))
                }
            }
            await loop.sleep(.milliseconds(60))
            return log.entries
        }
        #expect(fired.map(\.0) == [1, 5, 5, 20, 30])
        for (milliseconds, after) in fired {
            #expect(after >= .milliseconds(milliseconds))
            #expect(after < .milliseconds(milliseconds + 2_000))
        }
    }

    @Test func `a cancelled or moved timer does not fire at its first time`() throws {
        let fired = try onLoop { loop in
            let log = Log()
            let cancelled = loop.schedule(after: .milliseconds(5)) { log.entries.append((1, .zero)) }
            let moved = loop.schedule(after: .milliseconds(5)) { log.entries.append((2, .zero)) }
            cancelled.cancel()
            #expect(!cancelled.isScheduled)
            moved.reschedule(at: loop.now + .milliseconds(500))
            await loop.sleep(.milliseconds(10))
            let early = log.entries.count
            await loop.sleep(.milliseconds(500))
            return (early, log.entries.map(\.0))
        }
        #expect(fired.0 == 0)
        #expect(fired.1 == [2])
    }

    @Test func `what a timer schedules for now does not starve the turn`() throws {
        let rounds = try onLoop { loop in
            let log = Log()
            let again = Again(loop, log)
            again.timer?.reschedule(at: loop.now)
            await loop.sleep(.milliseconds(20))
            again.timer?.cancel()
            again.timer = nil
            return log.entries.count
        }
        #expect(rounds > 1)
    }

    @Test func `sleep ends at once when cancelled`() throws {
        try onLoop { loop in
            let cancellation = Cancellation(on: loop)
            loop.schedule(after: .milliseconds(5)) { cancellation.fire() }
            let start = Instant.now()
            #expect(await loop.sleep(.seconds(20), unless: cancellation) == false)
            #expect(await loop.sleep(.seconds(20), unless: cancellation) == false)
            #expect(Instant.now() - start < .seconds(2))
            #expect(await loop.sleep(.milliseconds(1), unless: Cancellation(on: loop)))
            #expect(loop.timers.count == 0)
        }
    }

    @Test func `the heap agrees with a sorted list, whatever is inserted, moved and removed`() throws {
        let seed = SeededGenerator.seed
        try onLoop { loop in
            var random = SeededGenerator(seed)
            var heap = TimerHeap()
            var model: [(timer: Timer, due: Instant)] = []
            for _ in 0..<5_000 {
                switch random.next() % 4 {
                case 0, 1:
                    let timer = loop.makeTimer {}
                    let due = Instant(nanoseconds: random.next() % 1_000)
                    heap.insert(timer, due: due)
                    model.append((timer, due))
                case 2 where !model.isEmpty:
                    let index = Int(random.next() % UInt64(model.count))
                    heap.remove(model.remove(at: index).timer)
                default:
                    let now = Instant(nanoseconds: random.next() % 1_000)
                    let first = heap.takeFirst(until: now)
                    let expected = model.map(\.due).min().flatMap { $0 <= now ? $0 : nil }
                    #expect(first?.due == expected, "seed \(seed)")
                    if let first { model.removeAll { $0.timer === first } }
                }
                #expect(heap.count == model.count, "seed \(seed)")
            }
        }
    }
}

/// Used on one loop only.
final class Log: @unchecked Sendable {
    var entries: [(Int, Duration)] = []
}

private final class Again: @unchecked Sendable {
    var timer: Timer?

    init(_ loop: EventLoop, _ log: Log) {
        timer = loop.makeTimer { [weak self] in
            log.entries.append((0, .zero))
            self?.timer?.reschedule(at: loop.now)
        }
    }
}
