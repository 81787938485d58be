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
                    ColumnNote("kind", "secret, or publishable in a page", .configuration),
                    ColumnNote("nodes", "the nodes it may use", .configuration),
                    ColumnNote("origins", "the pages it may be used from", .configuration),
                    ColumnNote("addresses", "the addresses it may be used from", .configuration),
                    ColumnNote("limits", "how much it may ask for", .configuration),
                    ColumnNote("metadata", "what whoever made it wrote beside it", .configuration),
                    ColumnNote("created_by", "who made it"),
                    ColumnNote("blocked_at", "since when it opens nothing, for now"),
                    ColumnNote("rotated_at", "when it was last rotated"),
                    ColumnNote("former_prefix", "the prefix before that, while the old key works", .key),
                    ColumnNote("former_digest", "the digest before that, while the old key works", .key, .digest),
                    ColumnNote("former_generation", "the pepper before that"),
                    ColumnNote("former_until", "until when the old key works"),
                    ColumnNote("exposed_at", "when it was seen where others can read it"),
                    ColumnNote("exposure", "where that was"),
                    ColumnNote("revoked_for", "why it was revoked"),
                    ColumnNote("version", "the count of its changes"),
                ])
        ])
}
