// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Support
import Synchronization
import Testing

@testable import EventLoop

struct LoopTests {
    @Test func `takes mail from many threads, each sender's in order`() throws {
        let counts = try onLoop { loop in
            let received = Received()
            let end = OneShot<Bool>(on: loop)
            for sender in 0..<8 {
                _ = try NamedThread.start(name: "sender") {
                    for number in 0..<5_000 {
                        loop.post {
                            received.add(sender, number)
                            if received.total == 40_000 { end.fulfil(true) }
                        }
                    }
                }
            }
            #expect(await end.value())
            return received.last
        }
        #expect(counts == [Int](repeating: 4_999, count: 8))
    }

    @Test func `tasks stay on the loop's thread, also after a worker and a child task`() throws {
        try onLoop { loop in
            let worker = try Worker(name: "worker", queueMax: 8)
            #expect(loop.isCurrent)
            #expect(EventLoop.current === loop)
            let elsewhere = try await worker.run { EventLoop.current == nil && !loop.isCurrent }
            #expect(elsewhere)
            #expect(loop.isCurrent)
            async let child = loop.isCurrent
            #expect(await child)
            await withTaskGroup(of: Bool.self) { group in
                group.addTask { loop.isCurrent }
                for await isCurrent in group { #expect(isCurrent) }
            }
            await loop.yield()
            #expect(loop.isCurrent)
            worker.stop()
        }
        #expect(EventLoop.current == nil)
    }

    @Test
    func
        `what waits for the end of a turn stands behind all that the turn begins, and what goes on then is part of it`()
        throws
    {
        let trace = Trace()
        try onLoop { loop in
            await loop.yield()
            let turn = loop.turn
            @Sendable func note(_ name: String) {
                trace.names.withLock { $0.append(loop.turn == turn ? name : "\(name), later") }
            }
            loop.postAtEnd {
                note("end")
                loop.post { note("goes on") }
            }
            loop.begin {
                loop.post {
                    note("begun")
                    loop.post { note("of what was begun") }
                }
            }
            loop.begin { loop.post { note("begun too") } }
            loop.post { note("ready") }
            await loop.yield()
            note("next")
        }
        let names = trace.names.withLock { $0 }
        #expect(names == ["ready", "begun", "of what was begun", "begun too", "end", "goes on", "next, later"])
    }

    /// What hashes passwords stands behind the loops, also where their processor is never idle, and is not starved there.
    @Test func `work in the background steps behind, and a busy loop leaves room for it alone`() throws {
        // Its own, since tests beside it hash passwords.
        let background = BackgroundWork()
        let loop = try EventLoop(name: "test", background: background)
        try loop.start()
        defer {
            loop.stop()
            loop.join()
        }
        try onLoop(loop) { loop in
            let usual = try Worker(name: "usual", queueMax: 1)
            let policy = try await usual.run { sched_getscheduler(0) }
            #expect(policy == SCHED_OTHER)
            usual.stop()

            let isDone = Flag()
            loop.spawn { while !isDone.isSet { await loop.yield() } }
            let atFirst = loop.lastRest
            await loop.sleep(.milliseconds(100))
            #expect(loop.lastRest == atFirst)

            let passwords = try Worker(name: "background", queueMax: 1, background: background)
            var rests: Set<Instant> = []
            let isComputed = Flag()
            loop.spawn {
                // Some fifty rests of which three would do: the machine has other work.
                let policy = try? await passwords.run {
                    usleep(250_000)
                    return sched_getscheduler(0)
                }
                // SCHED_IDLE, which glibc names to GNU sources only.
                #expect(policy == 5)
                isComputed.isSet = true
            }
            while !isComputed.isSet {
                rests.insert(loop.lastRest)
                await loop.yield()
            }
            #expect(rests.count > 3)
            let atLast = loop.lastRest
            await loop.sleep(.milliseconds(100))
            #expect(loop.lastRest == atLast)
            isDone.isSet = true
            passwords.stop()
        }
    }

    @Test func `tasks that wake each other do not starve timers`() throws {
        try onLoop { loop in
            let isDone = Flag()
            for _ in 0..<4 {
                loop.spawn { while !isDone.isSet { await loop.yield() } }
                loop.spawn { while !isDone.isSet { await Task.yield() } }
            }
            await loop.sleep(.milliseconds(20))
            isDone.isSet = true
        }
    }

    @Test func `stop aborts what is open and lets the tasks end`() throws {
        let failure = Mutex<IOFailure?>(nil)
        let loop = try EventLoop(name: "stopping")
        try loop.start()
        let isWaiting = Monitor(false)
        loop.spawn {
            guard let (first, second) = try? Socket.pair(on: loop) else { return }
            do throws(IOFailure) {
                loop.post {
                    isWaiting.withLock { $0 = true }
                    isWaiting.signal()
                }
                _ = try await first.read()
            } catch {
                failure.withLock { $0 = error }
            }
            second.close()
        }
        isWaiting.wait { $0 ? true : nil }
        loop.stop()
        loop.join()
        #expect(failure.withLock { $0 } == .cancelled)
    }

    @Test func `a loop can run on the calling thread`() throws {
        let loop = try EventLoop(name: "here")
        let order = Mutex<[Int]>([])
        loop.post { order.withLock { $0.append(1) } }
        loop.spawn {
            order.withLock { $0.append(2) }
            await loop.sleep(.milliseconds(1))
            order.withLock { $0.append(3) }
            loop.stop()
        }
        loop.run()
        #expect(order.withLock { $0 } == [1, 2, 3])
    }

    @Test func `a watched descriptor is told of until it is empty`() throws {
        try onLoop { loop in
            var ends: [CInt] = [0, 0]
            try #require(unsafe pipe(&ends) == 0)
            let writing = FileDescriptor(owning: ends[1])
            let bytes = OneShot<[UInt8]>(on: loop)
            let read = Bytes()
            let watched = try WatchedDescriptor(FileDescriptor(owning: ends[0]), on: loop) { descriptor in
                var byte: UInt8 = 0
                if unsafe Glibc.read(descriptor.rawValue, &byte, 1) == 1 { read.bytes.append(byte) }
                if read.bytes.count == 3 { bytes.fulfil(read.bytes) }
            }
            _ = unsafe write(writing.rawValue, "abc", 3)
            #expect(await bytes.value() == Array("abc".utf8))
            watched.close()
        }
    }

    @Test func `what a loop's thread starts stays with the loop`() throws {
        try onLoop { loop in
            let seen = OneShot<Bool>(on: loop)
            Task.detached {
                await loop.sleep(.milliseconds(1))
                seen.fulfil(loop.isCurrent)
            }
            #expect(await seen.value())
        }
    }

    @Test func `a task that another thread lets go on does so on its loop`() throws {
        try onLoop { loop in
            let answer: Int = await loop.suspend { task in
                do throws(Errno) {
                    _ = try NamedThread.start(name: "elsewhere") { task.resume(returning: 7) }
                } catch {
                    task.resume(returning: 0)
                }
            }
            #expect(answer == 7)
            #expect(loop.isCurrent)
            // At once, too.
            #expect(await EventLoop.suspend { $0.resume(returning: 8) } == 8)
            #expect(loop.isCurrent)
        }
    }

    @Test func `where all tasks are on loops, one that goes on elsewhere stops the process`() async {
        await #expect(processExitsWith: .signal(SIGABRT)) {
            LoopThread.forbidOtherTasks()
            try onLoop { loop in await loop.sleep(.milliseconds(1)) }
            Task.detached {}
            sleep(5)
        }
    }

    @Test func `a loop's things used on another thread stop the process`() async {
        await #expect(processExitsWith: .failure) {
            let loop = try EventLoop(name: "elsewhere")
            _ = loop.now
        }
    }
}

struct CancellationTests {
    @Test func `runs hooks once, in order, at once, and late ones immediately`() throws {
        try onLoop { loop in
            let cancellation = Cancellation(on: loop)
            var log: [Int] = []
            cancellation.onFire { log.append(1) }
            let second = cancellation.onFire { log.append(2) }
            var fourth: Cancellation.Token?
            cancellation.onFire {
                log.append(3)
                if let fourth { cancellation.remove(fourth) }
                cancellation.fire(.stopping)
            }
            fourth = cancellation.onFire { log.append(4) }
            cancellation.remove(second)
            #expect(!cancellation.isFired)
            cancellation.fire(.peerGone)
            #expect(log == [1, 3])
            #expect(cancellation.cause == .peerGone)
            cancellation.onFire { log.append(5) }
            cancellation.fire()
            #expect(log == [1, 3, 5])
        }
    }
}

struct OneShotTests {
    @Test func `the first value wins, before or after somebody waits`() throws {
        try onLoop { loop in
            let early = OneShot<Int>(on: loop)
            #expect(early.fulfil(1))
            #expect(!early.fulfil(2))
            #expect(await early.value() == 1)
            #expect(!early.fulfil(3))

            let late = OneShot<Int>(on: loop)
            loop.schedule(after: .milliseconds(2)) {
                #expect(late.fulfil(4))
                #expect(!late.fulfil(5))
            }
            #expect(await late.value() == 4)
        }
    }
}

struct WorkerTests {
    struct Odd: Error {}

    @Test func `returns results and errors`() throws {
        try onLoop { loop in
            let worker = try Worker(name: "worker", queueMax: 8)
            #expect(try await worker.run { 6 * 7 } == 42)
            let failing: @Sendable () throws(Odd) -> Int = { () throws(Odd) in throw Odd() }
            var thrown: Worker.Failure<Odd>?
            do throws(Worker.Failure<Odd>) {
                _ = try await worker.run(throwing: failing)
            } catch {
                thrown = error
            }
            guard case .failed = thrown else { throw TookTooLong() }
            worker.stop()
            worker.join()
            await #expect(throws: Worker.Refusal.stopped) { try await worker.run {} }
        }
    }

    @Test func `refuses what does not fit its mailbox`() throws {
        try onLoop { loop in
            let worker = try Worker(name: "worker", queueMax: 2)
            let gate = Monitor(false)
            let hasStarted = Monitor(false)
            try worker.post {
                hasStarted.withLock { $0 = true }
                hasStarted.signal()
                gate.wait { $0 ? true : nil }
            }
            hasStarted.wait { $0 ? true : nil }
            try worker.post {}
            try worker.post {}
            #expect(throws: Worker.Refusal.full) { try worker.post {} }
            await #expect(throws: Worker.Refusal.full) { try await worker.run {} }
            gate.withLock { $0 = true }
            gate.signal()
            worker.stop()
            worker.join()
        }
    }

    @Test func `many loops hop to one worker and back`() throws {
        let worker = try Worker(name: "worker", queueMax: 1_000)
        try onLoop { loop in
            let sum = Sum()
            let end = OneShot<Bool>(on: loop)
            for number in 0..<500 {
                loop.spawn {
                    sum.value += (try? await worker.run { number }) ?? 0
                    sum.count += 1
                    if sum.count == 500 { end.fulfil(true) }
                }
            }
            #expect(await end.value())
            #expect(sum.value == 499 * 250)
        }
    }
}

struct ResolverTests {
    @Test func `knows literals and localhost, and refuses what can be no name`() throws {
        try onLoop { loop in
            let resolver = try Resolver()
            #expect(try await resolver.resolve("192.0.2.7", on: loop) == [.v4(0xC000_0207)])
            #expect(try await resolver.resolve("::1", on: loop) == [.loopbackV6])
            let found = try await resolver.resolve("localhost", on: loop)
            #expect(!found.isEmpty && found.allSatisfy(\.isLoopback))
            for name in ["", "a b", "a/b", "a\0b", "[::1]", String(repeating: "a", count: 254)] {
                await #expect(throws: Resolver.Failure.invalidName) { try await resolver.resolve(name, on: loop) }
            }
            await #expect(throws: (any Error).self) { try await resolver.resolve("does-not-exist.invalid", on: loop) }
            let cancellation = Cancellation(on: loop)
            cancellation.fire()
            await #expect(throws: Resolver.Failure.cancelled) {
                try await resolver.resolve("localhost", on: loop, cancellation: cancellation)
            }
            resolver.stop()
        }
    }
}

private final class Received: @unchecked Sendable {
    var last = [Int](repeating: -1, count: 8)
    var total = 0

    func add(_ sender: Int, _ number: Int) {
        #expect(last[sender] == number - 1)
        last[sender] = number
        total += 1
    }
}

final class Flag: @unchecked Sendable {
    var isSet = false
}

private final class Bytes: @unchecked Sendable {
    var bytes: [UInt8] = []
}

private final class Sum: @unchecked Sendable {
    var value = 0
    var count = 0
}

private final class Trace: Sendable {
    let names = Mutex<[String]>([])
}
