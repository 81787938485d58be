// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

/// Who the keeper is: as root it becomes somebody who owns nothing, otherwise it stays who it is.
struct KeeperIdentity: Equatable {
    let userID: UInt32
    let groupID: UInt32
    /// Whether the process has to become it.
    let isChange: Bool

    /// The package's user; where there is none, an id that Debian's policy gives to nobody.
    static let name = "gatehouse-sandbox"
    static let fallback: UInt32 = 59_973

    static func choose() -> KeeperIdentity {
        guard geteuid() == 0 else { return KeeperIdentity(userID: geteuid(), groupID: getegid(), isChange: false) }
        if let entry = unsafe getpwnam(name), unsafe entry.pointee.pw_uid != 0 {
            return unsafe KeeperIdentity(
                userID: entry.pointee.pw_uid, groupID: entry.pointee.pw_gid, isChange: true)
        }
        return KeeperIdentity(userID: fallback, groupID: fallback, isChange: true)
    }

    /// Gives a control group to whoever the keeper becomes.
    func own(_ folder: CInt, parent: CInt, name: String) {
        guard isChange else { return }
        for one in [folder, parent] { fchown(one, userID, groupID) }
        unsafe _ = fchownat(parent, name, userID, groupID, 0)
        for file in ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
            unsafe _ = fchownat(folder, file, userID, groupID, 0)
        }
    }

    /// Becomes it, with no right left over, and then master of a user namespace in which it may mount.
    func take() throws(BoxFailure) {
        if isChange {
            try BoxStep.identities.take { cbox_drop_groups() }
            try BoxStep.identities.take { cbox_set_ids(userID, groupID) }
        }
        // A change of ids takes this back (prctl(2)), and /proc/self would belong to root.
        try BoxStep.identities.take { cbox_prctl(PR_SET_DUMPABLE, 1, 0) }
        try BoxStep.identities.take { cbox_prctl(PR_SET_NO_NEW_PRIVS, 1, 0) }
        let (user, group) = (userID, groupID)
        try BoxStep.identities.take { cbox_unshare(UInt(CBOX_NEW_USER | CBOX_NEW_MOUNT)) }
        try Box.writeMaps(inside: (user, group), outside: (user, group), .identities)
    }
}
