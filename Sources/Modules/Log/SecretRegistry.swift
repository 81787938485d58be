// SPDX-License-Identifier: Apache-2.0

import Bytes
package import Platform
import Synchronization

/// The secrets this process holds and never shows: not in a log line, not in an answer. Shared by all threads.
///
/// Secrets only come. One that was rotated away stays, since an upstream may still echo it; one that comes again, as all do
/// with each reload of the configuration, takes no further place.
package final class SecretRegistry: Sendable {
    /// Secrets in one registry.
    package static let secretsMax = 1024

    private struct State {
        var secrets: [SecretBytes] = []
        var needles = SecretNeedles([])
    }

    // Guards the list and the tables made of it; held for a copy of a reference, or while a secret is added.
    private let state = Mutex(State())

    package init() {}

    /// Adds a secret. False where it cannot be looked for: shorter than `SecretNeedles.secretBytesMin` (it would stand in
    /// ordinary text, which must not be mangled), longer than `secretBytesMax`, or the registry is full.
    @discardableResult
    package func register(_ secret: SecretBytes) -> Bool {
        guard (SecretNeedles.secretBytesMin...SecretNeedles.secretBytesMax).contains(secret.count) else { return false }
        return state.withLock { state in
            // How long that takes tells nobody anything: all of them are the house's own.
            guard !state.secrets.contains(where: { $0.holdsSameBytes(as: secret) }) else { return true }
            guard state.secrets.count < SecretRegistry.secretsMax else { return false }
            state.secrets.append(secret)
            state.needles = SecretNeedles(state.secrets)
            return true
        }
    }

    /// Says that this is the registry of the process: neither it nor what it looks for is counted any more. With a secret that
    /// comes later there are other tables, which are counted as ever, and these stay behind, once in the life of a process.
    package func isForever() {
        Immortal.keep(self)
        Immortal.keep(needles)
    }

    /// What to look for, as of now.
    package var needles: SecretNeedles { state.withLock { $0.needles } }

    /// A scrubber for one stream, for the secrets known as of now.
    package func scrubber() -> SecretScrubber { SecretScrubber(needles) }

    /// `text` without secrets.
    package func scrubbed(_ text: String) -> String { needles.scrubbed(text) }

    /// `bytes` without secrets.
    package func scrubbed(_ bytes: [UInt8]) -> [UInt8] { needles.scrubbed(bytes) }
}

extension SecretBytes {
    fileprivate func holdsSameBytes(as other: SecretBytes) -> Bool {
        withBytes { bytes in other.withBytes { bytes.equals($0) } }
    }
}
