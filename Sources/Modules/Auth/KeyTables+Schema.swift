// SPDX-License-Identifier: Apache-2.0

import Core

extension KeyTables {
    static let schema = Schema(
        .control, migrations,
        notes: [
            TableNote(
                "auth_keys", kept: "until its tenant is deleted, revoked keys too",
                [
                    ColumnNote("id", "the key's id"),
                    ColumnNote("tenant_id", "whose key it is"),
                    ColumnNote("name", "what people call it", .configuration),
                    ColumnNote("prefix", "the first 12 characters of the key, which are shown", .key),
                    ColumnNote("digest", "HMAC-SHA-256 of the key under the pepper", .key, .digest),
                    ColumnNote("pepper_generation", "which pepper"),
                    ColumnNote("scopes", "what it may do", .configuration),
                    ColumnNote("models", "the models it may name", .configuration),
                    ColumnNote("created_at", "when it was made"),
                    ColumnNote("expires_at", "when it ends", .configuration),
                    ColumnNote("revoked_at", "when it was revoked"),
                    ColumnNote("last_used_at", "when it was last used, some time behind"),
                ])
        ])
}
