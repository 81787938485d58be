// SPDX-License-Identifier: Apache-2.0

import Core

/// What a password must be: long. Kinds of characters are not asked for (NIST SP 800-63B §3.1.1.2): they make passwords hard
/// to remember and no harder to guess.
struct PasswordRule: Sendable {
    /// Characters, at least.
    let charactersMin: Int
    /// Longer ones are refused unread.
    static let bytesMax = 1024

    /// - Throws: `invalid_parameter`.
    func check(_ password: String, of email: EmailAddress?) throws(Failure) {
        guard password.utf8.count <= Self.bytesMax else { throw refusal("must have at most \(Self.bytesMax) bytes") }
        guard password.count >= charactersMin else { throw refusal("must have at least \(charactersMin) characters") }
        guard Set(password).count >= 4 else { throw refusal("must not be one character over and over") }
        guard let email else { return }
        let (folded, own) = (EmailAddress.fold(password), email.text)
        let name = String(own.prefix { $0 != "@" })
        guard folded != own, name.count < 4 || !folded.hasPrefix(name) || folded.count - name.count >= 8 else {
            throw refusal("must not be your address")
        }
    }

    private func refusal(_ message: String) -> Failure {
        Failure(.invalidParameter, message, param: "password")
    }
}
