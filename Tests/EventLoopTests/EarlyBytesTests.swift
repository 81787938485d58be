// SPDX-License-Identifier: Apache-2.0
import Support
import Testing

@testable import EventLoop

struct EarlyBytesTests {
    /// What the readers of a test have seen, on its loop.
    private final class Seen: @unchecked Sendable {
        var early: [Int] = []
        var bytes: [[UInt8]] = []
    }

    @Test func `all sockets are read before the first reader goes on`() throws {
        try onLoop { loop in
            let pairs = try (0..<8).map { _ in try Socket.pair(on: loop) }
            let (seen, done) = (Seen(), OneShot<Bool>(on: loop))
            for pair in pairs {
                loop.spawn {
                    try? await pair.0.wait(.reader, for: .read)
                    seen.early.append(pairs.count { $0.0.hasEarlyBytes })
                    #expect(pair.0.mayRead)
                    #expect((try? await pair.0.read()) == [7])
                    #expect(!pair.0.mayRead)
                    if seen.early.count == pairs.count { done.fulfil(true) }
                }
            }
            // As soon as one has nothing more, its reader waits.
            for pair in pairs { #expect(try pair.0.tryText() == nil) }
            await loop.yield()
            for pair in pairs { try await pair.1.write([7]) }
            #expect(await done.value())
            #expect(seen.early == [8, 7, 6, 5, 4, 3, 2, 1])
        }
    }

    @Test func `what nobody takes in its turn is kept, and comes in order`() throws {
        try onLoop { loop in
            let pairs = try (0..<4).map { _ in try Socket.pair(on: loop) }
            let text = (0..<pairs.count).map { pair in (0..<3_000).map { UInt8(truncatingIfNeeded: $0 * 31 + pair) } }
            let (seen, done) = (Seen(), OneShot<Bool>(on: loop))
            seen.bytes = Array(repeating: [], count: pairs.count)
            for (index, pair) in pairs.enumerated() {
                loop.spawn {
                    while seen.bytes[index].count < 2 * text[index].count {
                        // A little in each turn: in between others use the arena.
                        seen.bytes[index] += (try? await pair.0.read(upTo: 700)) ?? []
                        await loop.yield()
                    }
                    if zip(seen.bytes, text).allSatisfy({ $0.count == 2 * $1.count }) { done.fulfil(true) }
                }
            }
            await loop.yield()
            for _ in 0..<2 {
                for (index, pair) in pairs.enumerated() {
                    try await pair.1.write(text[index])
                    // In the next turn it is read where the rest of the one before it would still lie.
                    await loop.yield()
                }
            }
            #expect(await done.value())
            for index in pairs.indices { #expect(seen.bytes[index] == text[index] + text[index]) }
        }
    }

    @Test func `more than the loop reads ahead is whole`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * 7 ^ $0 >> 8) }
            loop.spawn {
                for start in stride(from: 0, to: bytes.count, by: 50_000) {
                    try? await second.write(Array(bytes[start..<start + 50_000]))
                    await loop.sleep(.milliseconds(1))
                }
                second.close()
            }
            var seen: [UInt8] = []
            while true {
                let more = try await first.read(upTo: 5_000)
                if more.isEmpty { break }
                seen += more
            }
            #expect(seen == bytes)
        }
    }

    @Test func `an end behind bytes is told after them`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            let reader = OneShot<[UInt8]>(on: loop)
            loop.spawn { reader.fulfil((try? await first.read()) ?? []) }
            await loop.yield()
            try await second.write([1, 2, 3])
            second.close()
            #expect(await reader.value() == [1, 2, 3])
            #expect(try await first.read() == [])
        }
    }

    @Test func `a socket that ends before its reader goes on gives nothing more`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            let (other, far) = try Socket.pair(on: loop)
            let failures = (OneShot<IOFailure?>(on: loop), OneShot<IOFailure?>(on: loop))
            // Whichever goes on first ends the other, whose bytes have been read by then.
            for (mine, its, failure) in [(first, other, failures.0), (other, first, failures.1)] {
                loop.spawn {
                    do throws(IOFailure) {
                        try await mine.wait(.reader, for: .read)
                        #expect(its.hasEarlyBytes)
                        its.abort(.cancelled)
                        failure.fulfil(nil)
                    } catch {
                        #expect(throws: IOFailure.cancelled) { try mine.tryText() }
                        failure.fulfil(error)
                    }
                }
            }
            for socket in [first, other] { #expect(try socket.tryText() == nil) }
            await loop.yield()
            try await second.write([1])
            try await far.write([2])
            let ends = (await failures.0.value(), await failures.1.value())
            #expect(ends == (nil, .cancelled) || ends == (.cancelled, nil))
        }
    }

    @Test func `the arena has a bound, and what finds no room there is read by its reader`() throws {
        try onLoop { loop in
            let count = EventLoopLimits.earlyBytesPerTurn / EventLoopLimits.earlyReadBytesMax + 8
            let pairs = try (0..<count).map { _ in try Socket.pair(on: loop) }
            let bytes = [UInt8](repeating: 9, count: EventLoopLimits.earlyReadBytesMax)
            let (seen, done) = (Seen(), OneShot<Bool>(on: loop))
            for pair in pairs {
                loop.spawn {
                    try? await pair.0.wait(.reader, for: .read)
                    if pair.0.hasEarlyBytes { seen.early.append(1) }
                    seen.bytes.append((try? await pair.0.read(upTo: 2 * bytes.count)) ?? [])
                    if seen.bytes.count == count { done.fulfil(true) }
                }
            }
            for pair in pairs { #expect(try pair.0.tryText() == nil) }
            await loop.yield()
            for pair in pairs { try await pair.1.write(bytes) }
            #expect(await done.value())
            #expect(seen.early.count == count - 8)
            #expect(seen.bytes.allSatisfy { $0 == bytes })
        }
    }
}
