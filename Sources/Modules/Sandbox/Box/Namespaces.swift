// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

extension Box {
    /// The program's user and group inside, which `/etc/passwd` of the keeper's root knows as `user`.
    static let userID: UInt32 = 1000

    /// What a box is cloned with.
    static func namespaces(_ layers: BoxLayers) -> UInt {
        var flags = UInt(CBOX_NEW_USER | CBOX_NEW_MOUNT | CBOX_NEW_IPC | CBOX_NEW_UTS)
        if layers.contains(.processes) { flags |= UInt(CBOX_NEW_PID) }
        if layers.contains(.network) { flags |= UInt(CBOX_NEW_NET) }
        return flags
    }

    /// Maps this process's own user namespace (user_namespaces(7)): without setgroups, as the kernel demands of whoever has
    /// no right outside.
    static func writeMaps(
        inside: (UInt32, UInt32), outside: (UInt32, UInt32), _ step: BoxStep
    ) throws(BoxFailure) {
        try write("deny", to: "/proc/self/setgroups", step)
        try write("\(inside.0) \(outside.0) 1", to: "/proc/self/uid_map", step)
        try write("\(inside.1) \(outside.1) 1", to: "/proc/self/gid_map", step)
    }

    static func write(_ text: String, to path: String, _ step: BoxStep) throws(BoxFailure) {
        let file = FileDescriptor(owning: try step.take { unsafe open(path, O_WRONLY | O_CLOEXEC) })
        let bytes = Array(text.utf8)
        let number = file.rawValue
        try step.take { unsafe Glibc.write(number, bytes, bytes.count) }
    }
}

extension EmptyBox {
    /// One id inside, and the keeper's behind it: a program that breaks out is nobody.
    func enterIdentities() throws(BoxFailure) {
        try Box.writeMaps(inside: (Box.userID, Box.userID), outside: (ids.userID, ids.groupID), .identities)
        try BoxStep.identities.take { unsafe cbox_hostname("sandbox") }
    }

    /// `lo`, and nothing else: no other interface, and no route.
    func makeNetwork() throws(BoxFailure) {
        try BoxStep.network.take { cbox_loopback_up() }
    }
}
