// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Platform
import Support
import Testing

@testable import EventLoop

struct SocketTests {
    @Test(arguments: ["127.0.0.1:0", "[::1]:0"]) func `an echo over TCP`(text: String) throws {
        let address = try #require(SocketAddress(text))
        try onLoop { loop in
            let listener = Listener(try ListeningSocket(on: address), on: loop)
            try listener.start { socket in
                loop.spawn {
                    while let bytes = try? await socket.read(), !bytes.isEmpty { try? await socket.write(bytes) }
                    socket.close()
                }
            }
            let client = try await Socket.connect(to: listener.address, on: loop)
            #expect(client.peer == listener.address)
            for size in [1, 100, 4_096, 70_000] {
                let sent = [UInt8](repeating: UInt8(size % 251), count: size)
                let writing = OneShot<Bool>(on: loop)
                loop.spawn { writing.fulfil((try? await client.write(sent)) != nil) }
                var received: [UInt8] = []
                while received.count < size { received += try await client.read() }
                #expect(received == sent)
                #expect(await writing.value())
            }
            client.shutdownWriting()
            #expect(try await client.read() == [])
            client.close()
            listener.close()
        }
    }

    @Test func `what is under way goes first, and of what begins a part in each turn`() throws {
        let begun = 3 * EventLoopLimits.beginningsPerTurn
        let (order, turns) = try onLoop { loop in
            let pairs = try (0..<begun + 4).map { _ in try Socket.pair(on: loop) }
            let done = OneShot<Bool>(on: loop)
            let log = TurnLog()
            for (index, pair) in pairs.enumerated() {
                pair.0.readerBegins = index < begun
                loop.spawn {
                    _ = try? await pair.0.read()
                    log.order.append(index)
                    log.turns.append(loop.turn)
                    if log.order.count == pairs.count { done.fulfil(true) }
                }
            }
            await loop.yield()
            for pair in pairs { #expect(try pair.1.hold("x")) }
            #expect(await done.value())
            return (log.order, log.turns)
        }
        #expect(Set(order.prefix(4)) == Set(begun..<begun + 4))
        #expect(order.count == begun + 4)
        for turn in Set(turns) { #expect(turns.count { $0 == turn } <= EventLoopLimits.beginningsPerTurn + 4) }
    }

    @Test func `what is held leaves at the end of the turn, in order and as one`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            #expect(try first.hold("one "))
            #expect(try first.hold("two "))
            // Nothing has left yet, and what is written past it goes behind it.
            #expect(try second.tryText() == nil)
            #expect(try await second.read() == Array("one two ".utf8))
            #expect(try first.hold("three "))
            try await first.write(Array("four".utf8))
            #expect(try await second.read() == Array("three four".utf8))
            #expect(try first.hold("last"))
            first.close()
            #expect(try await second.read() == Array("last".utf8))
            #expect(try await second.read() == [])
        }
    }

    @Test(arguments: ["held", "past its bound", "at once", "in two pieces", "behind what is held", "closed"])
    func `what is due is done before anything leaves, and can keep it back`(_ way: String) throws {
        for keepsBack in [false, true] {
            try onLoop { loop in
                let (first, second) = try Socket.pair(on: loop)
                await loop.yield()
                let isDone = Flag()
                loop.postBeforeLeaving {
                    isDone.isSet = true
                    // Nothing has come to the other end.
                    let text = try? second.tryText()
                    #expect(text == .some(nil))
                    if keepsBack { first.abort(.cancelled) }
                }
                let text = String(repeating: "x", count: way == "past its bound" ? EventLoopLimits.heldBytesMax + 1 : 9)
                switch way {
                case "held": #expect(try first.hold(text))
                case "past its bound":
                    #expect(try !first.hold(text))
                    try? await first.write(Array(text.utf8))
                case "at once": try? await first.write(Array(text.utf8))
                case "in two pieces": _ = try? first.tryWrite(text.prefix(4), text.dropFirst(4))
                case "behind what is held":
                    #expect(try first.hold("y"))
                    try? await first.write(Array(text.utf8))
                default:
                    #expect(try first.hold(text))
                    first.close()
                }
                #expect(isDone.isSet == (way != "held"))
                await loop.yield()
                #expect(isDone.isSet)
                var received = 0
                while let bytes = try? await second.read(upTo: 65_536), !bytes.isEmpty {
                    received += bytes.count
                    if received >= text.utf8.count { break }
                }
                #expect(keepsBack ? received == 0 : received >= text.utf8.count)
            }
        }
    }

    @Test func `what is due is done before a connection is asked for`() throws {
        try onLoop { loop in
            let listening = try ListeningSocket(on: loopback)
            let (address, queue) = (listening.address, listening.descriptor.rawValue)
            let isDone = Flag()
            let cancellation = Cancellation(on: loop)
            loop.postBeforeLeaving {
                isDone.isSet = true
                // On one machine a connection stands in the queue as soon as it is asked for.
                #expect(accept(queue, nil, nil) < 0)
                cancellation.fire()
            }
            await #expect(throws: IOFailure.cancelled) {
                try await Socket.connect(to: address, on: loop, cancellation: cancellation)
            }
            #expect(isDone.isSet)
            #expect(accept(queue, nil, nil) < 0)
            _ = consume listening
        }
    }

    @Test func `what is held for a peer who does not read is bounded, and nothing of it is lost`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            let piece = String(repeating: "x", count: 4_000)
            var taken = 0
            for _ in 0..<100 {
                for _ in 0..<20 where try first.hold(piece) { taken += 4_000 }
                await loop.yield()
            }
            #expect(taken > EventLoopLimits.heldBytesMax)
            #expect(taken < 100 * 20 * 4_000)
            #expect(try !first.sendHeld())
            var received = 0
            while received < taken { received += try await second.read(upTo: 65_536).count }
            #expect(received == taken)
            await loop.yield()
            #expect(try first.sendHeld())
            first.close()
            #expect(try await second.read() == [])
        }
    }

    @Test func `what is held for a peer who broke off is told to whoever reads or writes`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            second.abort(.cancelled)
            #expect(try first.hold("lost"))
            let reading = OneShot<IOFailure?>(on: loop)
            loop.spawn {
                do throws(IOFailure) {
                    reading.fulfil(try await first.read().isEmpty ? nil : .closed)
                } catch {
                    reading.fulfil(error)
                }
            }
            await loop.yield()
            #expect(await reading.value() != .closed)
            #expect(throws: IOFailure.self) { try first.hold("more") }
        }
    }

    @Test func `a writer waits for a slow reader and loses nothing`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            let sent = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            let end = OneShot<Bool>(on: loop)
            loop.spawn {
                try? await first.write(sent)
                first.close()
                end.fulfil(true)
            }
            var received: [UInt8] = []
            while true {
                if received.count % 7 == 0 { await loop.sleep(.microseconds(100)) }
                let bytes = try await second.read(upTo: 10_000)
                if bytes.isEmpty { break }
                received += bytes
            }
            #expect(received == sent)
            #expect(await end.value())
        }
    }

    @Test func `two buffers go out as one, in order`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            let (head, body) = (Array("head ".utf8), Array("body".utf8))
            let count = try unsafe head.withUnsafeBytes { head in
                try unsafe body.withUnsafeBytes { body in try unsafe first.tryWrite(head, body) }
            }
            #expect(count == 9)
            #expect(try await second.read() == Array("head body".utf8))
        }
    }

    @Test func `deadlines end a wait and leave the socket usable`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            let start = Instant.now()
            first.readDeadline = loop.now + .milliseconds(20)
            await #expect(throws: IOFailure.timedOut) { try await first.read() }
            let took = Instant.now() - start
            #expect(took >= .milliseconds(20) && took < .seconds(2))

            first.readDeadline = loop.now + .seconds(10)
            try await second.write([1])
            #expect(try await first.read() == [1])

            // Moved to earlier while somebody waits.
            loop.schedule(after: .milliseconds(5)) { first.readDeadline = loop.now + .milliseconds(5) }
            await #expect(throws: IOFailure.timedOut) { try await first.read() }
            #expect(Instant.now() - start < .seconds(5))

            // Passed already.
            first.readDeadline = loop.now - .seconds(1)
            await #expect(throws: IOFailure.timedOut) { try await first.read() }

            first.writeDeadline = loop.now + .milliseconds(10)
            await #expect(throws: IOFailure.timedOut) {
                try await first.write([UInt8](repeating: 0, count: 10_000_000))
            }
        }
    }

    @Test func `a body is called once in place of a reader, for bytes, a deadline, the end`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            #expect(try second.tryText() == nil)
            let calls = Counter()
            second.notify(.read) {
                calls.count += 1
                second.readDeadline = loop.now
                // Bytes are there: at once.
                second.notify(.read) { calls.count += 1 }
            }
            await loop.yield()
            #expect(calls.count == 0)
            try await first.write(Array("x".utf8))
            while calls.count == 0 { await loop.yield() }
            #expect(calls.count == 2)
            #expect(try second.tryText() == "x")
            #expect(try second.tryText() == nil)
            second.notify(.read) { calls.count += 1 }
            while calls.count == 2 { await loop.sleep(.milliseconds(1)) }
            second.readDeadline = nil
            second.notify(.read) { calls.count += 1 }
            first.close()
            while calls.count == 3 { await loop.yield() }
            #expect(try second.tryText() == "")
            second.close()
            second.notify(.read) { calls.count += 1 }
            #expect(calls.count == 5)
        }
    }

    @Test func `an abort calls the body`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            #expect(try second.tryText() == nil)
            let calls = Counter()
            second.notify(.read) { calls.count += 1 }
            second.abort(.cancelled)
            #expect(calls.count == 1)
            first.close()
        }
    }

    @Test func `abort ends reader and writer at once with its reason`() throws {
        try onLoop { loop in
            let (first, second) = try Socket.pair(on: loop)
            let reading = OneShot<IOFailure?>(on: loop)
            let writing = OneShot<IOFailure?>(on: loop)
            loop.spawn {
                do throws(IOFailure) {
                    _ = try await first.read()
                    reading.fulfil(nil)
                } catch { reading.fulfil(error) }
            }
            loop.spawn {
                do throws(IOFailure) {
                    try await first.write([UInt8](repeating: 0, count: 10_000_000))
                    writing.fulfil(nil)
                } catch { writing.fulfil(error) }
            }
            await loop.sleep(.milliseconds(5))
            let turn = loop.turn
            first.abort(.timedOut)
            first.abort(.reset)
            #expect(await reading.value() == .timedOut)
            #expect(await writing.value() == .timedOut)
            #expect(loop.turn == turn)
            #expect(!first.isOpen)
            await #expect(throws: IOFailure.timedOut) { try await first.read() }
            second.close()
            await #expect(throws: IOFailure.closed) { try await second.write([1]) }
        }
    }

    enum Ending: CaseIterable {
        case close, abort, halfClose, closeAfterUnreadBytes
    }

    @Test(arguments: Ending.allCases) func `a peer that goes away is noticed within 100 ms while nobody reads`(
        ending: Ending
    ) throws {
        try onLoop { loop in
            let listener = Listener(try ListeningSocket(on: loopback), on: loop)
            let accepted = OneShot<Socket>(on: loop)
            try listener.start { accepted.fulfil($0) }
            let client = try await Socket.connect(to: listener.address, on: loop)
            let server = await accepted.value()
            let noticed = OneShot<Instant>(on: loop)
            server.onPeerClosed = { _ in noticed.fulfil(.now()) }
            await loop.sleep(.milliseconds(5))
            let start = Instant.now()
            switch ending {
            case .close: client.close()
            case .abort: client.abort(.cancelled)
            case .halfClose: client.shutdownWriting()
            case .closeAfterUnreadBytes:
                try await client.write(Array("unread".utf8))
                client.close()
            }
            let at = await noticed.value()
            #expect(at - start < .milliseconds(100))
            #expect(server.peerClosure == (ending == .abort ? .broken : .finished))
            // Somebody who asks later is told at once.
            var isTold = false
            server.onPeerClosed = { _ in isTold = true }
            #expect(isTold)
            listener.close()
        }
    }

    @Test func `unread bytes and the end are read after the peer is gone`() throws {
        try onLoop { loop in
            let listener = Listener(try ListeningSocket(on: loopback), on: loop)
            let accepted = OneShot<Socket>(on: loop)
            try listener.start { accepted.fulfil($0) }
            let client = try await Socket.connect(to: listener.address, on: loop)
            let server = await accepted.value()
            try await client.write([1, 2, 3])
            #expect(try await server.read(upTo: 2) == [1, 2])
            client.close()
            await loop.sleep(.milliseconds(10))
            #expect(try await server.read(upTo: 100) == [3])
            #expect(try await server.read() == [])
            listener.close()
        }
    }

    @Test func `connecting: refused, cancelled, timed out`() throws {
        try onLoop { loop in
            let listening = try ListeningSocket(on: loopback)
            let address = listening.address
            _ = consume listening
            await #expect(throws: IOFailure.system(.connectionRefused)) {
                try await Socket.connect(to: address, on: loop)
            }
            // A queue of one that nobody takes from: later attempts hang.
            let full = try ListeningSocket(on: loopback, backlog: 0)
            var held: [Socket] = []
            var failure: IOFailure?
            while failure == nil, held.count < 8 {
                do throws(IOFailure) {
                    held.append(
                        try await Socket.connect(to: full.address, on: loop, deadline: loop.now + .milliseconds(100)))
                } catch { failure = error }
            }
            #expect(failure == .timedOut)
            let cancellation = Cancellation(on: loop)
            loop.schedule(after: .milliseconds(5)) { cancellation.fire() }
            await #expect(throws: IOFailure.cancelled) {
                try await Socket.connect(to: full.address, on: loop, cancellation: cancellation)
            }
            await #expect(throws: IOFailure.cancelled) {
                try await Socket.connect(to: full.address, on: loop, cancellation: cancellation)
            }
            _ = consume full
        }
    }

    @Test func `ten thousand connections come and go without a descriptor left over`() throws {
        try onLoop(within: .seconds(100)) { loop in
            let listener = Listener(try ListeningSocket(on: loopback), on: loop)
            let served = Flag()
            try listener.start { socket in
                loop.spawn {
                    served.isSet = true
                    // Half of them are dropped without a close.
                    if let byte = try? await socket.read().first, byte % 2 == 0 { socket.close() }
                }
            }
            let before = openDescriptors()
            for number in 0..<10_000 {
                let client = try await Socket.connect(to: listener.address, on: loop)
                try await client.write([UInt8(truncatingIfNeeded: number)])
                if number % 3 == 0 { client.close() } else if number % 3 == 1 { client.abort(.cancelled) }
            }
            await loop.sleep(.milliseconds(50))
            #expect(served.isSet)
            // Other suites run beside this one and have sockets of their own.
            #expect(openDescriptors() < before + 200)
            listener.close()
        }
    }

    @Test func `a socket dropped on another thread is closed by its loop`() throws {
        try onLoop { loop in
            let worker = try Worker(name: "worker", queueMax: 1)
            let box = Box()
            let second = try box.makePair(on: loop)
            try await worker.run {
                usleep(2_000)
                box.value = nil
            }
            #expect(try await second.read() == [])
            worker.stop()
        }
    }

    @Test func `an event on its way does not reach the next owner of the slot`() {
        var table = SourceTable()
        let old = EventSource()
        let next = EventSource()
        let first = table.insert(old)
        #expect(table[first] === old)
        table.remove(first)
        let second = table.insert(next)
        #expect(UInt32(truncatingIfNeeded: first) == UInt32(truncatingIfNeeded: second))
        #expect(table[first] == nil)
        #expect(table[second] === next)
        #expect(table[UInt64.max] == nil)
    }
}

struct ReadinessTests {
    @Test func `a short read waits for the next edge, but not after the end`() {
        var readiness = Readiness()
        readiness.didRead(100, room: 100)
        #expect(readiness.mayRead)
        readiness.didRead(99, room: 100)
        #expect(!readiness.mayRead)
        let closes1 = readiness.receive(clinux_EPOLLIN)
        #expect(!closes1)
        #expect(readiness.mayRead)
        readiness.didRead(1, room: 100)
        let closes2 = readiness.receive(clinux_EPOLLIN | clinux_EPOLLRDHUP)
        #expect(closes2)
        #expect(readiness.closure == .finished)
        readiness.didRead(1, room: 100)
        #expect(readiness.mayRead)
        let closes3 = readiness.receive(clinux_EPOLLIN | clinux_EPOLLRDHUP | clinux_EPOLLHUP)
        #expect(!closes3)
        #expect(readiness.closure == .broken)
    }
}

private final class Box: @unchecked Sendable {
    var value: Socket?

    /// Keeps one end and gives the other.
    func makePair(on loop: EventLoop) throws(Errno) -> Socket {
        let (first, second) = try Socket.pair(on: loop)
        value = first
        return second
    }
}

/// Which task went on, and in which turn. Of one loop.
private final class TurnLog: @unchecked Sendable {
    var order: [Int] = []
    var turns: [UInt64] = []
}

/// Of the loop's thread.
private final class Counter: @unchecked Sendable {
    var count = 0
}
