// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

/// What a box's processes use: by the control groups' own figures, or where there are none by adding up what `/proc` says,
/// which is always a little late and misses memory that belongs to no process.
struct BoxUsage {
    private let group: RunGroup
    private let limits: BoxLimits
    private(set) var lastLook = Instant.now()
    private var cpuNanoseconds = 0
    /// What the interpreter had used when it got its program.
    private var cpuBefore = 0
    private var memoryBytes = 0
    private var memoryPeak = 0
    private var processesPeak = 1
    private var kills = 0

    init(group: RunGroup, limits: BoxLimits) {
        self.group = group
        self.limits = limits
    }

    /// What is over its limit.
    var excess: BoxReport.End? {
        // The kernel kills one process at a time for want of memory (control groups of the first version), and the rest
        // would go on: one is enough.
        if kills > 0 || memoryBytes > limits.memoryBytes { return .memory }
        if cpuNanoseconds - cpuBefore > limits.cpuMilliseconds * 1_000_000 { return .cpuTime }
        return nil
    }

    /// What was used so far is not the program's.
    mutating func beginAgain() {
        look()
        cpuBefore = cpuNanoseconds
    }

    /// Seconds of processor time before that, rounded up.
    var secondsBefore: Int { cpuBefore / 1_000_000_000 + 1 }

    /// Looks at everything once.
    mutating func look() {
        lastLook = .now()
        var sum = ProcessSum()
        if group.memoryEvents < 0 || group.cpuUsage < 0 { sum = .now(ticksPerSecond: Int(sysconf(CInt(_SC_CLK_TCK)))) }
        if group.cpuUsage >= 0 {
            cpuNanoseconds = group.cpuNanoseconds
        } else {
            cpuNanoseconds = max(cpuNanoseconds, Int(clamping: cbox_children_time()) + sum.cpuNanoseconds)
        }
        if group.memoryEvents >= 0 {
            kills = group.outOfMemoryKills
        } else {
            memoryBytes = sum.memoryBytes + Self.diskBytes
            memoryPeak = max(memoryPeak, memoryBytes)
        }
        processesPeak = max(processesPeak, group.processes ?? sum.count)
    }

    /// The last word, when everybody is dead.
    func finish(_ report: inout BoxReport) {
        let cpu = group.cpuUsage >= 0 ? group.cpuNanoseconds : Int(clamping: cbox_children_time())
        report.cpuNanoseconds = max(0, cpu - cpuBefore)
        report.memoryPeakBytes = group.memoryPeakBytes ?? memoryPeak
        report.outOfMemoryKills = kills
        report.processesRefused = group.processesRefused
        report.processesPeak = max(processesPeak, group.processesPeak ?? 0)
    }

    /// What lies in the writable places.
    private static var diskBytes: Int {
        guard let (total, free, _, _) = fileSystem else { return 0 }
        return total - free
    }

    /// Whether they are full: no page, or no file more.
    static var isDiskFull: Bool {
        guard let (_, free, files, filesFree) = fileSystem else { return false }
        return free < 64 << 10 || (files > 0 && filesFree == 0)
    }

    private static var fileSystem: (Int, Int, Int, Int)? {
        var status = statfs()
        guard unsafe statfs(Box.workspace, &status) == 0 else { return nil }
        let block = Int(status.f_bsize)
        return (
            Int(clamping: status.f_blocks) * block, Int(clamping: status.f_bfree) * block,
            Int(clamping: status.f_files),
            Int(clamping: status.f_ffree)
        )
    }
}

/// The processes of this namespace but the first, added up.
struct ProcessSum {
    var count = 0
    var cpuNanoseconds = 0
    /// Of each what it shares with nobody.
    var memoryBytes = 0

    static func now(ticksPerSecond: Int) -> ProcessSum {
        var sum = ProcessSum()
        guard let folder = unsafe opendir("/proc") else { return sum }
        defer { unsafe closedir(folder) }
        let page = Int(sysconf(CInt(_SC_PAGESIZE)))
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe Array(bytes.prefix { $0 != 0 })
            }
            guard name.allSatisfy({ (0x30...0x39).contains($0) }), name != [0x31] else { continue }
            let path = "/proc/" + String(decoding: name, as: UTF8.self)
            guard let statistics = SmallFile.text(path + "/stat"), let end = statistics.lastIndex(of: ")") else {
                continue
            }
            // Fields 14 to 17 of proc(5): its own time and that of children it waited for; the third stands behind the name.
            let fields = statistics[end...].split(separator: " ").dropFirst()
            guard fields.count > 15 else { continue }
            let ticks = fields.dropFirst(11).prefix(4).reduce(0) { $0 + (Int($1) ?? 0) }
            sum.count += Int(fields[fields.startIndex + 17]) ?? 1
            sum.cpuNanoseconds += ticks * (1_000_000_000 / max(ticksPerSecond, 1))
            guard let memory = SmallFile.text(path + "/statm")?.split(separator: " "), memory.count > 2 else {
                continue
            }
            sum.memoryBytes += max(0, (Int(memory[1]) ?? 0) - (Int(memory[2]) ?? 0)) * page
        }
        return sum
    }
}

/// Files of the kernel's that are short and made while they are read.
enum SmallFile {
    static let bytesMax = 4096

    static func text(_ path: String) -> String? {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        let file = FileDescriptor(owning: number)
        return text(file.rawValue)
    }

    /// From the beginning of an open file.
    static func text(_ file: CInt) -> String? {
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        // SAFETY: the array is as long as said.
        let count = unsafe pread(file, &bytes, bytesMax, 0)
        return count >= 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }

    /// The number behind a word at the beginning of a line (`oom_kill 3`).
    static func number(_ word: String, in text: String) -> Int? {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            if parts.count == 2, parts[0] == word { return Int(parts[1]) }
        }
        return nil
    }

    /// A file that is a number.
    static func number(_ file: CInt) -> Int? {
        guard file >= 0, let text = text(file) else { return nil }
        return Int(text.prefix { $0.isNumber })
    }
}
