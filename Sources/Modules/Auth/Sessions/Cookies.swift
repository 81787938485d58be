// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP

/// Cookies, of which this house sets two (RFC 6265).
enum Cookies {
    /// Longer fields are passed over.
    private static let bytesMax = 8192

    /// The value of the one cookie of this name; nil where there is none, or where there are two: which of them another reader
    /// would take is not known.
    static func value(_ name: String, in fields: Fields) -> String? {
        var found: String?
        for line in fields.all("cookie") where line.utf8.count <= bytesMax {
            for pair in line.split(separator: ";") {
                let pair = pair.drop { $0 == " " }
                guard pair.hasPrefix(name), pair.dropFirst(name.count).first == "=" else { continue }
                guard found == nil else { return nil }
                found = String(pair.dropFirst(name.count + 1))
            }
        }
        return found
    }

    /// A cookie that no script reads, that goes over TLS to this host alone, and with no request that another site began.
    ///
    /// - Parameter maxAge: in seconds; 0 takes it away.
    static func set(_ name: String, _ value: String, maxAge: Int) -> String {
        "\(name)=\(value); Path=/; Max-Age=\(maxAge); Secure; HttpOnly; SameSite=Strict"
    }
}
