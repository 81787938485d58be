// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Support
import Synchronization
import Testing

@testable import EventLoop

struct ListenerTests {
    @Test func `several loops share a port, each with a queue of its own`() throws {
        let first = try ListeningSocket(on: loopback, sharesPort: true)
        let address = first.address
        let second = try first.sibling()
        let sameAddress = second.address
        #expect(sameAddress == address)
        // Whoever else wants the port finds it taken, even one that would share it.
        for sharesPort in [false, true] {
            #expect(throws: Errno.addressInUse) {
                _ = try ListeningSocket(on: address, sharesPort: sharesPort).address
            }
        }
        try serve(first, second) { counts in
            #expect(counts[0] > 0 && counts[1] > 0)
            #expect(counts[0] + counts[1] == 200)
        }
    }

    @Test func `several loops accept from one inherited descriptor`() throws {
        let bound = try ListeningSocket(on: loopback)
        let first = try ListeningSocket(adopting: bound.descriptor.duplicate())
        let (isShared, address, boundAddress) = (first.isShared, first.address, bound.address)
        #expect(isShared && address == boundAddress)
        _ = consume bound
        let second = try first.duplicate()
        try serve(first, second) { counts in #expect(counts[0] + counts[1] == 200) }
    }

    @Test func `only listening stream sockets are adopted`() throws {
        var ends: [CInt] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        close(ends[1])
        #expect(throws: Errno.notSocket) {
            _ = try ListeningSocket(adopting: FileDescriptor(owning: ends[0])).address
        }
        let datagram = socket(AF_INET, 2, 0)
        #expect(throws: Errno.invalidArgument) {
            _ = try ListeningSocket(adopting: FileDescriptor(owning: datagram)).address
        }
    }

    private func serve(
        _ first: consuming ListeningSocket, _ second: consuming ListeningSocket, _ check: ([Int]) -> Void
    ) throws {
        let counts = Mutex([0, 0])
        let loops = [try EventLoop(name: "first"), try EventLoop(name: "second")]
        let listeners = [Listener(first, on: loops[0]), Listener(second, on: loops[1])]
        for index in 0..<2 {
            try loops[index].start()
            try onLoop(loops[index]) { _ in
                try listeners[index].start { socket in
                    counts.withLock { $0[index] += 1 }
                    socket.close()
                }
            }
        }
        try onLoop { loop in
            for _ in 0..<200 {
                let client = try await Socket.connect(to: listeners[0].address, on: loop)
                _ = try await client.read()
                client.close()
            }
        }
        for index in 0..<2 {
            try onLoop(loops[index]) { _ in listeners[index].close() }
            loops[index].stop()
            loops[index].join()
        }
        check(counts.withLock { $0 })
    }

    @Test func `a local socket is for its owner only, and knows who calls`() throws {
        let path = "/tmp/gatehouse-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        try onLoop { loop in
            let listener = Listener(try ListeningSocket(on: .unix(path: path)), on: loop)
            var found = stat()
            try #require(unsafe stat(path, &found) == 0)
            #expect(found.st_mode & 0o7777 == 0o600)
            let accepted = OneShot<Socket>(on: loop)
            try listener.start { accepted.fulfil($0) }
            let client = try await Socket.connect(to: .unix(path: path), on: loop)
            let server = await accepted.value()
            #expect(
                server.peerCredentials == PeerCredentials(processID: getpid(), userID: getuid(), groupID: getgid()))
            try await client.write([7])
            #expect(try await server.read() == [7])
            // Taken: somebody listens.
            #expect(throws: Errno.addressInUse) { _ = try ListeningSocket(on: .unix(path: path)).address }
            listener.close()
            #expect(unsafe stat(path, &found) != 0)
        }
    }

    @Test func `a socket file left behind is replaced, another file is not`() throws {
        let path = "/tmp/gatehouse-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        defer { unsafe unlink(path) }
        do {
            // Renamed away and back, the first one no longer finds its file to remove it.
            let left = try ListeningSocket(on: .unix(path: path))
            #expect(unsafe rename(path, path + "2") == 0)
            _ = consume left
            #expect(unsafe rename(path + "2", path) == 0)
        }
        let replaced = try ListeningSocket(on: .unix(path: path))
        let address = replaced.address
        #expect(address == .unix(path: path))
        _ = consume replaced
        let file = unsafe open(path, O_CREAT | O_WRONLY, 0o600)
        close(file)
        #expect(throws: Errno.fileExists) { _ = try ListeningSocket(on: .unix(path: path)).address }
        #expect(throws: Errno.nameTooLong) {
            _ = try ListeningSocket(on: .unix(path: "/tmp/" + String(repeating: "x", count: 103))).address
        }
    }

    @Test func `paused, it leaves connections in the queue`() throws {
        try onLoop { loop in
            let listener = Listener(try ListeningSocket(on: loopback), on: loop)
            let count = Log()
            try listener.start { _ in count.entries.append((1, .zero)) }
            listener.pause()
            let client = try await Socket.connect(to: listener.address, on: loop)
            await loop.sleep(.milliseconds(10))
            #expect(count.entries.isEmpty)
            try listener.resume()
            await loop.sleep(.milliseconds(10))
            #expect(count.entries.count == 1)
            client.close()
            listener.close()
        }
    }

    @Test func `dropped on another thread, its port is free again`() throws {
        try onLoop { loop in
            let worker = try Worker(name: "worker", queueMax: 1)
            let box = ListenerBox()
            let address = try box.listen(on: loop)
            try await worker.run { box.listener = nil }
            await loop.sleep(.milliseconds(5))
            let again = try ListeningSocket(on: address).address
            #expect(again == address)
            worker.stop()
        }
    }

    // In a process of its own, since the limit is the process's.
    @Test func `rests instead of spinning when no descriptor is left`() async {
        await #expect(processExitsWith: .success) {
            try onLoop { loop in
                let listener = Listener(try ListeningSocket(on: loopback), on: loop)
                var rests = 0
                var accepted: [Socket] = []
                listener.onExhausted = { number in
                    precondition(number == .tooManyOpenFiles)
                    rests += 1
                }
                try listener.start { accepted.append($0) }
                let client = try await Socket.connect(to: listener.address, on: loop)
                await loop.sleep(.milliseconds(10))
                precondition(accepted.count == 1)
                // The next client has its descriptor before the limit falls, the listener has none after.
                let waiting = FileDescriptor(owning: socket(AF_INET, 1, 0))
                var limit = rlimit()
                unsafe getrlimit(__rlimit_resource_t(7), &limit)
                let before = limit.rlim_cur
                limit.rlim_cur = rlim_t(waiting.rawValue + 1)
                unsafe setrlimit(__rlimit_resource_t(7), &limit)
                let number = waiting.rawValue
                try unsafe listener.address.withSystem { (pointer, length) throws(Errno) in
                    _ = try Errno.check { unsafe connect(number, pointer, length) }
                }
                let turn = loop.turn
                await loop.sleep(.milliseconds(250))
                precondition(accepted.count == 1)
                precondition((1...4).contains(rests), "rested \(rests) times")
                precondition(loop.turn - turn < 50, "spun")
                limit.rlim_cur = before
                unsafe setrlimit(__rlimit_resource_t(7), &limit)
                await loop.sleep(.milliseconds(200))
                precondition(accepted.count == 2)
                client.close()
                listener.close()
            }
        }
    }
}

private final class ListenerBox: @unchecked Sendable {
    var listener: Listener?

    func listen(on loop: EventLoop) throws(Errno) -> SocketAddress {
        let made = Listener(try ListeningSocket(on: loopback), on: loop)
        try made.start { $0.close() }
        listener = made
        return made.address
    }
}
