// SPDX-License-Identifier: Apache-2.0

import CLinux
import CSeccomp
import Glibc
import Platform

/// The process that makes boxes: this binary again, started by the gateway before anybody can reach it, with one thread, no
/// secret, no database, no environment, and after its first milliseconds with no right and no file of the host's either.
///
/// It ends when the gateway's end of its socket closes, and every box ends with it.
package enum Keeper {
    /// The word by which the binary is called to be the keeper. No command of a person's.
    package static let word = "sandbox-keeper"
    /// Its end of the socket pair to the gateway.
    static let socket: CInt = 3
    /// Boxes at one time, whatever the gateway asks for.
    static let boxesMax = 512
    /// What a box may take beyond its time before the keeper itself kills it: its first process gives back files then.
    static let grace = Duration.milliseconds(4000)

    /// The life of the process.
    package static func run() -> Never {
        signal(SIGPIPE, SIG_IGN)
        // Started by the system, it is handed the socket at which the gateway knocks: one gateway, for this life.
        guard cbox_accept_in_place(socket) == 0 else { exit(1) }
        var process = KeeperProcess()
        process.run()
        exit(0)
    }
}

/// A box as the keeper knows it.
private struct KeptBox {
    let number: UInt64
    let pid: CInt
    let pidfd: CInt
    var group: RunGroup
    var end: Instant
}

private struct KeeperProcess {
    private var boxes: [KeptBox] = []
    /// Groups of boxes that ended, whose folders the kernel did not let go of yet.
    private var emptied: [(group: RunGroup, until: Instant)] = []
    private var groups: ControlGroups?
    private var filter: BoxFilter?
    private let ids = KeeperIdentity.choose()
    private var layers = BoxLayers.all

    mutating func run() {
        guard let (hello, more) = receiveHello() else { return }
        do throws(BoxFailure) {
            layers = BoxLayers(rawValue: UInt64(hello.a))
            let groups = ControlGroups(hello.b == 0 ? .own : .none, process: getpid(), owner: ids)
            try ids.take()
            try KeeperRoot.enter(more: more)
            filter = try BoxFilter()
            self.groups = groups
            let held = groups.enforcements
            say(
                KeeperMessage(
                    .ready, a: held.memory.rawValue, b: held.processes.rawValue, c: held.cpu.rawValue, d: Landlock.abi))
        } catch {
            say(KeeperMessage(.failed, a: error.step.rawValue, b: Int(error.errno.rawValue)))
            groups?.removeAll()
            return
        }
        while turn() {}
        end()
    }

    /// The first message, and the folders that come behind it, a line each.
    private func receiveHello() -> (KeeperMessage, [String])? {
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        // SAFETY: the array is as long as said.
        let count = BoxStep.none.retrying { unsafe recv(Keeper.socket, &bytes, bytes.count, 0) }
        guard count >= KeeperMessage.byteCount,
            let message = try? KeeperMessage(decoding: Array(bytes[..<KeeperMessage.byteCount])), message.kind == .hello
        else { return nil }
        let text = String(decoding: bytes[KeeperMessage.byteCount..<count], as: UTF8.self)
        return (message, text.split(separator: "\n").map(String.init))
    }

    // MARK: Turns

    /// Waits for the gateway, the end of a box, or a time. False at the end.
    private mutating func turn() -> Bool {
        var watched = [pollfd(fd: Keeper.socket, events: Int16(POLLIN), revents: 0)]
        for box in boxes { watched.append(pollfd(fd: box.pidfd, events: Int16(POLLIN), revents: 0)) }
        let count = watched.count
        // SAFETY: as many structures as said, alive through the call.
        let ready = unsafe poll(&watched, nfds_t(count), timeoutMilliseconds)
        if ready > 0 {
            for index in (1..<count).reversed() where watched[index].revents != 0 { bury(at: index - 1) }
            if watched[0].revents != 0, !hear() { return false }
        }
        let now = Instant.now()
        for box in boxes where box.end <= now { cbox_pidfd_kill(box.pidfd) }
        emptied.removeAll { entry in
            var group = entry.group
            return group.remove() || entry.until < now
        }
        return true
    }

    private var timeoutMilliseconds: CInt {
        if !emptied.isEmpty { return 10 }
        guard let next = boxes.map(\.end).min() else { return -1 }
        return CInt(clamping: max(1, (next - Instant.now()).clampedMilliseconds + 1))
    }

    /// The gateway's next message. False where it is gone, or says what it may not.
    private mutating func hear() -> Bool {
        var bytes = [UInt8](repeating: 0, count: KeeperMessage.byteCount)
        var fds = [CInt](repeating: -1, count: Int(CBOX_DESCRIPTORS_MAX))
        var fdCount: UInt32 = 0
        // SAFETY: both arrays are as long as said.
        let count = BoxStep.none.retrying {
            unsafe cbox_receive(Keeper.socket, &bytes, UInt(bytes.count), &fds, &fdCount, 0)
        }
        guard count == KeeperMessage.byteCount, let message = try? KeeperMessage(decoding: bytes) else { return false }
        defer { for fd in fds.prefix(Int(fdCount)) { close(fd) } }
        if message.kind == .claim, fdCount == 0 {
            claim(message)
            return true
        }
        guard message.kind == .run, fdCount == 5 else { return false }
        begin(
            message,
            BoxDescriptors(order: fds[0], input: fds[1], output: fds[2], errors: fds[3], control: fds[4]))
        return true
    }

    /// A box that waited has a program. One that has ended meanwhile is nobody's any more.
    private mutating func claim(_ message: KeeperMessage) {
        guard let index = boxes.firstIndex(where: { $0.number == message.number }) else { return }
        boxes[index].end = Instant.now() + .milliseconds(message.d) + Keeper.grace
    }

    private mutating func begin(_ message: KeeperMessage, _ descriptors: BoxDescriptors) {
        guard boxes.count < Keeper.boxesMax, let groups, let filter else {
            return refuse(message.number, Errno(EAGAIN))
        }
        let group: RunGroup
        do throws(BoxFailure) {
            group = try groups.make(
                run: message.number, memoryBytes: message.a, processes: message.b, cpuHundredths: message.c)
        } catch {
            return refuse(message.number, error.errno)
        }
        let pid = cbox_clone(Box.namespaces(layers))
        if pid == 0 { Box.run(descriptors, group: group, filter: filter, ids: ids) }
        let cause = Errno.last
        group.closeFiles()
        guard pid > 0 else {
            var group = group
            _ = group.remove()
            return refuse(message.number, cause)
        }
        let end = Instant.now() + .milliseconds(message.d) + Keeper.grace
        boxes.append(
            KeptBox(number: message.number, pid: pid, pidfd: cbox_pidfd(pid), group: group, end: end))
    }

    /// A box that ended: its first process is dead, and with it every other.
    private mutating func bury(at index: Int) {
        var box = boxes.remove(at: index)
        var status: CInt = 0
        // SAFETY: one number.
        _ = BoxStep.none.retrying { unsafe waitpid(box.pid, &status, 0) }
        close(box.pidfd)
        if !box.group.remove() { emptied.append((box.group, Instant.now() + .seconds(5))) }
    }

    private mutating func end() {
        for box in boxes { cbox_pidfd_kill(box.pidfd) }
        let deadline = Instant.now() + .seconds(3)
        while !boxes.isEmpty { bury(at: boxes.count - 1) }
        while !emptied.isEmpty, Instant.now() < deadline {
            emptied.removeAll { entry in
                var group = entry.group
                return group.remove()
            }
            usleep(5000)
        }
        groups?.removeAll()
    }

    private func refuse(_ number: UInt64, _ cause: Errno) {
        say(KeeperMessage(.refused, number: number, a: Int(cause.rawValue)))
    }

    private func say(_ message: KeeperMessage) {
        let bytes = message.encoded
        // SAFETY: the array is as long as said. A gateway that is gone is noticed at the next turn.
        unsafe _ = send(Keeper.socket, bytes, bytes.count, CBOX_NO_SIGNAL)
    }
}

extension Hierarchies {
    static var none: Hierarchies { Hierarchies(membership: "", mounts: "", controllers: { _ in nil }) }
}
