// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import EventLoop
import Glibc
import Log
import Platform

/// The gateway's end of the keeper: starts it, says hello, hands it runs, and starts another where it dies. On the
/// sandbox's loop only.
final class KeeperLink: @unchecked Sendable {
    enum State {
        case starting
        case ready(Enforcements, landlock: Int)
        /// It said why it cannot; it is not tried again.
        case failed(BoxStep, Errno)
        case stopped
    }

    /// What the keeper is told at its beginning.
    struct Hello: Sendable {
        var layers = BoxLayers.all
        /// Whether it is to use control groups at all.
        var usesGroups = true
        /// Further folders that boxes may read.
        var folders: [String] = []
    }

    private(set) var state = State.starting
    private let path: String
    /// Where the system's own keeper listens; nil for one that is started here.
    private let systemSocket: String?
    private let hello: Hello
    private let loop: EventLoop
    private let log: Logger
    private var socket: WatchedDescriptor?
    private var number: CInt = -1
    private var process: CInt = -1
    private var startsInARow = 0
    /// Called when it becomes ready, or cannot.
    private let changed: (State) -> Void
    private let refused: (UInt64, Errno) -> Void

    init(
        path: String, systemSocket: String?, hello: Hello, on loop: EventLoop, log: Logger,
        changed: @escaping (State) -> Void,
        refused: @escaping (UInt64, Errno) -> Void
    ) {
        self.path = path
        self.systemSocket = systemSocket
        self.hello = hello
        self.loop = loop
        self.log = log
        self.changed = changed
        self.refused = refused
    }

    /// The keeper's process, for tests that kill it.
    var processID: Int32 { process }

    func start() throws(Errno) {
        state = .starting
        if let systemSocket {
            try attach(try DescriptorPair.connection(to: systemSocket))
        } else {
            let ends = try DescriptorPair.sockets(DescriptorPair.messages)
            var process: CInt = -1
            let far = ends.far.rawValue
            try Errno.check { unsafe cbox_spawn(path, Keeper.word, far, &process) }
            self.process = process
            try attach(ends.near)
        }
        let message = KeeperMessage(.hello, a: Int(hello.layers.rawValue), b: hello.usesGroups ? 0 : 1)
        let bytes = message.encoded + Array(hello.folders.joined(separator: "\n").utf8)
        try Errno.check { unsafe cbox_send(number, bytes, UInt(bytes.count), nil, 0) }
    }

    private func attach(_ end: consuming FileDescriptor) throws(Errno) {
        number = end.rawValue
        socket = try WatchedDescriptor(end, on: loop) { [weak self] file in self?.listen(file.rawValue) }
    }

    /// Hands it a run. False where it is not there, or does not keep up.
    func send(_ message: KeeperMessage, _ descriptors: [CInt]) -> Bool {
        guard case .ready = state else { return false }
        let bytes = message.encoded
        // SAFETY: both arrays are as long as said.
        let sent = unsafe cbox_send(number, bytes, UInt(bytes.count), descriptors, UInt32(descriptors.count))
        return sent == bytes.count
    }

    /// Closes the socket: the keeper kills its boxes, cleans up, and ends. Waits for that, up to a deadline.
    func stop(by deadline: Instant) {
        state = .stopped
        close()
        while process > 0, Instant.now() < deadline, !isReaped() { usleep(2000) }
        if process > 0 {
            kill(process, SIGKILL)
            _ = isReaped()
        }
        if hello.usesGroups { ControlGroups.removeFamily(.own) }
    }

    private func close() {
        socket?.close()
        socket = nil
        number = -1
    }

    private func isReaped() -> Bool {
        var status: CInt = 0
        // SAFETY: one number.
        guard unsafe waitpid(process, &status, WNOHANG) != 0 else { return false }
        process = -1
        return true
    }

    private func listen(_ file: CInt) {
        var bytes = [UInt8](repeating: 0, count: KeeperMessage.byteCount)
        // SAFETY: the array is as long as said.
        let count = unsafe recv(file, &bytes, bytes.count, CBOX_DONT_WAIT)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count == KeeperMessage.byteCount, let message = try? KeeperMessage(decoding: bytes) else {
            return die()
        }
        switch message.kind {
        case .ready:
            guard let memory = Enforcement(rawValue: message.a), let processes = Enforcement(rawValue: message.b),
                let cpu = Enforcement(rawValue: message.c)
            else { return die() }
            startsInARow = 0
            state = .ready(
                Enforcements(memory: memory, processes: processes, cpu: cpu), landlock: message.d)
            changed(state)
        case .failed:
            state = .failed(BoxStep(rawValue: message.a) ?? .none, Errno(CInt(truncatingIfNeeded: message.b)))
            changed(state)
        case .refused: refused(message.number, Errno(CInt(truncatingIfNeeded: message.a)))
        case .hello, .run, .claim, .spare: die()
        }
    }

    /// The keeper is gone: its boxes are dead with it. Another one is started, later each time that one dies at once.
    private func die() {
        close()
        if process > 0 { kill(process, SIGKILL) }
        let dead = process
        reap(dead)
        switch state {
        case .failed, .stopped: return
        case .starting, .ready: break
        }
        state = .starting
        log.error("the sandbox's keeper ended; another is started", ["process": .int(Int(dead))])
        startsInARow += 1
        let delay = Duration.milliseconds(min(5000, 20 << min(startsInARow - 1, 8)))
        loop.schedule(after: delay) { [weak self] in
            guard let self, case .starting = state else { return }
            do throws(Errno) {
                try start()
            } catch {
                log.error("the sandbox's keeper cannot be started", ["cause": .string(error.description)])
                die()
            }
        }
    }

    private func reap(_ dead: CInt) {
        process = -1
        guard dead > 0 else { return }
        var status: CInt = 0
        // SAFETY: one number.
        guard unsafe waitpid(dead, &status, WNOHANG) == 0 else { return }
        loop.schedule(after: .milliseconds(20)) { [weak self] in
            guard let self else { return }
            let current = process
            reap(dead)
            process = current
        }
    }
}
