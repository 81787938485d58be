// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto

/// What a session is refreshed with, once:
///
///     ghr_ 26 characters of the session's id _ generation _ 43 characters
///
/// The last part is HMAC-SHA-256 over id, generation and the session's seed, under a key of the keyring. So nothing has to be
/// kept of a token but the number of the valid one; a token that was used up is known from one that somebody made up, who
/// could otherwise end other people's sessions; and neither control.db nor the keyring alone makes one.
struct RefreshToken: Sendable {
    static let prefix = "ghr_"
    static let bytesMax = 96

    let session: SessionID
    let generation: Int
    private let code: [UInt8]

    /// The token of a session for a generation.
    init(_ session: SessionRecord, generation: Int, under key: HMACSHA256) {
        self.session = session.id
        self.generation = generation
        code = Self.code(session.id, generation, session.seed, key)
    }

    /// A text that looks like one; whether it is, `isGenuine` says.
    init?(_ text: String) {
        guard text.utf8.count <= Self.bytesMax, text.hasPrefix(Self.prefix) else { return nil }
        let parts = text.dropFirst(Self.prefix.count).split(
            separator: "_", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.count == 26, (1...10).contains(parts[1].utf8.count),
            parts[1].utf8.allSatisfy(\.isASCIIDigit), let generation = Int(parts[1]),
            let code = Base64.decode(parts[2], alphabet: .url, isPadded: false), code.count == Digest.byteCount
        else { return nil }
        session = SessionID("ses_\(parts[0])")
        self.generation = generation
        self.code = code
    }

    var text: String {
        let code = Base64.encode(code, alphabet: .url, isPadded: false)
        return "\(Self.prefix)\(session.text.dropFirst(4))_\(generation)_\(code)"
    }

    /// Whether this house made it for that session; in constant time.
    func isGenuine(of session: SessionRecord, under key: HMACSHA256) -> Bool {
        constantTimeEquals(code.span, Self.code(session.id, generation, session.seed, key).span)
    }

    private static func code(_ id: SessionID, _ generation: Int, _ seed: [UInt8], _ key: HMACSHA256) -> [UInt8] {
        key.code(of: Array("refresh \(id.text) \(generation) ".utf8) + seed).bytes
    }
}
