// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// The master key: random, on no disk in clear, sealed in each unlock slot. It opens nothing itself: every key that wraps
/// something is derived from it with a label of its own (HKDF-SHA256, RFC 5869).
final class MasterKey: Sendable {
    static let byteCount = 32

    /// Counts the master keys of this keyring, from 1.
    let generation: Int
    let bytes: SecretBytes
    /// Wraps the data keys in the keyring.
    let dataKeys: KeyWrap
    /// Wraps providers' keys and other secrets that people set.
    let secrets: KeyWrap
    /// Wraps the epoch's key in its file.
    let epochs: KeyWrap
    /// Authenticates the table of slots.
    let slots: HMACSHA256

    /// Holds on to 32 bytes.
    init(_ bytes: SecretBytes, generation: Int) {
        self.bytes = bytes
        self.generation = generation
        dataKeys = KeyWrap(Self.derive(bytes, "wrap/data-keys"))
        secrets = KeyWrap(Self.derive(bytes, "wrap/secrets"))
        epochs = KeyWrap(Self.derive(bytes, "wrap/epochs"))
        slots = HMACSHA256(key: Self.derive(bytes, "slots"))
    }

    static func random(generation: Int) -> MasterKey {
        MasterKey(SecretBytes(randomCount: byteCount), generation: generation)
    }

    /// The page key of `keyring.db` itself, the only one that is derived: it cannot lie in the file that it opens.
    func keyringPageKey(generation: Int) -> SecretBytes { Self.derive(bytes, "pages/keyring/\(generation)") }

    private static func derive(_ key: SecretBytes, _ label: String) -> SecretBytes {
        do {
            return try HKDFSHA256.derive(key: key, info: "gatehouse/v1/\(label)", count: 32)
        } catch {
            // The lengths are right; a library that cannot compute SHA-256 can do nothing here.
            fatalError("a key cannot be derived: \(error)")
        }
    }
}
