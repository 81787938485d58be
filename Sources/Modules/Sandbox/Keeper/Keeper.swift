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
    private var spares = SpareBoxes()
    /// Of the last box: names its groups.
    private var lastBox: UInt64 = 0
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
        let sparesFrom = watched.count
        for box in spares.waiting { watched.append(pollfd(fd: box.pidfd, events: Int16(POLLIN), revents: 0)) }
        let count = watched.count
        // SAFETY: as many structures as said, alive through the call.
        let ready = unsafe poll(&watched, nfds_t(count), timeoutMilliseconds)
        if ready > 0 {
            // Those that died first: no run is given to one of them.
            for index in (sparesFrom..<count).reversed() where watched[index].revents != 0 {
                bury(spares.remove(at: index - sparesFrom))
            }
            for index in (1..<sparesFrom).reversed() where watched[index].revents != 0 { bury(at: index - 1) }
            if watched[0].revents != 0, !hear() { return false }
        }
        let now = Instant.now()
        // One in each turn, so that a run that comes meanwhile waits for one at most.
        if ready == 0, let due = spares.isDue, due <= now { makeSpare() }
        for box in boxes where box.end <= now { cbox_pidfd_kill(box.pidfd) }
        emptied.removeAll { entry in
            var group = entry.group
            return group.remove() || entry.until < now
        }
        return true
    }

    private var timeoutMilliseconds: CInt {
        let now = Instant.now()
        var times = boxes.map(\.end)
        if !emptied.isEmpty { times.append(now + .milliseconds(10)) }
        if let due = spares.isDue { times.append(due) }
        guard let next = times.min() else { return -1 }
        // At least one: what was killed takes its time to die.
        return CInt(clamping: max(1, (next - now).clampedMilliseconds + 1))
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
        if message.kind == .spare, fdCount == 0, spares.limits == nil {
            spares.want(message.d, GroupLimits(message))
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
        guard boxes.count < Keeper.boxesMax else { return refuse(message.number, Errno(EAGAIN)) }
        spares.noteRun()
        let limits = GroupLimits(message)
        // One that waits may have died just now.
        while let spare = spares.take(limits) {
            if give(descriptors, to: spare, message) { return }
            bury(spare)
        }
        do throws(BoxFailure) {
            let fresh = try make(limits)
            if give(descriptors, to: fresh, message) { return }
            bury(fresh)
            refuse(message.number, Errno(EAGAIN))
        } catch {
            refuse(message.number, error.errno)
        }
    }

    /// Makes an empty box, with the groups of a run.
    private mutating func make(_ limits: GroupLimits) throws(BoxFailure) -> SpareBox {
        guard let groups, let filter else { throw BoxFailure(.order, Errno(EAGAIN)) }
        lastBox += 1
        let doors: DescriptorPair
        do throws(Errno) {
            doors = try DescriptorPair.sockets(DescriptorPair.messages)
        } catch {
            throw BoxFailure(.descriptors, error)
        }
        var group = try groups.make(run: lastBox, limits)
        let far = doors.far.rawValue
        let pid = cbox_clone(Box.namespaces(layers))
        if pid == 0 { Box.run(EmptyBox(door: far, group: group, layers: layers, ids: ids), filter: filter) }
        let cause = Errno.last
        group.closeFiles()
        guard pid > 0 else {
            _ = group.remove()
            throw BoxFailure(.processes, cause)
        }
        return SpareBox(pid: pid, pidfd: cbox_pidfd(pid), door: doors.near.release(), group: group, limits: limits)
    }

    private mutating func makeSpare() {
        guard let limits = spares.limits else { return }
        do throws(BoxFailure) {
            spares.add(try make(limits))
        } catch {
            spares.noteFailure()
        }
    }

    /// Gives a box its run, which is the only one that it gets. False where it is dead.
    private mutating func give(_ descriptors: BoxDescriptors, to spare: SpareBox, _ message: KeeperMessage) -> Bool {
        guard descriptors.give(to: spare.door) else { return false }
        close(spare.door)
        let end = Instant.now() + .milliseconds(message.d) + Keeper.grace
        boxes.append(
            KeptBox(number: message.number, pid: spare.pid, pidfd: spare.pidfd, group: spare.group, end: end))
        return true
    }

    /// Ends a box that nobody was given, or finds it dead.
    private mutating func bury(_ spare: SpareBox) {
        close(spare.door)
        cbox_pidfd_kill(spare.pidfd)
        boxes.append(
            KeptBox(number: 0, pid: spare.pid, pidfd: spare.pidfd, group: spare.group, end: .now()))
        bury(at: boxes.count - 1)
    }

    /// A box that ended: its first process is dead, and with it every other.
    private mutating func bury(at index: Int) {
        var box = boxes.remove(at: index)
        var status: CInt = 0
        // SAFETY: one number.
        _ = BoxStep.none.retrying { unsafe waitpid(box.pid, &status, 0) }
        close(box.pidfd)
        if !box.group.remove() { emptied.append((box.group, Instant.now() + .seconds(5))) }
        spares.noteEnd()
    }

    private mutating func end() {
        for box in boxes { cbox_pidfd_kill(box.pidfd) }
        for spare in spares.removeAll() { bury(spare) }
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

extension GroupLimits {
    fileprivate init(_ message: KeeperMessage) {
        self.init(memoryBytes: message.a, processes: message.b, cpuHundredths: message.c)
    }
}

extension Hierarchies {
    static var none: Hierarchies { Hierarchies(membership: "", mounts: "", controllers: { _ in nil }) }
}
