// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import JSON
import Platform
import Synchronization

/// The keys that sign access tokens: the newest signs, those before it verify until their last token has expired, then they
/// are destroyed. In the keyring, each under a label with its id, which is a ULID and so says when it was made.
final class SigningKeys: Sendable {
    private static let prefix = "session-signing/"
    /// Keys at once; beyond it the oldest goes, and its tokens with it.
    static let countMax = 8

    private let vault: any SecretVault
    private let issuer: String
    /// How long the newest key signs.
    private let period: Duration
    /// How long a token lives.
    let lifetime: Duration

    private struct State: Sendable {
        /// The oldest first.
        var keys: [AccessToken.Key] = []
        var byHeader: [String: AccessToken.Key] = [:]
    }

    // Guards the list; a key is taken out of it and used outside.
    private let state = Mutex(State())

    init(vault: any SecretVault, issuer: String, period: Duration, lifetime: Duration) {
        (self.vault, self.issuer, self.period, self.lifetime) = (vault, issuer, period, lifetime)
    }

    /// Reads the keys, makes one where none is young enough, and destroys those that nothing valid is signed with. Blocks: at
    /// start, and on the thread for upkeep.
    func renew(at now: WallTime, force: Bool = false) throws(DatabaseFailure) {
        var labels = try vault.keyLabels(prefix: Self.prefix)
        if force || labels.last.flatMap(Self.madeAt).map({ now - $0 >= period }) != false {
            let label = Self.prefix + ULID.make(prefix: "", at: now)
            _ = try vault.createKey(label: label)
            labels.append(label)
        }
        // The one behind a key says since when it has signed nothing.
        for (old, next) in zip(labels, labels.dropFirst()) {
            let isSpent = Self.madeAt(next).map { now - $0 > lifetime } ?? true
            if isSpent || labels.count > Self.countMax {
                try vault.destroyKey(label: old)
                labels.removeAll { $0 == old }
            }
        }
        var keys: [AccessToken.Key] = []
        for label in labels {
            guard let seed = try vault.key(label: label) else { continue }
            if let key = try? AccessToken.Key(id: String(label.dropFirst(Self.prefix.count)), seed: seed) {
                keys.append(key)
            }
        }
        let found = keys
        state.withLock { state in
            state.keys = found
            state.byHeader = Dictionary(found.map { ($0.header, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// A token for a session, from now on.
    func issue(_ session: SessionRecord, at now: WallTime) throws(Failure) -> (text: String, expiresAt: WallTime) {
        guard let key = state.withLock({ $0.keys.last }) else { throw Failure(.disabled, "auth is not started") }
        let token = AccessToken(
            user: session.user, session: session.id, issuedAt: now, expiresAt: min(now + lifetime, session.endsAt))
        do throws(CryptoError) {
            return (try token.text(key, issuer: issuer), token.expiresAt)
        } catch {
            throw Failure(.internal, "the token could not be signed", cause: "\(error)")
        }
    }

    func read(_ text: Span<UInt8>, at now: WallTime) throws(AccessToken.Defect) -> AccessToken {
        let keys = state.withLock { $0.byHeader }
        return try AccessToken(text, keys: keys, issuer: issuer, at: now)
    }

    /// The public keys (RFC 7517, RFC 8037 §2).
    var published: JSONValue {
        let keys = state.withLock { $0.keys }
        return [
            "keys": .array(
                keys.map { key in
                    [
                        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": .string(key.id),
                        "x": .string(Base64.encode(key.publicKey.bytes, alphabet: .url, isPadded: false)),
                    ]
                })
        ]
    }

    var ids: [String] { state.withLock { $0.keys.map(\.id) } }

    private static func madeAt(_ label: String) -> WallTime? {
        WallTime(ulid: String(label.dropFirst(prefix.count)))
    }
}

extension WallTime {
    /// The time within a ULID (its first ten characters, 48 bits of milliseconds).
    init?(ulid text: String) {
        guard ULID.isValid(text, prefix: "") else { return nil }
        let digits = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
        var milliseconds: Int64 = 0
        for byte in text.utf8.prefix(10) {
            guard let value = digits.firstIndex(of: byte) else { return nil }
            milliseconds = milliseconds << 5 | Int64(value)
        }
        self.init(milliseconds: milliseconds)
    }
}
