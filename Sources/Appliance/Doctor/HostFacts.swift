// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Platform

/// What the doctor asks the host, and what it makes of the answers. The answers are values, so that a test can give others.
struct HostFacts {
    /// `uname -r`.
    var kernel = ""
    /// How many user namespaces one user may make; nil where the kernel does not say.
    var userNamespacesMax: Int?
    /// Whether a service keeps the clock right; nil where nobody says.
    var isClockSynchronized: Bool?
    var time = WallTime.now()
    /// Whether the kernel's generator of random numbers is seeded.
    var hasEntropy = true
    var descriptorsMax = 0
    /// Of the file system with the data directory.
    var bytesFree: Int?
    var bytesTotal: Int?
    var filesFree: Int?
    /// Whether memory may be written to a disk.
    var hasSwap = false

    // What the configuration asks for.
    var connectionsMax = 0
    var wantsSandbox = false

    /// mount_setattr(2), by which boxes are made read-only, came with it.
    static let kernelMin = (5, 12)
    /// Nobody had this program before.
    static let timeMin = WallTime(seconds: 1_767_225_600)
    private static let mebibyte = 1 << 20

    var findings: [Finding] {
        [kernelFinding, entropyFinding, clockFinding, descriptorFinding, diskFinding, swapFinding]
            + (wantsSandbox ? [namespaceFinding] : [])
    }

    private var kernelFinding: Finding {
        let numbers = kernel.split(whereSeparator: { !$0.isWholeNumber }).prefix(2).compactMap { Int($0) }
        guard numbers.count == 2 else {
            return Finding(
                "host.kernel", .warning, "the kernel calls itself \(kernel)", mend: "use Linux 5.12 or newer")
        }
        guard (numbers[0], numbers[1]) >= Self.kernelMin else {
            return Finding(
                "host.kernel", wantsSandbox ? .fault : .warning,
                "Linux \(kernel) is older than 5.12, which the sandbox needs", mend: "install a newer kernel")
        }
        return Finding("host.kernel", "Linux \(kernel)")
    }

    private var entropyFinding: Finding {
        hasEntropy
            ? Finding("host.entropy", "the kernel's random numbers are seeded")
            : Finding(
                "host.entropy", .fault, "the kernel's random numbers are not seeded yet, so that keys wait for them",
                mend: "give the machine a source: a virtio-rng device, or the package rng-tools")
    }

    private var clockFinding: Finding {
        guard time >= Self.timeMin else {
            return Finding(
                "host.clock", .fault, "the clock stands at \(time.rfc3339), before this program was made",
                mend: "set it: timedatectl set-ntp true")
        }
        switch isClockSynchronized {
        case true?: return Finding("host.clock", "the clock is kept right by a service")
        case false?:
            return Finding(
                "host.clock", .warning,
                "nothing keeps the clock right; certificates, codes of authenticators and budgets go by it",
                mend: "timedatectl set-ntp true, or install chrony")
        case nil:
            return Finding("host.clock", .note, "this system does not say whether its clock is kept right", mend: nil)
        }
    }

    /// A connection to a client, one to a provider, and what the house itself has open.
    private var descriptorsWanted: Int { 2 * connectionsMax + 512 }

    private var descriptorFinding: Finding {
        descriptorsMax >= descriptorsWanted
            ? Finding("host.descriptors", "\(descriptorsMax) descriptors")
            : Finding(
                "host.descriptors", .note,
                "\(descriptorsMax) descriptors are less than [http] connections_max = \(connectionsMax) may take (\(descriptorsWanted))",
                mend: "LimitNOFILE=\(descriptorsWanted) in the unit, or a smaller connections_max")
    }

    private var diskFinding: Finding {
        guard let bytesFree, let bytesTotal, let filesFree else {
            return Finding(
                "host.disk", .warning, "the file system with the data directory cannot be asked",
                mend: "see whether [data] exists and may be entered")
        }
        let text = "\(bytesFree / Self.mebibyte) MiB free of \(bytesTotal / Self.mebibyte)"
        let mend =
            "make room, or move the data directory to a larger disk; without room for its records nothing is served"
        if bytesFree < 256 * Self.mebibyte { return Finding("host.disk", .fault, text, mend: mend) }
        if bytesFree < 2048 * Self.mebibyte { return Finding("host.disk", .warning, text, mend: mend) }
        // Some file systems have no table of files, and say 0.
        if (1..<1000).contains(filesFree) {
            return Finding("host.disk", .warning, "only \(filesFree) more files fit on the disk", mend: mend)
        }
        return Finding("host.disk", text)
    }

    private var swapFinding: Finding {
        hasSwap
            ? Finding(
                "host.swap", .note, "memory may be written to a disk, with the keys and prompts that are in it",
                mend: "encrypt the swap, or turn it off: swapoff -a")
            : Finding("host.swap", "nothing of memory is written to a disk")
    }

    private var namespaceFinding: Finding {
        guard let userNamespacesMax else {
            return Finding(
                "host.namespaces", .warning, "this kernel does not say how many namespaces one may make", mend: nil)
        }
        return userNamespacesMax > 0
            ? Finding("host.namespaces", "user namespaces may be made")
            : Finding(
                "host.namespaces", .fault, "user namespaces are turned off, and boxes are made of them",
                mend: "sysctl user.max_user_namespaces=16384")
    }
}

extension HostFacts {
    /// Asks this host.
    init(dataDirectory: String) {
        var name = utsname()
        // SAFETY: the structure lives through the call, and its texts are terminated.
        if unsafe uname(&name) == 0 {
            kernel = unsafe withUnsafeBytes(of: name.release) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
        }
        userNamespacesMax = Self.number("/proc/sys/user/max_user_namespaces")
        isClockSynchronized = Self.clock
        hasEntropy = Self.isSeeded
        var limit = rlimit()
        // SAFETY: the structure lives through the call.
        if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            // The server raises its own limit to the most it may have.
            descriptorsMax = Int(clamping: limit.rlim_max)
        }
        var status = statvfs()
        if unsafe statvfs(Self.existing(dataDirectory), &status) == 0 {
            bytesFree = Int(clamping: UInt64(status.f_bavail) &* UInt64(status.f_frsize))
            bytesTotal = Int(clamping: UInt64(status.f_blocks) &* UInt64(status.f_frsize))
            filesFree = Int(clamping: UInt64(status.f_favail))
        }
        let swaps = (try? AtomicFile.read(path: "/proc/swaps", bytesMax: 64 << 10)) ?? []
        hasSwap = swaps.count { $0 == UInt8(ascii: "\n") } > 1
    }

    /// The path, or the next folder above it that is there.
    private static func existing(_ path: String) -> String {
        var path = path
        while !path.isEmpty, path != "/", unsafe access(path, F_OK) != 0 {
            path = path.contains("/") ? String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) : "."
            if path == "." { return path }
        }
        return path.isEmpty ? "/" : path
    }

    private static func number(_ path: String) -> Int? {
        guard let bytes = try? AtomicFile.read(path: path, bytesMax: 64) else { return nil }
        return Int(String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first ?? "")
    }

    /// What the kernel was told by whoever adjusts the clock (adjtimex(2)).
    private static var clock: Bool? {
        let answer = clinux_clock_is_synchronized()
        return answer < 0 ? nil : answer == 1
    }

    /// Until the generator is seeded, this device has nothing to read (random(4)).
    private static var isSeeded: Bool {
        guard let raw = try? Errno.check({ unsafe open("/dev/random", O_RDONLY | O_NONBLOCK | O_CLOEXEC) }) else {
            return false
        }
        let device = FileDescriptor(owning: raw)
        var byte: UInt8 = 0
        // SAFETY: one byte.
        return unsafe read(device.rawValue, &byte, 1) == 1
    }
}
