// SPDX-License-Identifier: Apache-2.0

import Bytes
import TOML

/// Where a secret is. The configuration never has the secret itself: the file is copied, mailed and committed.
package enum SecretReference: Hashable, Sendable {
    /// `env:NAME`, a variable of the environment.
    case environment(String)
    /// `file:/path`, a file with the secret and nothing else.
    case file(String)
    /// `credential:name`, a credential that systemd hands to the service (systemd.exec(5)).
    case credential(String)
    /// `keyring:name`, an entry of the appliance's own keyring.
    case keyring(String)

    /// Reads a reference; nil for anything else.
    package init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let name = String(text[text.index(after: colon)...])
        switch text[..<colon] {
        case "env":
            guard Self.isVariable(name) else { return nil }
            self = .environment(name)
        case "file":
            // Relative to the working directory, if it does not begin with a slash.
            guard (1...4095).contains(name.utf8.count), name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                return nil
            }
            self = .file(name)
        case "credential":
            guard Self.isName(name) else { return nil }
            self = .credential(name)
        case "keyring":
            guard Self.isName(name) else { return nil }
            self = .keyring(name)
        default: return nil
        }
    }

    private static func isVariable(_ name: String) -> Bool {
        guard let first = name.utf8.first, !first.isASCIIDigit, name.utf8.count <= 128 else { return false }
        return name.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "_") }
    }

    /// A file name that leads nowhere else.
    private static func isName(_ name: String) -> Bool {
        guard (1...128).contains(name.utf8.count), !name.hasPrefix(".") else { return false }
        return name.utf8.allSatisfy { byte in
            byte.isASCIILetter || byte.isASCIIDigit || "._-".utf8.contains(byte)
        }
    }
}

extension SecretReference: CustomStringConvertible {
    /// As the configuration writes it.
    package var description: String {
        switch self {
        case .environment(let name): "env:\(name)"
        case .file(let path): "file:\(path)"
        case .credential(let name): "credential:\(name)"
        case .keyring(let name): "keyring:\(name)"
        }
    }
}

extension ValueKind where Value == SecretReference {
    /// A reference to a secret. Anything else may be the secret, and is neither repeated nor shown.
    package static var secret: ValueKind {
        ValueKind("secret reference", range: "env:NAME, file:/path, credential:name or keyring:name") {
            value throws(Complaint) in
            let hint = "write \"env:NAME\", \"file:/path\", \"credential:name\" or \"keyring:name\""
            guard let text = value.string, let reference = SecretReference(text) else {
                let isKnown = ["env:", "file:", "credential:", "keyring:"].contains {
                    value.string?.hasPrefix($0) ?? false
                }
                throw Complaint(
                    isKnown
                        ? "must have a well-formed name behind the colon"
                        : "must say where the secret is, and not be the secret itself",
                    hint: isKnown ? hint : "\(hint); a secret that stood in a file should be replaced",
                    hidesValue: true)
            }
            return reference
        } write: {
            quoted($0.description)
        }
    }
}
