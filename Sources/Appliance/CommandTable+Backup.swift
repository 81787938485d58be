// SPDX-License-Identifier: Apache-2.0

import Arguments

/// The commands of `gatehouse backup`.
let backupCommands = [
    Command(
        "backup create", "copy everything to the place of backups, while the server serves",
        explanation: """
            Tenants' files and control.db go, sealed as they are, to a new directory below `[store] backup`; the keys go to \
            `keys` there, in the place of those that are there. So a copy of before a deletion is opened with keys of after \
            it, and does not bring back what was deleted. Whoever copies the directory elsewhere must keep no older `keys` \
            there, and keep the root key apart from both. Where no server runs, the store is opened here.
            """,
        options: [jsonOption], examples: ["gatehouse backup create"]),
    Command(
        "backup list", "list the backups there are",
        options: [CommandOption("from", .file, "another directory of backups"), jsonOption],
        examples: ["gatehouse backup list"]),
    Command(
        "backup restore", "put a backup into an empty data directory",
        explanation: """
            The server must not run, and `data` must be empty or missing: nothing is ever overwritten. Every file is compared \
            with what was written, and read through with the keys. What was deleted after the backup stays deleted; what \
            was stored, changed, withdrawn or revoked after it is as it was before: look through API keys and consents.
            """,
        operands: [CommandOperand("name", "which one; else the newest", isOptional: true)],
        options: [CommandOption("from", .file, "another directory of backups"), jsonOption],
        examples: ["gatehouse backup restore", "gatehouse backup restore 20261121T084000Z --from /mnt/backup"]),
]
