// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

struct RunQueueTests {
    private typealias Queue = RunQueue<String, Int>

    private func queue(parallel: Int, waiting: Int = 100, ofOne: Int = 100) -> Queue {
        Queue(parallelMax: parallel, waitingMax: waiting, waitingOfOneMax: ofOne)
    }

    @Test func `tenants are served in turn, whoever came with how many`() throws {
        var queue = queue(parallel: 1)
        for number in 0..<5 { try queue.append(number, of: "a", number: UInt64(number)) }
        try queue.append(10, of: "b", number: 10)
        try queue.append(20, of: "c", number: 20)
        var order: [Int] = []
        while let next = queue.next() {
            order.append(next)
            queue.leave()
        }
        #expect(order == [0, 10, 20, 1, 2, 3, 4])
    }

    @Test func `runs at most so many at once`() throws {
        var queue = queue(parallel: 2)
        for number in 0..<3 { try queue.append(number, of: "a", number: UInt64(number)) }
        #expect(queue.next() == 0)
        #expect(queue.next() == 1)
        #expect(queue.next() == nil)
        queue.leave()
        #expect(queue.next() == 2)
    }

    @Test func `refuses whoever would wait behind too many`() throws {
        var queue = queue(parallel: 1, waiting: 3, ofOne: 2)
        try queue.append(0, of: "a", number: 0)
        _ = queue.next()
        try queue.append(1, of: "a", number: 1)
        try queue.append(2, of: "a", number: 2)
        #expect(throws: Queue.Refusal.full) { try queue.append(3, of: "a", number: 3) }
        try queue.append(4, of: "b", number: 4)
        #expect(throws: Queue.Refusal.full) { try queue.append(5, of: "c", number: 5) }
    }

    @Test func `who is taken back runs no more, and its tenant loses its turn`() throws {
        var queue = queue(parallel: 1)
        try queue.append(1, of: "a", number: 1)
        try queue.append(2, of: "b", number: 2)
        #expect(queue.remove(number: 1, of: "a") == 1)
        #expect(queue.remove(number: 1, of: "a") == nil)
        #expect(queue.next() == 2)
        #expect(queue.waiting == 0)
    }

    /// Against a model: a list, and whose turn it was last.
    @Test func `never runs more than it may and loses nobody`() throws {
        var queue = queue(parallel: 3, waiting: 1000, ofOne: 1000)
        var random = SystemRandomNumberGenerator()
        var (expected, seen): (Set<Int>, Set<Int>) = ([], [])
        for number in 0..<500 {
            try queue.append(number, of: "t\(number % 7)", number: UInt64(number))
            expected.insert(number)
            if Int.random(in: 0..<5, using: &random) == 0,
                queue.remove(number: UInt64(number), of: "t\(number % 7)") != nil
            {
                expected.remove(number)
            }
            while let next = queue.next() { seen.insert(next) }
            #expect(queue.running <= 3)
            if queue.running > 0, Bool.random(using: &random) { queue.leave() }
        }
        while queue.running > 0 {
            queue.leave()
            while let next = queue.next() { seen.insert(next) }
        }
        #expect(seen == expected)
    }
}
