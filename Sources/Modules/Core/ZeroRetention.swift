// SPDX-License-Identifier: Apache-2.0

import Bytes
package import HTTP

extension RequestHead {
    /// Whether the request asks that nothing of it be kept (`x-zdr`, or its alias `x-interfaze-zdr`). It wins over every
    /// consent.
    ///
    /// Only an outspoken `false` means no: who sends the field at all, with whatever word for yes, must not find stored
    /// what was not to be.
    package var asksForZeroRetention: Bool {
        ["x-zdr", "x-interfaze-zdr"].contains { name in
            fields.all(name).contains { !["false", "0"].contains($0.asciiLowercased) }
        }
    }
}
