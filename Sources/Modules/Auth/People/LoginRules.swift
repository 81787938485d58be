// SPDX-License-Identifier: Apache-2.0

package import Crypto
import Platform

/// What log-ins are held to that is no setting: no file and no operator makes it weaker. A test composes a server with another
/// value, to show that its proof finds what is missing.
package struct LoginRules: Sendable {
    /// What a new password is hashed at.
    package var passwordCost = Scrypt.passwords
    /// The passwords that everybody tries first. Made once it is needed: some thirty thousand numbers.
    var commonPasswords: @Sendable () -> CommonPasswords = { CommonPasswords() }
    /// How often somebody may be wrong about an account from one place.
    var wrongTriesMax = LoginLimits.pair.countMax
    /// How many codes of a second factor may be wrong.
    var wrongCodesMax = LoginLimits.codes.countMax
    /// What a genuine refresh token comes to, and the step itself.
    var refreshStep: RefreshStep = { $0.refresh($1, idle: $2, at: $3) }

    typealias RefreshStep =
        @Sendable (
            _ session: inout SessionRecord, _ presented: Int, _ idle: Duration, _ now: WallTime
        ) -> SessionRecord.RefreshVerdict

    package init() {}
}
