// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Platform

@Suite struct IdleMemoryTests {
    /// What half a second of each says, one after the other, from the milliseconds that the process ran in it.
    private func looks(_ milliseconds: [Int64]) -> [Bool] {
        var (now, used) = (Instant(nanoseconds: 7_000_000_000), Duration.milliseconds(40))
        var memory = IdleMemory(at: now, used: used)
        return milliseconds.map { ran in
            now += .milliseconds(500)
            used += .milliseconds(ran)
            return memory.look(at: now, used: used)
        }
    }

    @Test func `memory is given back once behind the start, and once behind work`() {
        #expect(looks([0, 0, 0]) == [true, false, false])
        #expect(looks([400, 500, 20, 9, 0]) == [false, false, false, true, false])
        #expect(looks([0, 300, 300, 0, 0, 300, 0]) == [true, false, false, true, false, false, true])
    }

    @Test func `what follows the work brings memory back, which is given back once more`() {
        // Eighty looks take ``IdleMemory/echo``.
        let quiet = Array(repeating: Int64(0), count: 79)
        let nothing = quiet.map { _ in false }
        #expect(looks([0] + quiet + [0, 0] + quiet) == [true] + nothing + [true, false] + nothing)
        // Not while there is work, and after it from the beginning.
        #expect(looks([0] + quiet + [400, 0]) == [true] + nothing + [false, true])
        #expect(looks([0] + quiet + [30, 0]) == [true] + nothing + [false, true])
    }

    @Test func `a process that never rests keeps its memory, and so does one that has hardly done anything`() {
        #expect(looks([10, 100, 10, 500, 12]) == [false, false, false, false, false])
        #expect(looks([0, 100, 0, 100, 0]) == [true, false, false, false, false])
        // Little by little it adds up.
        #expect(looks([0] + Array(repeating: 9, count: 30)).filter(\.self).count == 2)
    }

    @Test func `holes in the heap are given back`() async {
        // In a process of its own: whatever runs beside this would be counted too.
        await #expect(processExitsWith: .success) {
            // Small ones, of which every other stays: what goes leaves no end of the heap free.
            var kept: [[UInt8]] = []
            var gone: [[UInt8]] = []
            for _ in 0..<400 {
                gone.append(Array(repeating: 1, count: 64 << 10))
                kept.append(Array(repeating: 2, count: 128))
            }
            let before = try ResidentMemory.pages()
            gone = []
            #expect(try ResidentMemory.pages() > before - 1000, "there are holes")
            IdleMemory.giveBack()
            // 25 MB in holes.
            #expect(try ResidentMemory.pages() < before - 5000)
            #expect(kept.allSatisfy { $0.allSatisfy { $0 == 2 } })
        }
    }

    @Test func `time on the processor is that of the whole process`() {
        let before = IdleMemory.used()
        var sum = 0
        while IdleMemory.used() - before < .milliseconds(5) { sum &+= 1 }
        #expect(sum > 0)
    }
}
