// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

extension Box {
    /// Gives the writable places the size that this run may have.
    func sizePlaces() throws(BoxFailure) {
        let options = "size=\(order.limits.diskBytes),nr_inodes=\(order.limits.inodes)"
        let flags = CBOX_REMOUNT | EmptyBox.placeFlags
        try BoxStep.root.take { unsafe cbox_mount(nil, Self.workspace, nil, flags, options) }
    }
}

extension EmptyBox {
    fileprivate static let placeFlags = CBOX_NOSUID | CBOX_NODEV

    /// The writable places: one tmpfs for `/tmp`, `/work` and `/dev/shm`, so that its size and its number of files bound all
    /// of them together. There is room for nothing in it until a run says how much it may have.
    func makePlaces() throws(BoxFailure) {
        let options = "size=4k,nr_inodes=8,mode=0755"
        try BoxStep.root.take { unsafe cbox_mount("tmpfs", "/tmp", "tmpfs", Self.placeFlags, options) }
        for (name, place) in [("work", "/work"), ("shm", "/dev/shm"), ("tmp", "/tmp")] {
            try BoxStep.root.take { unsafe mkdir("/tmp/\(name)", 0o700) }
            try BoxStep.root.take { unsafe cbox_mount("/tmp/\(name)", place, nil, CBOX_BIND, nil) }
        }
    }

    /// Files of `/proc` that tell of the host, or act on it. What is not there on this kernel is passed over.
    private static let masked = [
        "kcore", "keys", "key-users", "kmsg", "kallsyms", "modules", "timer_list", "sched_debug", "latency_stats",
        "sysrq-trigger", "config.gz", "cmdline", "kpagecount", "kpageflags", "kpagecgroup", "vmallocinfo", "slabinfo",
        "buddyinfo", "pagetypeinfo", "zoneinfo", "iomem", "ioports", "interrupts", "softirqs", "swaps", "diskstats",
        "partitions", "consoles", "cgroups",
    ]
    private static let maskedFolders = ["acpi", "bus", "driver", "fs", "irq", "scsi", "tty", "sysvipc", "asound"]

    /// A `/proc` of this box's own processes. Before the writable places, under which the empty file is.
    func makeProcesses() throws(BoxFailure) {
        let flags = CBOX_NOSUID | CBOX_NODEV | CBOX_NOEXEC
        guard layers.contains(.processes) else { return }
        try BoxStep.processes.take { unsafe cbox_mount("proc", "/proc", "proc", flags, "hidepid=2") }
        // Who may read these is decided by user ids that a box does not have; the masks are for a kernel that forgets to ask.
        // By a file that is empty and on a read-only mount: /dev/null would take what is written to sysrq-trigger, and say so.
        for name in Self.masked { try mask("/proc/\(name)", with: KeeperRoot.emptyFile) }
        for name in Self.maskedFolders { try mask("/proc/\(name)", with: KeeperRoot.emptyFolder) }
        try BoxStep.processes.take { unsafe cbox_mount("/proc/sys", "/proc/sys", nil, CBOX_BIND, nil) }
        try BoxStep.processes.take { unsafe cbox_restrict_mount("/proc/sys", 0, UInt64(CBOX_ATTR_READ_ONLY)) }
    }

    private func mask(_ path: String, with other: String) throws(BoxFailure) {
        guard unsafe cbox_mount(other, path, nil, CBOX_BIND, nil) != 0 else { return }
        let cause = Errno.last
        guard cause == .noSuchFile || cause == .notDirectory else { throw BoxFailure(.processes, cause) }
    }
}
