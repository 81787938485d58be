// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

/// Landlock (landlock(7)): a second fence around files, by the kernel's security hooks and not by mounts; and around
/// signals and abstract sockets where the kernel has that.
enum Landlock {
    /// The kernel's version of the interface; 0 where there is none.
    static var abi: Int { max(0, Int(cbox_landlock_abi())) }

    private static let read: UInt64 = 1 << 0 | 1 << 2 | 1 << 3
    private static let device: UInt64 = 1 << 1 | 1 << 2

    /// Every right that the version knows.
    static func rights(_ abi: Int) -> UInt64 {
        var rights: UInt64 = (1 << 13) - 1
        if abi >= 2 { rights |= UInt64(CBOX_LANDLOCK_REFER) }
        if abi >= 3 { rights |= UInt64(CBOX_LANDLOCK_TRUNCATE) }
        if abi >= 5 { rights |= UInt64(CBOX_LANDLOCK_IOCTL_DEV) }
        return rights
    }

    static func scopes(_ abi: Int) -> UInt64 {
        abi >= 6 ? UInt64(CBOX_LANDLOCK_SCOPE_ABSTRACT_SOCKET | CBOX_LANDLOCK_SCOPE_SIGNAL) : 0
    }

    /// Restricts this process for good: reading everywhere, writing in the writable places and to the harmless devices.
    static func restrict(_ abi: Int) throws(BoxFailure) {
        let all = rights(abi)
        let ruleset = FileDescriptor(
            owning: try BoxStep.landlock.take { cbox_landlock_ruleset(all, scopes(abi), CInt(abi)) })
        try allow("/", read, ruleset)
        // No devices, no sockets to be made elsewhere; a device or a socket file in a place of one's own does no harm.
        for place in ["/work", "/tmp", "/dev/shm"] { try allow(place, all, ruleset) }
        let harmless = device | all & UInt64(CBOX_LANDLOCK_TRUNCATE | CBOX_LANDLOCK_IOCTL_DEV)
        for name in KeeperRoot.devices { try allow("/dev/\(name)", harmless, ruleset) }
        let number = ruleset.rawValue
        try BoxStep.landlock.take { cbox_landlock_restrict(number) }
    }

    private static func allow(
        _ path: String, _ rights: UInt64, _ ruleset: borrowing FileDescriptor
    ) throws(BoxFailure) {
        // 0o10000000 is O_PATH, which stands behind _GNU_SOURCE.
        let place = FileDescriptor(owning: try BoxStep.landlock.take { unsafe open(path, 0o10000000 | O_CLOEXEC) })
        let (set, number) = (ruleset.rawValue, place.rawValue)
        try BoxStep.landlock.take { cbox_landlock_allow(set, number, rights) }
    }
}

extension Box {
    /// A kernel without Landlock has one layer less; `gatehouse sandbox check` says so.
    func restrictFiles() throws(BoxFailure) {
        let abi = Landlock.abi
        guard abi > 0 else { return }
        try Landlock.restrict(abi)
    }
}
