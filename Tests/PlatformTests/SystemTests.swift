// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Synchronization
import Testing

struct ErrnoTests {
    @Test func `says its name and meaning`() {
        #expect(Errno.noSuchFile.description == "ENOENT (No such file or directory)")
        #expect(Errno(99_999).description == "error 99999")
    }

    @Test func `check throws what errno holds and repeats what was interrupted`() {
        #expect(throws: Errno.noSuchFile) {
            try Errno.check { unsafe open("/nonexistent/file", O_RDONLY) }
        }
        var calls = 0
        let result = try? Errno.check { () -> CInt in
            calls += 1
            if calls < 3 {
                errno = EINTR
                return -1
            }
            return 7
        }
        #expect(result == 7)
        #expect(calls == 3)
    }
}

struct FileDescriptorTests {
    static func isOpen(_ number: CInt) -> Bool { fcntl(number, F_GETFD) >= 0 }

    // The numbers are high so that no test running beside this one gets them in between.
    static func open(at number: CInt) throws -> FileDescriptor {
        let plain = FileDescriptor(owning: try Errno.check { unsafe Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC) })
        let from = plain.rawValue
        return FileDescriptor(owning: try Errno.check { fcntl(from, F_DUPFD_CLOEXEC, number) })
    }

    @Test func `closes when its owner goes away`() throws {
        var number: CInt = -1
        do {
            let descriptor = try Self.open(at: 700)
            number = descriptor.rawValue
            #expect(Self.isOpen(number))
        }
        #expect(!Self.isOpen(number))
    }

    @Test func `released, it stays open`() throws {
        let number = try Self.open(at: 750).release()
        #expect(Self.isOpen(number))
        #expect(close(number) == 0)
    }

    @Test func `a duplicate is independent and close-on-exec`() throws {
        let descriptor = try Self.open(at: 800)
        let duplicate = try descriptor.duplicate()
        descriptor.close()
        #expect(Self.isOpen(duplicate.rawValue))
        #expect(fcntl(duplicate.rawValue, F_GETFD) & FD_CLOEXEC != 0)
    }
}

struct NamedThreadTests {
    @Test func `runs its body once under its name, and join waits for it`() throws {
        let seen = Mutex<[String]>([])
        let thread = try NamedThread.start(name: "a-rather-long-thread-name") {
            usleep(20_000)
            var name = [UInt8](repeating: 0, count: 32)
            let file = unsafe open("/proc/thread-self/comm", O_RDONLY | O_CLOEXEC)
            let count = unsafe read(file, &name, 32)
            close(file)
            seen.withLock { $0.append(String(decoding: name.prefix(count - 1), as: UTF8.self)) }
        }
        thread.join()
        thread.join()
        #expect(seen.withLock { $0 } == ["a-rather-long-t"])
    }

    @Test func `has every signal blocked`() throws {
        let blocked = Mutex(false)
        try NamedThread.start(name: "signals") {
            var set = sigset_t()
            unsafe pthread_sigmask(SIG_BLOCK, nil, &set)
            blocked.withLock { $0 = unsafe sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGHUP) == 1 }
        }.join()
        #expect(blocked.withLock { $0 })
    }
}

struct SignalsTests {
    @Test func `are read from a descriptor`() throws {
        // On a thread of its own: the mask belongs to the thread, and the signal is sent to that thread alone.
        let seen = Mutex<[CInt?]>([])
        try NamedThread.start(name: "signals") {
            guard let descriptor = try? Signals.descriptor([SIGUSR1, SIGUSR2]) else { return }
            let first = Signals.next(from: descriptor)
            pthread_kill(pthread_self(), SIGUSR2)
            let second = Signals.next(from: descriptor)
            let third = Signals.next(from: descriptor)
            seen.withLock { $0 = [first, second, third] }
        }.join()
        #expect(seen.withLock { $0 } == [nil, SIGUSR2, nil])
    }

    @Test func `a broken pipe is an error once SIGPIPE is ignored`() throws {
        Signals.ignoreBrokenPipe()
        var ends: [CInt] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        close(ends[0])
        #expect(throws: Errno.brokenPipe) { try Errno.check { unsafe write(ends[1], "x", 1) } }
        close(ends[1])
    }
}

struct OpenFilesLimitTests {
    @Test func `the soft limit becomes the hard one`() {
        var limit = rlimit()
        #expect(unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        #expect(OpenFilesLimit.raise() == Int(clamping: min(limit.rlim_max, rlim_t(Int32.max))))
    }
}

struct MonitorTests {
    @Test func `a waiter gets what another thread puts there, or the time passes`() throws {
        let monitor = Monitor<[Int]>([])
        let thread = try NamedThread.start(name: "putting") {
            for number in 0..<1_000 {
                monitor.withLock { $0.append(number) }
                monitor.signal()
            }
        }
        for number in 0..<1_000 {
            #expect(monitor.wait { $0.isEmpty ? nil : $0.removeFirst() } == number)
        }
        thread.join()
        let start = Instant.now()
        #expect(monitor.wait(until: start + .milliseconds(20)) { $0.first } == nil)
        #expect(Instant.now() - start >= .milliseconds(20))
    }

    @Test func `a reservoir gives no number twice`() {
        var reservoir = RandomReservoir()
        #expect(Set((0..<1_000).map { _ in reservoir.next() }).count == 1_000)
        let ids = Set((0..<1_000).map { _ in ULID.make(prefix: "req_", at: .now(), from: &reservoir) })
        #expect(ids.count == 1_000)
        #expect(ids.allSatisfy { ULID.isValid($0, prefix: "req_") })
    }
}
