// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform

/// What a tenant last said about one scope, and when.
struct Consent: Sendable, Equatable {
    let scope: ConsentScope
    /// Which text was agreed to.
    let textVersion: String
    let grantedBy: String
    let grantedAt: WallTime
    /// Both or neither.
    var withdrawnBy: String?
    var withdrawnAt: WallTime?

    var isGranted: Bool { withdrawnAt == nil }

    /// The text that is agreed to today; a new one has a new version, and consents name the one they were given for.
    static let currentText = "2026-11"
    static let textVersionBytesMax = 32

    var json: JSONObject {
        [
            "scope": .string(scope.rawValue),
            "granted": .bool(isGranted),
            "text_version": .string(textVersion),
            "granted_by": .string(grantedBy),
            "granted_at": .string(grantedAt.rfc3339),
            "withdrawn_by": withdrawnBy.map(JSONValue.string) ?? .null,
            "withdrawn_at": withdrawnAt.map { .string($0.rfc3339) } ?? .null,
        ]
    }

    /// A scope about which nothing has been said.
    static func json(absent scope: ConsentScope) -> JSONObject {
        [
            "scope": .string(scope.rawValue), "granted": false, "text_version": .null, "granted_by": .null,
            "granted_at": .null, "withdrawn_by": .null, "withdrawn_at": .null,
        ]
    }
}
