// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

extension Box {
    /// No capability in any set, the bounding set included: none comes back by executing a file.
    func dropCapabilities() throws(BoxFailure) {
        var capability: UInt = 0
        while cbox_prctl(PR_CAPBSET_DROP, capability, 0) == 0 { capability += 1 }
        guard capability > 0, errno == EINVAL else { throw BoxFailure(.capabilities) }
        try BoxStep.capabilities.take { cbox_prctl(PR_CAP_AMBIENT, UInt(PR_CAP_AMBIENT_CLEAR_ALL), 0) }
        try BoxStep.capabilities.take { cbox_drop_capabilities() }
    }

    /// The one mapped user, and nothing that could be gained by a set-user-id file.
    func takeCredentials() throws(BoxFailure) {
        umask(0o022)
        try BoxStep.credentials.take { cbox_set_ids(Self.userID, Self.userID) }
        try BoxStep.credentials.take { cbox_prctl(PR_SET_NO_NEW_PRIVS, 1, 0) }
    }
}
