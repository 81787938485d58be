// SPDX-License-Identifier: Apache-2.0

import Platform
import Support
import Synchronization
import Testing

/// Faults put here on purpose, to see that the sanitizers of `make sanitize` tell of each: `GATEHOUSE_PLANTED` names the one
/// of this run. Without a sanitizer they would be mere luck, so no other run has them.
struct PlantedTests {
    private static let planted = Environment.variable("GATEHOUSE_PLANTED")

    @Test(.enabled(if: planted == "race", "planted for the thread sanitizer alone"))
    func `two threads count without a lock`() throws {
        let count = Shared()
        try withThreads(2) { _ in
            for _ in 0..<1_000 { unsafe count.value += 1 }
        }
    }

    @Test(.enabled(if: planted == "monitor", "the counterpart: what the thread sanitizer must not take for a race"))
    func `two threads count under a monitor`() throws {
        let count = Monitor(0)
        try withThreads(2) { _ in
            for _ in 0..<100_000 { count.withLock { $0 += 1 } }
        }
        #expect(count.withLock { $0 } == 200_000)
    }

    @Test(.enabled(if: planted == "mutex", "the same with a lock that the thread sanitizer is told of (mutex.c)"))
    func `two threads count under a mutex`() throws {
        let count = Mutexed()
        try withThreads(2) { _ in
            for _ in 0..<100_000 { count.value.withLock { $0 += 1 } }
        }
        #expect(count.value.withLock { $0 } == 200_000)
    }

    @Test(.enabled(if: planted == "overflow", "planted for the address sanitizer alone"))
    func `a byte behind an allocation is read`() throws {
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 100)
        unsafe bytes.initialize(repeating: 1, count: 100)
        let index = Self.planted?.utf8.count ?? 0
        // 8 characters of the name of this fault and 92 more are one too many.
        let byte = unsafe bytes[index + 92]
        unsafe bytes.deallocate()
        print(byte)
    }

    /// What nobody guards.
    private final class Shared: Sendable {
        nonisolated(unsafe) var value = 0
    }

    private final class Mutexed: Sendable {
        let value = Mutex(0)
    }
}
