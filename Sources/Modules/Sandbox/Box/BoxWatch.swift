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

    private let box: Box
    private let start: BoxStart
    private var report = BoxReport()
    private var usage: BoxUsage
    private var programEnded = false

    init(box: Box, start: BoxStart) {
        self.box = box
        self.start = start
        usage = BoxUsage(group: box.group, limits: box.order.limits)
    }

    private var wallEnd: Instant { start.time + .milliseconds(box.order.limits.wallMilliseconds) }

    /// Watches until the end, kills what is left, gives back the files.
    mutating func watch() -> BoxReport {
        while let end = wait() {
            report.end = end
            break
        }
        killAll()
        report.wallNanoseconds = Int(clamping: (Instant.now() - start.time).clampedNanoseconds)
        usage.look()
        usage.finish(&report)
        // Who stayed below the limit to the last look may have been killed for it all the same.
        if report.end == .itself, report.outOfMemoryKills > 0 { report.end = .memory }
        report.isDiskFull = BoxUsage.isDiskFull
        if box.order.collectsFiles, report.end != .unwanted { giveFiles() }
        return report
    }

    /// Waits for the end, and says what it was.
    private mutating func wait() -> BoxReport.End? {
        while true {
            reap()
            if programEnded { return .itself }
            let now = Instant.now()
            guard now < wallEnd else { return .wallTime }
            let next = min(wallEnd, now + Self.interval)
            var watched = [
                pollfd(fd: start.children, events: Int16(POLLIN), revents: 0),
                pollfd(fd: box.descriptors.control, events: Int16(POLLIN), revents: 0),
            ]
            let milliseconds = CInt(clamping: ((next - now).clampedNanoseconds + 999_999) / 1_000_000)
            // SAFETY: two structures, alive through the call.
            let ready = unsafe poll(&watched, 2, milliseconds)
            if ready > 0, watched[1].revents != 0 { return hear() }
            if ready > 0 { drainSignals() }
            if ready == 0 || now - usage.lastLook >= Self.interval {
                usage.look()
                if let end = usage.excess { return end }
            }
        }
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
