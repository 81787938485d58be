// SPDX-License-Identifier: Apache-2.0
//
// A connected, non-blocking stream socket on one loop. Nothing here parses: `tryRead` and `tryWrite` are the system calls,
// `wait` suspends until an edge, a deadline or an abort, and the rest is put together from these. While somebody waits to read,
// the loop reads for all that are in the same place, before the first of them goes on.
// One task may wait as the reader and one as the writer. Each is resumed exactly once, by whichever comes first. In place of a
// reader a body may be called: a socket at rest then has no task, and a task is two kilobytes.

import Bytes
import CLinux
import Glibc
package import Platform

/// A stream socket, used on its loop's thread only.
///
/// It is closed by `close` or `abort`, and at the latest when the last reference goes away.
package final class Socket: EventSource, @unchecked Sendable {
    /// The two tasks that may wait for a socket at a time.
    package enum Side: Sendable {
        case reader
        case writer
    }

    /// What they may wait for. A TLS reader may have to wait until it can write, and the other way round.
    package enum Interest: Sendable {
        case read
        case write
    }

    /// The loop it lives on.
    package let loop: EventLoop
    /// The address of the other side; a path (mostly empty) for local sockets.
    package let peer: SocketAddress
    /// Who connected, for local sockets.
    package let peerCredentials: PeerCredentials?

    private var descriptor: FileDescriptor?
    /// The descriptor's number; negative from the end of the socket on.
    private var number: CInt
    private var failure: IOFailure?
    /// Written, and not yet given to the kernel.
    private var held: [UInt8] = []
    /// True while the loop will flush it at the end of the turn.
    private var isListed = false
    /// True once something held was lost because the other side broke off.
    private var hasLost = false
    private var timer: Timer?
    /// When the timer is due; the end of time while it is not scheduled.
    private var timerDue = Instant(nanoseconds: .max)
    private var id: UInt64 = 0
    private var readiness = Readiness()
    private var watchesWriting = false
    private var reader = Waiter()
    private var writer = Waiter()
    /// Read by the loop, and not taken yet.
    private var early = EarlyBytes()
    /// True while more comes at a time than the loop reads ahead: its reader does as well by itself.
    private var isBulky = false
    private var budgetTurn: UInt64 = 0
    private var budget = 0
    private var readLimit: Instant?
    private var writeLimit: Instant?

    /// True while the reader waits for something new to do: what is under way on the loop goes first.
    package var readerBegins = false

    /// Until when the reader waits; nil: as long as it takes. Moving it costs almost nothing.
    package var readDeadline: Instant? {
        get { readLimit }
        set {
            readLimit = newValue
            if reader.isWaiting { arm() }
        }
    }

    /// Until when the writer waits; nil: as long as it takes.
    package var writeDeadline: Instant? {
        get { writeLimit }
        set {
            writeLimit = newValue
            if writer.isWaiting { arm() }
        }
    }

    /// Both deadlines.
    package var deadline: Instant? {
        get { readDeadline }
        set {
            readDeadline = newValue
            writeDeadline = newValue
        }
    }

    /// Called once, on the loop, when the other side has ended or broken the connection, also while nobody reads and
    /// while unread bytes wait. Set after that has happened, it is called at once.
    package var onPeerClosed: ((PeerClosure) -> Void)? {
        didSet { if let closure = readiness.closure { firePeerClosed(closure) } }
    }

    /// True while `onPeerClosed` is set.
    package var watchesPeer: Bool { onPeerClosed != nil }

    /// How the other side has ended, as far as the kernel said so.
    package var peerClosure: PeerClosure? { readiness.closure }

    /// False while there is known to be nothing: neither bytes, nor an end, nor a failure.
    package var mayRead: Bool { readiness.mayRead || hasEarlyBytes || number < 0 }

    /// True while something lies here that the loop has read.
    var hasEarlyBytes: Bool { !early.isEmpty }

    private func may(_ interest: Interest) -> Bool {
        interest == .read ? readiness.mayRead || hasEarlyBytes : readiness.mayWrite
    }

    /// True until it was closed, was aborted or failed.
    package var isOpen: Bool { number >= 0 }

    /// Takes over a connected (or, with `isConnecting`, a connecting) non-blocking socket. On the loop's thread.
    package init(
        _ descriptor: consuming FileDescriptor, peer: SocketAddress, credentials: PeerCredentials? = nil,
        isConnecting: Bool = false, on loop: EventLoop
    ) throws(Errno) {
        number = descriptor.rawValue
        self.loop = loop
        self.peer = peer
        peerCredentials = credentials
        self.descriptor = consume descriptor
        super.init()
        watchesWriting = isConnecting
        readiness.mayWrite = !isConnecting
        do throws(Errno) {
            id = try loop.register(self, descriptor: number, events: interest)
        } catch {
            // So that `deinit` does not look for a registration.
            self.descriptor = nil
            number = -1
            failure = .closed
            throw error
        }
    }

    deinit {
        guard let number = descriptor.take()?.release() else { return }
        let (loop, id) = (loop, id)
        if loop.isCurrent {
            timer?.cancel()
            loop.unregister(id, descriptor: number)
            Glibc.close(number)
        } else {
            // The last reference went away on another thread. The loop may be looking at the slot this moment, so it is
            // the one to clear it; the slot's reference already gives nothing.
            loop.post {
                loop.unregister(id, descriptor: number)
                Glibc.close(number)
            }
        }
    }

    override func handle(_ events: UInt32) {
        let isClosure = readiness.receive(events)
        if reader.wants(readiness), !readAhead() { goOn() }
        if writer.wants(readiness) { _ = writer.resume() }
        if readiness.mayWrite, !held.isEmpty { list() }
        if isClosure, let closure = readiness.closure { firePeerClosed(closure) }
    }

    /// The reader goes on, in its order.
    private func goOn() { if readerBegins { loop.begin { wakeReader() } } else { wakeReader() } }

    override func loopEnds() {
        abort(.cancelled)
    }

    private var interest: UInt32 {
        clinux_EPOLLIN | clinux_EPOLLRDHUP | clinux_EPOLLET | (watchesWriting ? clinux_EPOLLOUT : 0)
    }
}

// Reading ahead.
extension Socket {
    /// Reads for a reader that waits to read, into the loop's arena.
    /// - Returns: false where the reader has to look for itself, now.
    private func readAhead() -> Bool {
        // An end and what stands before it are the reader's: the kernel tells them once.
        guard reader.waitsToRead, !isBulky, readiness.closure == nil, !hasEarlyBytes,
            let room = unsafe loop.earlyRoom(begins: readerBegins)
        else { return false }
        let number = self.number
        // SAFETY: the room is the arena's, as long as said, and nobody else's until `arrive`.
        let count = repeating { unsafe clinux_receive(number, room.baseAddress, room.count) }
        guard count >= 0 else {
            // Nothing after all, the edge was of what had been read already; or a failure, which ends the socket and tells the
            // reader.
            _ = try? block { $0.mayRead = false }
            return true
        }
        guard count > 0 else { return false }
        readiness.didRead(count, room: room.count)
        charge(count)
        isBulky = count == room.count
        unsafe early.lie(in: UnsafeRawBufferPointer(rebasing: room[..<count]))
        loop.arrive(self, with: count, begins: readerBegins)
        return true
    }

    /// The reader goes on, unless the socket has ended meanwhile.
    func wakeEarly() { if reader.isWaiting { goOn() } }

    /// The arena's next user comes.
    func keepEarlyBytes() { early.keep() }
}

// The system calls.
extension Socket {
    /// Reads what is there.
    /// - Returns: the number of bytes, 0 at the end of the stream, nil when there is nothing yet.
    package func tryRead(into buffer: UnsafeMutableRawBufferPointer) throws(IOFailure) -> Int? {
        let number = try open()
        precondition(unsafe !buffer.isEmpty, "a read needs room")
        if hasEarlyBytes { return unsafe early.take(into: buffer) }
        guard readiness.mayRead else { return nil }
        // SAFETY: the buffer belongs to the caller during the call, and is as long as said.
        let count = repeating { unsafe clinux_receive(number, buffer.baseAddress, buffer.count) }
        guard count >= 0 else { return try block { $0.mayRead = false } }
        readiness.didRead(count, room: buffer.count)
        charge(count)
        if count < min(buffer.count, EventLoopLimits.earlyReadBytesMax) { isBulky = false }
        // The kernel tells a reset once, and has told it to `flush`: this is no good end.
        if count == 0, hasLost { throw .reset }
        return count
    }

    /// Writes what fits.
    /// - Returns: the number of bytes taken, nil when there is no room yet.
    package func tryWrite(_ bytes: UnsafeRawBufferPointer) throws(IOFailure) -> Int? {
        loop.settleDues()
        let number = try open()
        guard unsafe !bytes.isEmpty else { return 0 }
        guard try sendHeld(), readiness.mayWrite else { return nil }
        // SAFETY: as above.
        let count = repeating { unsafe clinux_send(number, bytes.baseAddress, bytes.count) }
        return try finishWriting(count, offered: bytes.count)
    }

    /// Writes what fits of two buffers, one after the other, in one call.
    /// - Returns: the number of bytes taken of both, nil when there is no room yet.
    package func tryWrite(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer
    ) throws(IOFailure) -> Int? {
        if unsafe first.isEmpty { return try unsafe tryWrite(second) }
        if unsafe second.isEmpty { return try unsafe tryWrite(first) }
        loop.settleDues()
        let number = try open()
        guard try sendHeld(), readiness.mayWrite else { return nil }
        // SAFETY: the kernel only reads through the pointers, during the call, as far as the counts say.
        let count = repeating {
            unsafe clinux_send_two(number, first.baseAddress, first.count, second.baseAddress, second.count)
        }
        return try finishWriting(count, offered: first.count + second.count)
    }

    /// Takes two pieces to be sent at the end of the loop's turn, behind what was written before.
    /// - Returns: false, and takes nothing, where the kernel has no room or too much is held already.
    package func hold(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) throws(IOFailure) -> Bool {
        _ = try open()
        guard !hasLost else { throw .reset }
        let count = first.count + second.count
        guard readiness.mayWrite, held.count + count <= EventLoopLimits.heldBytesMax else { return false }
        if held.isEmpty { held = loop.takeRoom() }
        held.append(addingCapacity: count) { room in
            unsafe room.append(copying: first)
            unsafe room.append(copying: second)
        }
        charge(count)
        list()
        return true
    }

    /// Gives the kernel what is held.
    /// - Returns: true when nothing is held any more; false when the kernel has no room for the rest.
    package func sendHeld() throws(IOFailure) -> Bool {
        guard !held.isEmpty else { return true }
        // Which may have been the end of this socket.
        loop.settleDues()
        let number = try open()
        guard readiness.mayWrite else { return false }
        var bytes = exchange(&held, with: [])
        let count = unsafe bytes.withUnsafeBytes { bytes in
            // SAFETY: the kernel only reads through the pointer, during the call, as far as the count says.
            repeating { unsafe clinux_send(number, bytes.baseAddress, bytes.count) }
        }
        guard count < 0 || count < bytes.count else {
            loop.giveRoom(consume bytes)
            return true
        }
        do throws(IOFailure) {
            let sent = try finishWriting(count, offered: bytes.count) ?? 0
            bytes.removeFirst(sent)
            held = bytes
            try watchWriting()
            return false
        } catch {
            held = []
            hasLost = true
            throw error
        }
    }

    /// The end of the turn.
    func flush() {
        isListed = false
        guard isOpen else { return }
        // Whoever reads or writes next is told; who waits to read goes on now, since the kernel has told the end once.
        do throws(IOFailure) { _ = try sendHeld() } catch { if reader.wants(readiness) { wakeReader() } }
    }

    private func list() {
        guard !isListed else { return }
        isListed = true
        loop.list(self)
    }

    private func watchWriting() throws(IOFailure) {
        guard !watchesWriting else { return }
        let number = try open()
        watchesWriting = true
        do throws(Errno) {
            // If room came meanwhile, this reports it.
            try loop.change(id, descriptor: number, events: interest)
        } catch {
            throw .system(error)
        }
    }

    /// Tells the other side that nothing more comes; reading goes on.
    package func shutdownWriting() {
        guard let number = try? open() else { return }
        _ = shutdown(number, CInt(SHUT_WR))
    }

    /// What became of a connection attempt.
    func checkConnected() throws(IOFailure) {
        let error = clinux_socket_error(try open())
        guard error == 0 else { throw IOFailure(error > 0 ? Errno(error) : .last) }
    }

    @inline(__always)
    private func open() throws(IOFailure) -> CInt {
        loop.checkThread()
        guard number >= 0 else { throw failure ?? .closed }
        return number
    }

    private func finishWriting(_ count: Int, offered: Int) throws(IOFailure) -> Int? {
        guard count >= 0 else {
            let number = Errno.last
            // What the other side said before it broke off can still be read (an upstream's refusal of a long body), and
            // reading finds the end behind it.
            guard number != .brokenPipe && number != .connectionReset else {
                readiness.mayRead = true
                throw .reset
            }
            return try block { $0.mayWrite = false }
        }
        readiness.didWrite(count, offered: offered)
        charge(count)
        return count
    }

    /// Nil for EAGAIN; anything else is the end of the socket.
    private func block(_ note: (inout Readiness) -> Void) throws(IOFailure) -> Int? {
        let number = Errno.last
        guard number == .wouldBlock else {
            let failure = IOFailure(number)
            abort(failure)
            throw failure
        }
        note(&readiness)
        return nil
    }

    private func repeating(_ call: () -> Int) -> Int {
        while true {
            let count = call()
            if count >= 0 || Errno.last != .interrupted { return count }
        }
    }
}

// Waiting.
extension Socket {
    /// Suspends until the socket may be ready for `interest`. Returns at once when it may be already.
    /// - Throws: `.timedOut` when the side's deadline passes (the socket stays usable), or why the socket ended.
    package func wait(_ side: Side, for interest: Interest) async throws(IOFailure) {
        _ = try open()
        if may(interest) { return }
        if interest == .write { try watchWriting() }
        unsafe await withUnsafeContinuation { continuation in
            switch side {
            case .reader: unsafe reader.start(continuation, interest)
            case .writer: unsafe writer.start(continuation, interest)
            }
            arm()
        }
        if let failure { throw failure }
        switch side {
        case .reader: if reader.takeExpiry() { throw .timedOut }
        case .writer: if writer.takeExpiry() { throw .timedOut }
        }
    }

    /// Calls `body` once, on the loop, when the reader would go on: the socket may be ready for `interest`, the deadline has
    /// passed, or the socket has ended; at once where that is so already. For a socket that may rest for long.
    ///
    /// Nobody else may wait as the reader until then.
    package func notify(_ interest: Interest, _ body: @escaping () -> Void) {
        loop.checkThread()
        guard isOpen, !may(interest) else { return body() }
        if interest == .write, (try? watchWriting()) == nil { return body() }
        reader.start(body, interest)
        arm()
    }

    /// True when this one has moved a lot of bytes within one turn, and the other connections should go on first.
    package var shouldShare: Bool { budgetTurn == loop.turn && budget > EventLoopLimits.socketBytesPerTurn }

    /// Lets them go on where it is their turn. Call it in loops that might never have to wait.
    package func share() async {
        if shouldShare { await loop.yield() }
    }

    private func charge(_ bytes: Int) {
        if budgetTurn != loop.turn {
            budgetTurn = loop.turn
            budget = 0
        }
        budget += max(bytes, EventLoopLimits.operationBytesMin)
    }

    private func firePeerClosed(_ closure: PeerClosure) {
        guard let hook = onPeerClosed else { return }
        // Taken out first: it is called once, and may set another.
        onPeerClosed = nil
        hook(closure)
    }

    private func wakeReader(isExpired: Bool = false) { reader.resume(isExpired: isExpired)?() }

    private func arm() {
        var next = Instant(nanoseconds: .max)
        if reader.isWaiting, let readDeadline { next = min(next, readDeadline) }
        if writer.isWaiting, let writeDeadline { next = min(next, writeDeadline) }
        // Deadlines mostly move to later: the timer stays where it is and looks again when it fires.
        guard next < timerDue else { return }
        let timer = self.timer ?? DeadlineTimer(self)
        self.timer = timer
        timerDue = next
        timer.reschedule(at: next)
    }

    fileprivate func expire() {
        timerDue = Instant(nanoseconds: .max)
        let now = loop.now
        if reader.isWaiting, let deadline = readDeadline, deadline <= now { wakeReader(isExpired: true) }
        if writer.isWaiting, let deadline = writeDeadline, deadline <= now { _ = writer.resume(isExpired: true) }
        arm()
    }
}

// Ending.
extension Socket {
    /// Closes now. What the kernel has taken is still sent, and what is held as far as the kernel takes it. Whoever waits
    /// fails with `.closed`.
    package func close() {
        _ = try? sendHeld()
        end(.closed, discarding: false)
    }

    /// Breaks the connection off: what is not sent yet is dropped, the other side sees a reset, and whoever waits here
    /// fails with `reason` at once. Only the first reason counts.
    package func abort(_ reason: IOFailure) {
        end(reason, discarding: true)
    }

    private func end(_ reason: IOFailure, discarding: Bool) {
        loop.checkThread()
        guard failure == nil else { return }
        failure = reason
        number = -1
        timer?.cancel()
        timer = nil
        onPeerClosed = nil
        held = []
        if let number = descriptor.take()?.release() {
            loop.unregister(id, descriptor: number)
            if discarding { clinux_discard_on_close(number) }
            Glibc.close(number)
        }
        wakeReader()
        _ = writer.resume()
    }
}

/// When a socket's deadline passes. Without a closure: ten thousand sockets at rest have one each.
private final class DeadlineTimer: Timer {
    private let socket: FadingReference<Socket>

    init(_ socket: Socket) {
        self.socket = FadingReference(socket)
        super.init(loop: socket.loop)
    }

    override func fire() { socket.value?.expire() }
}

/// Who waits for one side of a socket, or the room for it.
@safe private struct Waiter {
    @safe private enum Kind {
        case nobody
        case task(UnsafeContinuation<Void, Never>)
        case body(() -> Void)
    }

    private var kind = Kind.nobody
    private var interest = Socket.Interest.read
    private var isExpired = false

    var isWaiting: Bool {
        if case .nobody = kind { false } else { true }
    }

    var waitsToRead: Bool { isWaiting && interest == .read }

    mutating func start(_ continuation: UnsafeContinuation<Void, Never>, _ interest: Socket.Interest) {
        unsafe start(.task(continuation), interest)
    }

    mutating func start(_ body: @escaping () -> Void, _ interest: Socket.Interest) {
        start(.body(body), interest)
    }

    private mutating func start(_ kind: Kind, _ interest: Socket.Interest) {
        precondition(!isWaiting, "one reader and one writer may wait")
        self.kind = kind
        self.interest = interest
        isExpired = false
    }

    func wants(_ readiness: Readiness) -> Bool {
        isWaiting && (interest == .read ? readiness.mayRead : readiness.mayWrite)
    }

    /// Lets a task go on.
    /// - Returns: what is to be called where there is none: by the caller, since it may want to wait again.
    mutating func resume(isExpired: Bool = false) -> (() -> Void)? {
        let waiting = kind
        kind = .nobody
        switch waiting {
        case .nobody: return nil
        case .task(let continuation):
            self.isExpired = isExpired
            unsafe continuation.resume()
            return nil
        case .body(let body): return body
        }
    }

    mutating func takeExpiry() -> Bool {
        defer { isExpired = false }
        return isExpired
    }
}
