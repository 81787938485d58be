// SPDX-License-Identifier: Apache-2.0

import CLinux
import CSeccomp
import Glibc
import Platform

/// The first process of a box while the program runs: it waits for the program's end, for the gateway's word, and for the
/// next look at what is used.
struct BoxWatch {
    /// How often what is used is looked at. A limit is found at most this late.
    static let interval = Duration.milliseconds(20)

    private var box: Box
    private var start: BoxStart
    private var report = BoxReport()
    private var usage: BoxUsage
    private var refusals: BoxRefusals
    private var programEnded = false

    init(box: Box, start: BoxStart) {
        self.box = box
        self.start = start
        usage = BoxUsage(group: box.group, limits: box.order.limits)
        refusals = BoxRefusals(start.refusals, named: box.filter.named)
    }

    private var wallEnd: Instant { start.time + .milliseconds(box.order.limits.wallMilliseconds) }

    /// Watches until the end, kills what is left, gives back the files.
    mutating func watch() -> BoxReport {
        report.end = (box.order.waits ? awaitOrder() : nil) ?? wait()
        killAll()
        report.wallNanoseconds = Int(clamping: (Instant.now() - start.time).clampedNanoseconds)
        usage.look()
        usage.finish(&report)
        // Who stayed below the limit to the last look may have been killed for it all the same.
        if report.end == .itself, report.outOfMemoryKills > 0 { report.end = .memory }
        report.isDiskFull = BoxUsage.isDiskFull
        report.refusedCalls = refusals.calls
        if box.order.collectsFiles, !box.order.waits, report.end != .unwanted { giveFiles() }
        return report
    }

    /// Lets an interpreter wait for its program. Nil when it has one; nothing of anybody's has run until then.
    private mutating func awaitOrder() -> BoxReport.End? {
        while true {
            let ready = poll(until: nil)
            // Heard before the end is: the gateway says it here before it hands the interpreter its program.
            if ready.control { return takeOrder() ? nil : .unwanted }
            reap()
            if programEnded { return .itself }
        }
    }

    /// The gateway's word that the interpreter has its program, with the order. Time and limits count from here.
    private mutating func takeOrder() -> Bool {
        var word: UInt8 = 0
        var fds = [CInt](repeating: -1, count: Int(CBOX_DESCRIPTORS_MAX))
        var fdCount: UInt32 = 0
        // SAFETY: one byte, and an array as long as said.
        let count = unsafe cbox_receive(box.descriptors.control, &word, 1, &fds, &fdCount, CBOX_DONT_WAIT)
        guard count == 1, word == BoxFrame.claim, fdCount == 1 else { return false }
        defer { close(fds[0]) }
        guard let order = try? Box.read(fds[0]), !order.waits else { return false }
        start.time = .now()
        box.order = order
        usage = BoxUsage(group: box.group, limits: order.limits)
        usage.beginAgain()
        // The interpreter began with the most that anybody may ask for. The groups hold this limit too, but for a process that
        // stays alone it is the kernel that ends it.
        let seconds = order.limits.cpuMilliseconds / 1000 + 2 + usage.secondsBefore
        _ = cbox_limit(start.program, BoxResource.cpuSeconds.rawValue, UInt64(seconds))
        return true
    }

    /// Waits for the end, and says what it was.
    private mutating func wait() -> BoxReport.End {
        while true {
            reap()
            if programEnded { return .itself }
            let now = Instant.now()
            guard now < wallEnd else { return .wallTime }
            let ready = poll(until: min(wallEnd, now + Self.interval))
            if ready.control { return hear() }
            if !ready.any || now - usage.lastLook >= Self.interval {
                usage.look()
                if let end = usage.excess { return end }
            }
        }
    }

    /// Waits until something happens or a time has come, and does what needs no thought.
    private mutating func poll(until time: Instant?) -> (any: Bool, control: Bool) {
        var watched = [start.children, box.descriptors.control, refusals.listener].map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        let milliseconds =
            time.map { CInt(clamping: (max(0, ($0 - .now()).clampedNanoseconds) + 999_999) / 1_000_000) } ?? -1
        // SAFETY: three structures, alive through the call; those of -1 are passed over.
        let ready = unsafe Glibc.poll(&watched, 3, milliseconds)
        guard ready > 0 else { return (false, false) }
        if watched[0].revents != 0 { drainSignals() }
        if watched[2].revents & Int16(POLLIN) != 0 {
            refusals.answer()
        } else if watched[2].revents != 0 {
            refusals.close()
        }
        return (true, watched[1].revents != 0)
    }

    /// The gateway's word; its end of the socket closes where it is gone.
    private func hear() -> BoxReport.End {
        var word: UInt8 = 0
        // SAFETY: one byte.
        let count = unsafe Glibc.read(box.descriptors.control, &word, 1)
        return count == 1 && word == BoxFrame.outputFull ? .output : .unwanted
    }

    private func drainSignals() {
        var information = signalfd_siginfo()
        // SAFETY: room for one record.
        while unsafe Glibc.read(start.children, &information, MemoryLayout<signalfd_siginfo>.size) > 0 {}
    }

    /// Takes note of everybody who ended. Orphans are this process's children, so none is left as a zombie.
    private mutating func reap() {
        var (code, signal): (CInt, CInt) = (0, 0)
        while true {
            let pid = unsafe cbox_reap(&code, &signal)
            guard pid > 0 else { return }
            note(pid, code, signal)
        }
    }

    private mutating func note(_ pid: CInt, _ code: CInt, _ signal: CInt) {
        guard pid == start.program else { return }
        programEnded = true
        report.exitCode = signal == 0 ? Int(code) : nil
        report.signal = Int(signal)
    }

    /// SIGKILL to everybody in the namespace but this process, until there is nobody.
    private mutating func killAll() {
        while true {
            // Without a namespace of its own (a test's weakened box) -1 would be everybody.
            if box.order.layers.contains(.processes) { kill(-1, SIGKILL) } else { kill(start.program, SIGKILL) }
            var status: CInt = 0
            // SAFETY: one number.
            let pid = BoxStep.none.retrying { unsafe waitpid(-1, &status, 0) }
            guard pid > 0 else { return }
            note(pid, (status >> 8) & 0xff, status & 0x7f)
        }
    }

    private mutating func giveFiles() {
        let speech = BoxSpeech(box.descriptors.control)
        var harvest = Harvest(box.order)
        harvest.run { name, content in speech.say(file: name, content) }
        report.filesLeftOut = harvest.leftOut
    }
}
