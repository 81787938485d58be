// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import HTTP
import JSON

extension Provider {
    /// A provider as its operator sees it: where its key is, and never the key.
    var json: JSONObject {
        let keyState = settings.key == nil ? "none" : waitsForKey ? "missing" : "set"
        return [
            "object": "provider",
            "name": .string(name),
            "kind": .string(kind.rawValue),
            "base_url": settings.base.map {
                .string("\($0.origin.isSecure ? "https" : "http")://\($0.origin.host):\($0.origin.port)\($0.path)")
            } ?? .null,
            "key": settings.key.map { .string($0.description) } ?? .null,
            "key_state": .string(keyState),
        ]
    }
}

extension SecretReference {
    /// The name of a secret in the keyring.
    var name: String? {
        if case .keyring(let name) = self { name } else { nil }
    }
}
