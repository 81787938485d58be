// SPDX-License-Identifier: Apache-2.0

/// The models that clients can name. Played by Gateway.
package protocol ModelNames: Sendable {
    /// Whether there is a model of this name, or one that has it as an alias.
    func knows(model: String) -> Bool
}
