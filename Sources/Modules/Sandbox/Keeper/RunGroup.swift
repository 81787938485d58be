// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

/// The open files of one run's control groups: where a process joins them, and where their figures are read. -1 for what
/// there is not. They belong to whoever made them (`ControlGroups`) and are inherited by the box.
struct RunGroup {
    /// `tasks` of each hierarchy of the first version.
    var members: [CInt] = []
    /// `cgroup.procs` of the second version, and the folder that it is in.
    var processes2: CInt = -1
    var folder2: CInt = -1
    /// `cpuacct.usage`, or `cpu.stat`.
    var cpuUsage: CInt = -1
    var isCPUStatistics = false
    /// `memory.oom_control`, or `memory.events`.
    var memoryEvents: CInt = -1
    /// `memory.max_usage_in_bytes`, or `memory.peak`.
    var memoryPeak: CInt = -1
    var processesEvents: CInt = -1
    var processesCurrent: CInt = -1
    var processesPeakFile: CInt = -1
    /// Folders to remove, as their parent's descriptor and the name.
    var folders: [(parent: CInt, name: String)] = []

    var isEmpty: Bool { members.isEmpty && processes2 < 0 }

    /// Whether memory is bounded by a group.
    var holdsMemory: Bool { memoryEvents >= 0 }

    /// Makes a process, in the group of the second version where there is one: a process that is moved there later waits ten
    /// milliseconds and more, in which the kernel stops every fork and every end of a process on the host.
    ///
    /// - Returns: the process as clone(2) does, and whether it was born there.
    func fork() -> (process: CInt, isBornThere: Bool) {
        if folder2 >= 0 {
            let process = cbox_clone_into(folder2)
            // Not on a kernel before 5.7, nor where somebody's filter hides the call.
            if process >= 0 { return (process, true) }
        }
        return (cbox_clone(0), false)
    }

    /// Moves this process, which has one thread, into them. The files were opened by the keeper, whose right to write counts.
    ///
    /// - Parameter isBornThere: whether it is in that of the second version.
    func join(isBornThere: Bool) throws(BoxFailure) {
        let me: [UInt8] = [UInt8(ascii: "0")]
        for file in members + (isBornThere || processes2 < 0 ? [] : [processes2]) {
            try BoxStep.group.take { unsafe write(file, me, 1) }
        }
    }

    var cpuNanoseconds: Int {
        if !isCPUStatistics { return SmallFile.number(cpuUsage) ?? 0 }
        return SmallFile.text(cpuUsage).flatMap { SmallFile.number("usage_usec", in: $0) }.map { $0 * 1000 } ?? 0
    }

    var outOfMemoryKills: Int {
        SmallFile.text(memoryEvents).flatMap { SmallFile.number("oom_kill", in: $0) } ?? 0
    }

    var memoryPeakBytes: Int? { SmallFile.number(memoryPeak) }

    /// Whether a group bounds the processes of the run.
    var countsProcesses: Bool { processesEvents >= 0 }

    var processesRefused: Int {
        processesEvents < 0 ? 0 : SmallFile.text(processesEvents).flatMap { SmallFile.number("max", in: $0) } ?? 0
    }

    var processes: Int? { SmallFile.number(processesCurrent) }
    var processesPeak: Int? { SmallFile.number(processesPeakFile) }

    /// Those that are open.
    var files: [CInt] {
        let all =
            members + [
                processes2, folder2, cpuUsage, memoryEvents, memoryPeak, processesEvents, processesCurrent,
                processesPeakFile,
            ]
        return all.filter { $0 >= 0 }
    }

    /// Closes its files. The folders stay.
    func closeFiles() { for file in files { close(file) } }

    /// Removes the folders; false where one is still in use.
    mutating func remove() -> Bool {
        folders.removeAll { folder in
            unsafe unlinkat(folder.parent, folder.name, AT_REMOVEDIR) == 0 || errno == ENOENT
        }
        return folders.isEmpty
    }
}
