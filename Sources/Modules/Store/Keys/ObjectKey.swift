// SPDX-License-Identifier: Apache-2.0

import Platform

/// The content key of one erasable object, opened, in all its generations.
final class ObjectKey: Sendable {
    let newest: (generation: Int, key: SecretBytes)
    private let older: [Int: SecretBytes]

    /// A key of one generation, 32 bytes.
    convenience init(_ key: SecretBytes, generation: Int = 1) {
        self.init([(generation, key)])
    }

    /// Keys of 32 bytes in the order of their generations; at least one.
    init(_ keys: [(generation: Int, key: SecretBytes)]) {
        precondition(!keys.isEmpty)
        var keys = keys
        newest = keys.removeLast()
        older = Dictionary(uniqueKeysWithValues: keys.map { ($0.generation, $0.key) })
    }

    subscript(generation: Int) -> SecretBytes? {
        generation == newest.generation ? newest.key : older[generation]
    }
}
