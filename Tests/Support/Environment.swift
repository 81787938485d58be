// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The environment of the test run.
package enum Environment {
    /// The value of a variable, or nil where it is not set.
    package static func variable(_ name: String) -> String? {
        // The environment does not change while tests run; the text is copied at once.
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}
