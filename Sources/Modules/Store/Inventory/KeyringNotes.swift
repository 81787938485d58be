// SPDX-License-Identifier: Apache-2.0

import Core

/// What is in the tables of the keyring. No backup with a history has any of it.
enum KeyringNotes {
    static let all = [meta, dataKeys, secrets, tenants, pageKeys, pageWrites, objects, tombstones, marks]

    private static let meta = TableNote(
        "keyring_meta", kept: "as long as the keyring",
        [
            ColumnNote("id", "always 1"),
            ColumnNote("keyring", "the keyring's random id"),
            ColumnNote("generation", "commits of this file"),
            ColumnNote("slots", "revision of the unlock slots that belong to it"),
            ColumnNote("master", "generation of the master key"),
            ColumnNote("epoch", "number of the epoch in force"),
            ColumnNote("epoch_commitment", "what tells its key from another", .key, .digest),
            ColumnNote("next_epoch", "the epoch a roll under way moves to"),
            ColumnNote("next_commitment", "the same of its key", .key, .digest),
            ColumnNote("rolled_at", "when the last roll was"),
            ColumnNote("erasures", "objects and tenants erased since then"),
        ])

    private static let dataKeys = TableNote(
        "keyring_data_keys", kept: "as long as something is under it",
        [
            ColumnNote("label", "what it is for: API keys, the pages of control.db, a segment of the audit log"),
            ColumnNote("generation", "which of them"),
            ColumnNote("wrapped", "the key", .key, .wrapped),
            ColumnNote("made_at", "when it was made"),
        ])

    private static let secrets = TableNote(
        "keyring_secrets", kept: "until it is removed or replaced",
        [
            ColumnNote("name", "what the configuration calls it", .configuration),
            ColumnNote("generation", "how often it was set"),
            ColumnNote("wrapped", "a provider's key or another secret", .key, .wrapped),
            ColumnNote("set_at", "when it was set"),
        ])

    private static let tenants = TableNote(
        "keyring_tenants", kept: "until the tenant is deleted",
        [
            ColumnNote("number", "the tenant's number in this file"),
            ColumnNote("id", "the tenant's id"),
            ColumnNote("file", "the random id of its database file"),
            ColumnNote("kek_generation", "generation of its key-encryption key"),
            ColumnNote("kek_epoch", "the epoch that wraps it"),
            ColumnNote("kek", "its key-encryption key", .key, .wrapped),
            ColumnNote("old_generation", "the same of the one before, while objects move"),
            ColumnNote("old_epoch", "the epoch that wraps that"),
            ColumnNote("old_kek", "the key-encryption key before", .key, .wrapped),
            ColumnNote("index_key", "the key of its digests", .key, .wrapped),
            ColumnNote("erasures", "objects erased since the key was made"),
            ColumnNote("made_at", "when it was made"),
        ])

    private static let pageKeys = TableNote(
        "keyring_page_keys", kept: "until no page is under it, at most until the tenant is deleted",
        [
            ColumnNote("tenant", "the tenant's number"),
            ColumnNote("generation", "which page key"),
            ColumnNote("wrapped", "the key of its pages", .key, .wrapped),
            ColumnNote("made_at", "when it was made"),
        ])

    private static let pageWrites = TableNote(
        "keyring_page_writes", kept: "as long as the file it is about",
        [
            ColumnNote("file", "a database file"),
            ColumnNote("generation", "which of its page keys"),
            ColumnNote("writes", "how many pages that key may have sealed"),
        ])

    private static let objects = TableNote(
        "keyring_objects", kept: "until the object is erased",
        [
            ColumnNote("tenant", "the tenant's number"),
            ColumnNote("id", "the object's id"),
            ColumnNote("generation", "which of its keys"),
            ColumnNote("kek", "generation of the key that wraps it"),
            ColumnNote("wrapped", "the key of its content", .key, .wrapped),
        ])

    private static let tombstones = TableNote(
        "keyring_tombstones", kept: "for good: a backup of any age may bring the object's rows back",
        [
            ColumnNote("digest", "of the id of what was erased", .metadata, .digest),
            ColumnNote("erased_at", "when"),
        ])

    private static let marks = TableNote(
        "keyring_marks", kept: "as long as the file it is about",
        [
            ColumnNote("file", "a file that must not be older than this"),
            ColumnNote("generation", "how often it has been marked"),
        ])
}
