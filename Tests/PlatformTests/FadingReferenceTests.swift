// SPDX-License-Identifier: Apache-2.0

import Support
import Synchronization
import Testing

@testable import Platform

struct FadingReferenceTests {
    private final class Thing {
        let atEnd: (Thing) -> Void
        init(_ atEnd: @escaping (Thing) -> Void = { _ in }) { self.atEnd = atEnd }
        deinit { atEnd(self) }
    }

    /// What a reference stands in, as in a timer.
    private final class Holder {
        var reference = FadingReference<Thing>()
    }

    @Test func `gives its object for as long as somebody else holds it`() {
        let holder = Holder()
        #expect(holder.reference.value == nil)
        var ends = 0
        do {
            let thing = Thing { _ in
                ends += 1
                // Whose end has begun is not given to anybody, who would hold what is going away.
                #expect(holder.reference.value == nil)
            }
            holder.reference.point(to: thing)
            for _ in 0..<100 { #expect(holder.reference.value === thing) }
            #expect(ends == 0)
        }
        #expect(ends == 1)
        #expect(holder.reference.value == nil)
    }

    @Test func `refers to another, or to nothing, when it is told to`() {
        let holder = Holder()
        let (first, second) = (Thing(), Thing())
        holder.reference.point(to: first)
        holder.reference.point(to: second)
        #expect(holder.reference.value === second)
        holder.reference.fade()
        #expect(holder.reference.value == nil)
        withExtendedLifetime((first, second)) {}
    }

    /// The counterpart shows that the question tells the two apart.
    @Test func `an object is counted within itself as before, as one with a weak reference is not`() {
        let (faded, weakened) = (Thing(), Thing())
        let holder = Holder()
        holder.reference.point(to: faded)
        weak let beside = weakened
        #expect(Immortal.keep(faded))
        #expect(!Immortal.keep(weakened))
        #expect(beside === weakened)
    }

    /// Its memory is given back with the last reference to it: else a thousand rounds of a megabyte each would be seen in its pages.
    @Test func `nothing is left behind`() async {
        // In a process of its own: whatever runs beside this would be counted too.
        await #expect(processExitsWith: .success) {
            final class Heavy {
                let tail = [UInt8](repeating: 1, count: 1 << 20)
            }
            let before = try ResidentMemory.pages()
            for _ in 0..<1_000 {
                var reference = FadingReference<Heavy>()
                do {
                    let heavy = Heavy()
                    reference.point(to: heavy)
                    #expect(reference.value?.tail.count == 1 << 20)
                }
                #expect(reference.value == nil)
            }
            #expect(try ResidentMemory.pages() - before < 16_384)
        }
    }

    @Test func `whoever asks on another thread gets all of it or nothing`() throws {
        final class Shared: @unchecked Sendable {
            /// The first thread's.
            var things: [Thing?] = []
            /// Set before the threads begin.
            var holders: [Holder] = []
        }
        let count = 1_000
        for _ in 0..<50 {
            let ends = Atomic(0)
            let shared = Shared()
            for _ in 0..<count {
                let (thing, holder) = (Thing { _ in ends.add(1, ordering: .relaxed) }, Holder())
                holder.reference.point(to: thing)
                shared.things.append(thing)
                shared.holders.append(holder)
            }
            try withThreads(3) { thread in
                for index in 0..<count {
                    if thread == 0 {
                        shared.things[index] = nil
                    } else {
                        // Held by nobody else, it would end twice, or here with its memory gone.
                        withExtendedLifetime(shared.holders[index].reference.value) {}
                    }
                }
            }
            #expect(ends.load(ordering: .relaxed) == count)
            for holder in shared.holders { #expect(holder.reference.value == nil) }
        }
    }
}
