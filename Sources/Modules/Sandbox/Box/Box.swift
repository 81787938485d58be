// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation.
//
//     keeper ──clone with namespaces──▶ init of the box (pid 1) ──fork──▶ the program
//
// All three are the same binary. The keeper has one thread, so that a child of it goes on in Swift. Its root is not the
// host's (`KeeperRoot`): what a box copies from it has no path to anything but the system's read-only files.
//
// The first process makes the box before it knows what that is for (`EmptyBox`), and waits at its door for the one run that it
// gets. Mostly it was made while the keeper had nothing else to do (`SpareBoxes`); where none waits, one is made for the run. It
// is the same way for both, so that what holds for one holds for the other.
//
// Then it minds the run: it reaps, watches time, processor and memory, hears the gateway,
// kills everything, gives back the files when nothing else lives, and says how it was. It cannot be seen, traced or
// signalled from inside, is not in the program's control group, and holds nothing but its pipes. When it dies the kernel
// kills the rest; it dies with the keeper, and when the gateway's end of its control socket closes.
//
// The program's process takes the rest of the steps on itself, since they cannot be undone, and becomes the program.

import CLinux
import CSeccomp
import Glibc
import Platform

/// The descriptors that a run comes with.
struct BoxDescriptors {
    let order: CInt
    let input: CInt
    let output: CInt
    let errors: CInt
    let control: CInt
}

extension BoxDescriptors {
    /// The word that comes with them.
    private static let word: UInt8 = 0x62

    /// Hands a run to a box that waits. False where that box is gone.
    func give(to door: CInt) -> Bool {
        var word = Self.word
        let files = [order, input, output, errors, control]
        // SAFETY: one byte, and as many descriptors as said.
        return unsafe cbox_send(door, &word, 1, files, UInt32(files.count)) == 1
    }

    /// Waits for a run. Nil where the keeper wants nothing of this box any more.
    init?(from door: CInt) {
        var word: UInt8 = 0
        var fds = [CInt](repeating: -1, count: Int(CBOX_DESCRIPTORS_MAX))
        var fdCount: UInt32 = 0
        let count = BoxStep.order.retrying {
            // SAFETY: one byte, and an array as long as said.
            unsafe cbox_receive(door, &word, 1, &fds, &fdCount, 0)
        }
        guard count == 1, word == Self.word, fdCount == 5 else { return nil }
        (order, input, output, errors, control) = (fds[0], fds[1], fds[2], fds[3], fds[4])
    }
}

/// What a box is before it is known what runs in it: everything that every box has.
struct EmptyBox {
    /// Where its run comes from.
    let door: CInt
    let group: RunGroup
    let layers: BoxLayers
    let ids: KeeperIdentity

    /// The first layers, in their order; the first process lives in them.
    func make() throws(BoxFailure) {
        try closeOthers()
        // The keeper's death is ours. One that died before is noticed at the door.
        try BoxStep.processes.take { cbox_prctl(PR_SET_PDEATHSIG, UInt(SIGKILL), 0) }
        try enterIdentities()
        try makeProcesses()
        try makePlaces()
        if layers.contains(.network) { try makeNetwork() }
        try BoxStep.processes.take { cbox_prctl(PR_SET_DUMPABLE, 0, 0) }
    }

    /// Closes whatever is the keeper's or another box's. The gateway must hear at once that the keeper is gone, and a box that
    /// waits must hear it at its door: nobody else holds those ends.
    private func closeOthers() throws(BoxFailure) {
        var first = UInt32(3)
        for own in (group.files + [door]).map(UInt32.init).sorted() {
            if own > first { try BoxStep.descriptors.take { cbox_close_range(first, own - 1) } }
            first = own + 1
        }
        try BoxStep.descriptors.take { cbox_close_from(first) }
    }
}

/// A box as its first process makes it.
struct Box {
    /// Another one when an interpreter that waited has its program.
    var order: BoxOrder
    let descriptors: BoxDescriptors
    let group: RunGroup
    let filter: BoxFilter.Program

    /// The life of the first process of a box. It never returns.
    static func run(_ empty: EmptyBox, filter: BoxFilter) -> Never {
        var trouble: BoxFailure?
        do throws(BoxFailure) {
            try empty.make()
        } catch {
            trouble = error
        }
        // Also where it failed: whoever runs something is told why nothing ran.
        guard let descriptors = BoxDescriptors(from: empty.door) else { _exit(0) }
        close(empty.door)
        var report = BoxReport()
        do throws(BoxFailure) {
            if let trouble { throw trouble }
            let order = try Self.read(descriptors.order)
            let box = Box(
                order: order, descriptors: descriptors, group: empty.group,
                filter: empty.group.isEmpty ? filter.withoutMemoryFiles : filter.whole)
            report = try box.live()
        } catch {
            report.end = .setup
            report.step = error.step
            report.errno = Int(error.errno.rawValue)
        }
        BoxSpeech(descriptors.control).say(report)
        _exit(0)
    }

    private func live() throws(BoxFailure) -> BoxReport {
        try sizePlaces()
        let start = try begin()
        try dropCapabilities()
        var watch = BoxWatch(box: self, start: start)
        return watch.watch()
    }

    /// Forks the program's process, and waits until it is the program.
    private func begin() throws(BoxFailure) -> BoxStart {
        var signals = sigset_t()
        // SAFETY: the set lives through the calls.
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGCHLD)
        unsafe sigprocmask(SIG_BLOCK, &signals, nil)
        let children = unsafe signalfd(-1, &signals, CInt(SFD_NONBLOCK | SFD_CLOEXEC))
        guard children >= 0 else { throw BoxFailure(.descriptors) }
        var trouble: [CInt] = [-1, -1]
        // 0o2000000 is SOCK_CLOEXEC. SAFETY: two numbers.
        try BoxStep.descriptors.take { unsafe socketpair(AF_UNIX, DescriptorPair.messages | 0o2000000, 0, &trouble) }
        let begun = Instant.now()
        let (program, isBornThere) = order.layers.contains(.resources) ? group.fork() : (cbox_clone(0), false)
        guard program >= 0 else { throw BoxFailure(.processes) }
        if program == 0 {
            close(trouble[0])
            become(telling: trouble[1], isBornThere: isBornThere)
        }
        close(trouble[1])
        let listener = try hear(trouble[0])
        close(trouble[0])
        for used in [descriptors.order, descriptors.input, descriptors.output, descriptors.errors] { close(used) }
        return BoxStart(program: program, children: children, time: begun, refusals: listener)
    }

    /// Reads what the program's process says: of a step that failed, or with its filter's listener. It ends without a word
    /// where it became the program.
    ///
    /// - Returns: the listener; -1 where there is none.
    private func hear(_ trouble: CInt) throws(BoxFailure) -> CInt {
        var listener: CInt = -1
        while true {
            var words: [UInt8] = [0, 0]
            var fds = [CInt](repeating: -1, count: Int(CBOX_DESCRIPTORS_MAX))
            var fdCount: UInt32 = 0
            let count = BoxStep.execution.retrying {
                // SAFETY: both arrays are as long as said.
                unsafe cbox_receive(trouble, &words, UInt(words.count), &fds, &fdCount, 0)
            }
            if count == 2 { throw BoxFailure(BoxStep(rawValue: Int(words[0])) ?? .execution, Errno(CInt(words[1]))) }
            guard count > 0, fdCount == 1 else { return listener }
            listener = fds[0]
        }
    }

    /// What the program's process does: the steps of a box that are about one process, in their order.
    private func become(telling trouble: CInt, isBornThere: Bool) -> Never {
        do throws(BoxFailure) {
            try takeDescriptors(keeping: trouble)
            if order.layers.contains(.resources) { try joinGroup(isBornThere: isBornThere) }
            try fillWorkspace()
            try limitResources()
            if order.layers.contains(.capabilities) { try dropCapabilities() }
            try takeCredentials()
            // All of ours close when the program begins; nothing here depends on that.
            try BoxStep.descriptors.take { cbox_close_from(UInt32(BoxDescriptors.trouble) + 1) }
            if order.layers.contains(.landlock) { try restrictFiles() }
            if order.layers.contains(.filter) { try loadFilter(telling: BoxDescriptors.trouble) }
            try execute()
        } catch {
            var words = [UInt8(error.step.rawValue), UInt8(truncatingIfNeeded: error.errno.rawValue)]
            // SAFETY: two bytes.
            _ = unsafe Glibc.write(BoxDescriptors.trouble, &words, 2)
        }
        _exit(127)
    }

    /// The order in a file in memory, whose place is shared with whoever else reads it, and so not moved.
    static func read(_ file: CInt) throws(BoxFailure) -> BoxOrder {
        var status = stat()
        guard unsafe fstat(file, &status) == 0 else { throw BoxFailure(.order) }
        let bytes = Int(status.st_size)
        guard bytes > 0, bytes <= BoxOrder.bytesMax else { throw BoxFailure(.order, .fileTooLarge) }
        var place = 0
        let content = unsafe [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
            while place < bytes {
                // SAFETY: the room behind `place` is `bytes - place` long.
                let read = unsafe pread(file, buffer.baseAddress.map { unsafe $0 + place }, bytes - place, place)
                guard read > 0 else { break }
                place += read
            }
            count = place
        }
        do throws(WordReader.Malformed) {
            return try BoxOrder(decoding: content)
        } catch {
            throw BoxFailure(.order, .invalidArgument)
        }
    }
}

/// The program's process, and what tells of children that ended.
struct BoxStart {
    let program: CInt
    let children: CInt
    var time: Instant
    /// Where the kernel tells of calls that the filter refuses by name; -1 where it does not.
    let refusals: CInt
}

extension BoxStep {
    /// A call that is made again where a signal interrupted it.
    func retrying<Number: SignedInteger>(_ call: () -> Number) -> Number {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }
}

extension BoxDescriptors {
    /// Where the program's process tells of trouble: behind its standard descriptors, closed when it becomes the program.
    static let trouble: CInt = 3
}
