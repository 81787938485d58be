// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

extension Box {
    /// The descriptors of the program: 0, 1, 2, and no other of ours.
    func takeDescriptors(keeping trouble: CInt) throws(BoxFailure) {
        let wanted = [descriptors.input, descriptors.output, descriptors.errors, trouble]
        // Out of the way of the numbers they are to have.
        var moved: [CInt] = []
        for number in wanted { moved.append(try BoxStep.descriptors.take { fcntl(number, F_DUPFD_CLOEXEC, 64) }) }
        for (target, number) in moved.enumerated() {
            try BoxStep.descriptors.take { dup2(number, CInt(target)) }
        }
        try BoxStep.descriptors.take { fcntl(BoxDescriptors.trouble, F_SETFD, FD_CLOEXEC) }
        try BoxStep.descriptors.take { setsid() }
    }

    /// Into the control groups of this run, and then out of their sight.
    func joinGroup(isBornThere: Bool) throws(BoxFailure) {
        try group.join(isBornThere: isBornThere)
        try BoxStep.group.take { cbox_unshare(UInt(CBOX_NEW_CGROUP)) }
    }

    /// Resource limits (setrlimit(2)): what a process may have by itself, and a second bound beside the groups'.
    func limitResources() throws(BoxFailure) {
        guard order.layers.contains(.resources) else { return }
        let limits = order.limits
        // The kernel counts the box's first process too, which is in no group: where a group counts, it is to refuse first,
        // since it also says that it did.
        let processes = limits.processes + (group.countsProcesses ? 8 : 0)
        // No RLIMIT_AS: V8 reserves address space that it never uses.
        let most: [(BoxResource, Int)] = [
            (.core, 0), (.descriptors, limits.descriptors), (.fileSize, limits.diskBytes), (.stack, 8 << 20),
            (.processes, processes), (.lockedMemory, 64 << 10), (.messageQueues, 0), (.realTime, 0), (.nice, 0),
            (.signals, 256), (.cpuSeconds, limits.cpuMilliseconds / 1000 + 2),
        ]
        for (resource, value) in most {
            try BoxStep.limits.take { cbox_limit(0, resource.rawValue, UInt64(value)) }
        }
        // The first to go where memory is short: the program, and none of ours. A process that cannot be looked into has its files
        // below /proc from the host's root, and may not write to them; nobody else is in this box yet.
        try BoxStep.limits.take { cbox_prctl(PR_SET_DUMPABLE, 1, 0) }
        try Self.write("1000", to: "/proc/self/oom_score_adj", .limits)
        try BoxStep.limits.take { cbox_prctl(PR_SET_DUMPABLE, 0, 0) }
    }
}

/// Resources by their numbers, which are the same on every architecture that this runs on; half of the names stand behind
/// _GNU_SOURCE.
enum BoxResource: CInt {
    case cpuSeconds = 0
    case fileSize = 1
    case stack = 3
    case core = 4
    case processes = 6
    case descriptors = 7
    case lockedMemory = 8
    case signals = 11
    case messageQueues = 12
    case nice = 13
    case realTime = 14
}
