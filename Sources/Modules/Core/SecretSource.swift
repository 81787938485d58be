// SPDX-License-Identifier: Apache-2.0

package import Platform

/// Secrets that people set and modules use: the keys of providers. No route and no command gives one back. Played by Store.
///
/// All of it blocks, and works only after Store has started.
package protocol SecretSource: Sendable {
    /// The value set under a name; `nil` where there is none.
    func secret(named name: String) throws(StartFailure) -> SecretBytes?

    /// What may be shown of it; `nil` where there is none.
    func description(ofSecret name: String) throws(StartFailure) -> SecretDescription?

    /// Runs `body` with the name after a secret was set or removed, on a thread that may block, before whoever did it hears
    /// of it. Modules say so when they start.
    func onSecretChange(_ body: @escaping @Sendable (String) -> Void)
}

/// What is shown of a secret: everything but its value.
package struct SecretDescription: Sendable, Equatable {
    package let name: String
    /// Counts the settings under this name, from 1.
    package let generation: Int
    package let setAt: WallTime

    package init(name: String, generation: Int, setAt: WallTime) {
        self.name = name
        self.generation = generation
        self.setAt = setAt
    }
}
