// SPDX-License-Identifier: Apache-2.0
import CLinux

/// How many descriptors this process may have (getrlimit(2), RLIMIT_NOFILE).
package enum OpenFilesLimit {
    /// Raises the soft limit to the hard one, which is what a server wants: the soft one is mostly 1,024, for programs that
    /// call select(2).
    /// - Returns: the limit from now on.
    @discardableResult
    package static func raise() -> Int {
        Int(clinux_raise_open_files())
    }
}
