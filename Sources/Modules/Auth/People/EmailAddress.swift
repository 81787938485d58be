// SPDX-License-Identifier: Apache-2.0

import Bytes

/// An e-mail address, as the name by which somebody logs in. Nothing is sent to it. Small and capital ASCII letters are the
/// same, so that one person is one account.
struct EmailAddress: Hashable, Sendable {
    static let bytesMax = 254

    /// Folded.
    let text: String

    /// Something before and behind one `@`, printable, without blanks. What else an address may be (RFC 5321) only its
    /// server could say.
    init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard text.utf8.count <= Self.bytesMax, parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty,
            text.unicodeScalars.allSatisfy({ scalar in
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .surrogate, .unassigned:
                    false
                default: true
                }
            })
        else { return nil }
        self.text = Self.fold(text)
    }

    static func fold(_ text: String) -> String {
        String(decoding: text.utf8.map(\.asciiLowercased), as: UTF8.self)
    }
}

extension EmailAddress {
    /// An address that nobody has, since it is none: what a malformed one is treated as.
    static let nobody = EmailAddress(unchecked: "")

    private init(unchecked text: String) { self.text = text }
}
