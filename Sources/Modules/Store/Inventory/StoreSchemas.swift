// SPDX-License-Identifier: Apache-2.0

import Core

/// What the store itself keeps in the files of tenants and in `control.db`.
enum StoreSchemas {
    static let all = [keyring, control, tenant, mark(.control), mark(.tenant)]

    /// What shows that a file is not an older copy of itself.
    private static func mark(_ place: Schema.Place) -> Schema {
        Schema(
            place, FileMark.migrations,
            notes: [
                TableNote(
                    "mark", kept: "as long as the file",
                    [
                        ColumnNote("id", "always 1"),
                        ColumnNote("generation", "how often the file has been marked"),
                        ColumnNote("keyring", "the generation of the keyring at that time"),
                    ])
            ])
    }

    private static let control = Schema(
        .control, TenantTables.migrations,
        notes: [
            TableNote(
                "store_tenants", kept: "until the tenant is deleted",
                [
                    ColumnNote("id", "the tenant's id, which names its file"),
                    ColumnNote("name", "what people call it", .configuration),
                    ColumnNote("status", "making, active, suspended or deleting"),
                    ColumnNote("plan", "the plan it is on", .configuration),
                    ColumnNote("created_at", "when it was made"),
                ]),
            TableNote(
                "store_restores", kept: "as long as the file",
                [ColumnNote("restored_at", "when this file was put back from a backup")]),
            TableNote(
                "store_plans", kept: "as long as the appliance",
                [
                    ColumnNote("name", "what people call it", .configuration),
                    ColumnNote("bytes_max", "the most bytes of a tenant's file", .configuration),
                ]),
            TableNote(
                "store_plan_retention", kept: "as long as the plan says it",
                [
                    ColumnNote("plan", "whose cap it is", .configuration),
                    ColumnNote("class", "which class of data", .configuration),
                    ColumnNote("seconds", "how long it is kept at most; 0 for not at all", .configuration),
                ]),
        ])

    private static let tenant = Schema(
        .tenant, TenantFile.migrations,
        notes: [
            TableNote(
                "store_tenant", kept: "as long as the file", [ColumnNote("id", "whose file it is")]),
            TableNote(
                "store_retention", kept: "as long as the tenant wishes it",
                [
                    ColumnNote("class", "which class of data", .configuration),
                    ColumnNote("seconds", "how long the tenant wants it kept; 0 for not at all", .configuration),
                ]),
            TableNote(
                "store_outbox", kept: "until the keyring has done it: milliseconds, or the next opening after a crash",
                [ColumnNote("object", "the id of what is being erased")]),
        ])

    private static let keyring = Schema(.keyring, KeyringFile.migrations, notes: KeyringNotes.all)
}
