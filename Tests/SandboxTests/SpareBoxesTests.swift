// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

@testable import Sandbox

/// Which boxes wait, how many, and when they are made. No process is begun.
struct SpareBoxesTests {
    private let usual = GroupLimits(memoryBytes: 256 << 20, processes: 64, cpuHundredths: 100)

    private func box(_ pid: CInt) -> SpareBox {
        SpareBox(pid: pid, pidfd: -1, door: -1, group: RunGroup(), limits: usual)
    }

    @Test func `none is wanted until somebody says so`() {
        #expect(SpareBoxes().isDue == nil)
    }

    @Test func `as many as are wanted, and never more than the most`() {
        let most = SpareBoxes.countMax
        for (wanted, expected) in [(0, 0), (3, 3), (most, most), (10_000, most)] {
            var spares = SpareBoxes()
            spares.want(wanted, usual)
            var made = 0
            while spares.isDue != nil {
                made += 1
                spares.add(box(CInt(made)))
            }
            #expect(made == expected)
        }
    }

    @Test func `one is taken once, and for no other limits`() {
        var spares = SpareBoxes()
        spares.want(2, usual)
        spares.add(box(1))
        spares.add(box(2))
        for change: WritableKeyPath<GroupLimits, Int> in [\.memoryBytes, \.processes, \.cpuHundredths] {
            var other = usual
            other[keyPath: change] += 1
            #expect(spares.take(other) == nil)
        }
        let taken = [spares.take(usual), spares.take(usual), spares.take(usual)].map { $0?.pid }
        #expect(taken == [1, 2, nil])
        #expect(spares.isDue != nil)
    }

    @Test func `a run comes first, and its end is a good time`() throws {
        var spares = SpareBoxes()
        spares.want(1, usual)
        let begun = Instant.now()
        spares.noteRun()
        #expect(try #require(spares.isDue) >= begun + .milliseconds(10))
        spares.noteEnd()
        #expect(try #require(spares.isDue) <= Instant.now() + .milliseconds(1))
    }

    @Test func `one that dies is not made again at once, whatever ends meanwhile`() throws {
        var spares = SpareBoxes()
        spares.want(1, usual)
        spares.add(box(1))
        let died = Instant.now()
        #expect(spares.remove(at: 0).pid == 1)
        spares.noteRun()
        spares.noteEnd()
        #expect(try #require(spares.isDue) >= died + .seconds(1))
    }
}
