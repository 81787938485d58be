// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import Platform

/// A one-time link: whoever has it may do one thing once, within its time. It is made by an operator or an administrator and
/// handed over by them; nothing is sent from here.
struct Ticket: Sendable {
    enum Kind: String, Sendable {
        /// Makes an operator of whoever has it, under an address of their choice: how the first one comes to be.
        case setup
        /// Sets the first password of somebody who was invited.
        case invitation
        /// Sets another password.
        case reset
    }

    let kind: Kind
    /// For whom; nobody yet where it sets up an operator.
    let user: UserID?
    let home: Home
    let createdAt: WallTime
    let expiresAt: WallTime

    /// How long each kind is good for.
    static func lifetime(_ kind: Kind) -> Duration {
        switch kind {
        case .setup, .reset: .seconds(3600)
        case .invitation: .seconds(3 * 86_400)
        }
    }
}

/// The secret of a ticket: `ghs_` and 43 characters, 32 random bytes in base 64 for URLs.
struct TicketToken: Sendable {
    static let prefix = "ghs_"
    private static let randomBytes = 32

    let text: String

    static func random() -> TicketToken {
        TicketToken(text: prefix + Base64.encode(Random.bytes(randomBytes), alphabet: .url, isPadded: false))
    }

    private init(text: String) { self.text = text }

    /// Nil for what cannot be one.
    init?(_ text: String) {
        guard text.utf8.count == 47, text.hasPrefix(Self.prefix),
            Base64.decode(text.dropFirst(Self.prefix.count), alphabet: .url, isPadded: false)?.count == Self.randomBytes
        else { return nil }
        self.text = text
    }

    /// What is kept of it.
    func digest(under key: HMACSHA256) -> Digest { key.code(of: text.utf8.span) }
}
