// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc

/// The self-test: what a program would try first, tried from inside a real box, in the place of a program. Each is a line
/// `held NAME` or `broken NAME` on standard output; the gateway serves only where every one of them held.
enum Probes {
    /// The layers, each with what shows that it holds.
    static let all: [(name: String, holds: @Sendable () -> Bool)] = [
        ("network namespace", { !canReachAnybody }),
        ("process namespace", { getpid() != 1 && getppid() <= 1 && kill(1, 0) != 0 || processes <= 2 }),
        (
            "mount namespace",
            { unsafe access("/etc/shadow", F_OK) != 0 && access("/root", F_OK) != 0 && access("/var", F_OK) != 0 }
        ),
        (
            "read-only system",
            { !canWrite("/usr/gatehouse-probe") && !canWrite("/etc/gatehouse-probe") && !canWrite("/gatehouse-probe") }
        ),
        ("workspace", { canWrite("/work/.gatehouse-probe") && canWrite("/tmp/.gatehouse-probe") }),
        (
            "capabilities",
            { status("CapEff") == 0 && status("CapPrm") == 0 && status("CapBnd") == 0 && status("CapInh") == 0 }
        ),
        ("no new privileges", { status("NoNewPrivs") == 1 }),
        (
            "system call filter",
            { status("Seccomp") == 2 && isRefused(SYS_ptrace, 0) && isRefused(SYS_unshare, 0x1000_0000) }
        ),
        ("socket families", { socket(40, 1, 0) < 0 && socket(16, 3, 0) < 0 && socket(17, 3, 0) < 0 }),
        ("user namespaces", { cbox_call(Int(SYS_clone), 0x1000_0011, 0, 0, 0) < 0 }),
        ("descriptors", { (3..<64).allSatisfy { fcntl($0, F_GETFD) < 0 } }),
        ("first process", { unsafe open("/proc/1/environ", O_RDONLY) < 0 }),
        // Of a file that the program itself owns and that no mount protects: /proc is writable, and only Landlock says no. (A
        // file on a read-only mount shows nothing: the mount refuses before Landlock is asked.)
        (landlock, { !canOpenToWrite("/proc/self/comm") }),
        ("resource limits", { limit(.core) == 0 && limit(.descriptors) <= 4096 }),
        ("user", { getuid() == Box.userID && geteuid() == Box.userID && setuid(0) != 0 }),
    ]

    /// The probe that cannot hold where the kernel has no Landlock.
    static let landlock = "Landlock"

    /// Runs all of them, a line each.
    static func run() {
        for probe in all { say((probe.holds() ? "held " : "broken ") + probe.name + "\n") }
    }

    private static func say(_ line: String) {
        let bytes = Array(line.utf8)
        unsafe _ = write(1, bytes, bytes.count)
    }

    private static func canOpenToWrite(_ path: String) -> Bool {
        let file = unsafe open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        close(file)
        return true
    }

    private static func canWrite(_ path: String) -> Bool {
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        close(file)
        unsafe _ = unlink(path)
        return true
    }

    /// A number of `/proc/self/status`, in the base that it is written in.
    private static func status(_ name: String) -> UInt64? {
        for line in WholeFile.text("/proc/self/status").split(separator: "\n") where line.hasPrefix(name + ":") {
            let text = line.drop { $0 != ":" }.dropFirst().filter { $0 != "\t" && $0 != " " }
            return UInt64(text, radix: name.hasPrefix("Cap") ? 16 : 10)
        }
        return nil
    }

    private static var processes: Int { ProcessSum.now(ticksPerSecond: 100).count + 1 }

    private static func isRefused(_ number: CInt, _ argument: UInt) -> Bool {
        cbox_call(Int(number), argument, 0, 0, 0) < 0 && (errno == EPERM || errno == ENOSYS)
    }

    private static func limit(_ resource: BoxResource) -> UInt {
        var limits = rlimit()
        return unsafe getrlimit(resource.rawValue, &limits) == 0 ? UInt(limits.rlim_cur) : .max
    }

    /// Whether the namespace has another interface than `lo`.
    private static var canReachAnybody: Bool {
        WholeFile.text("/proc/net/dev").split(separator: "\n").dropFirst(2).contains { line in
            line.drop { $0 == " " }.prefix { $0 != ":" } != "lo"
        }
    }
}
