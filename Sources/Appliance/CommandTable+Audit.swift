// SPDX-License-Identifier: Apache-2.0

import Arguments

private let recordFilters = [
    CommandOption("tenant", .text("NAME"), "records of a tenant, by its name or id"),
    CommandOption("request", .text("ID"), "of a request: req_…"),
    CommandOption("key", .text("KEY"), "of an API key, by its id or prefix"),
    CommandOption("node", .text("ID"), "of a node"),
    CommandOption("actor", .text("WHO"), "by an actor: an id, \"uid 0\", or key, socket, house"),
    CommandOption("action", .text("ACTION"), "of an action: chat.completions.create, tenants.delete"),
    CommandOption("object", .text("ID"), "about an object; of what can be erased the log has digests only"),
    CommandOption("code", .text("CODE"), "with a code: rate_limit_exceeded"),
    CommandOption("since", .text("TIME"), "not older: 2026-11-21T08:40:00Z"),
    CommandOption("until", .text("TIME"), "not newer"),
]

private let verifierKey = CommandOption(
    "key", .text("KEY"), "the log's public key as it was noted elsewhere; else the one that lies beside the log")

/// The commands of `gatehouse audit`.
let auditCommands = [
    Command(
        "audit tail", "show the last records",
        options: [
            CommandOption("lines", .integer(1...1000), "how many (default: 20)", letter: "n"),
            CommandOption(flag: "follow", "go on with new ones as they come", letter: "f"),
        ] + recordFilters + [jsonOption],
        examples: ["gatehouse audit tail", "gatehouse audit tail -f --tenant acme"]),
    Command(
        "audit search", "find records, the newest first",
        explanation: """
            Asks the running server. Records are read backwards from the end of the log, so what lies far back takes its time: \
            --since shortens the way.
            """,
        options: recordFilters + [
            CommandOption("limit", .integer(1...100_000), "how many at most (default: 1000)"), jsonOption,
        ],
        examples: [
            "gatehouse audit search --request req_01JD0000000000000000000000",
            "gatehouse audit search --action tenants.delete --since 2026-11-01T00:00:00Z --json",
        ]),
    Command(
        "audit key", "print the public key that checks the log's checkpoints",
        explanation: "Note it somewhere else: with it, what `verify` and `prove` say does not depend on this machine.",
        examples: ["gatehouse audit key > gatehouse.pub"]),
    Command(
        "audit verify", "compare every record with the tree, and the tree with what was signed",
        explanation: """
            Needs no secret and no running server: copies of `audit/` can be verified anywhere. An edited, removed, inserted or \
            moved record is found by the last checkpoint beside the log. Of a log that was cut or put back as a whole only a \
            checkpoint that was kept elsewhere tells: the journal has them, and `[audit] checkpoint_copy`.
            """,
        options: [
            verifierKey,
            CommandOption("against", .file, "a checkpoint that was kept elsewhere", isRepeatable: true),
            CommandOption("directory", .file, "the directory that has `audit/` in it; else `data`"), jsonOption,
        ],
        examples: ["gatehouse audit verify", "gatehouse audit verify --against /mnt/witness/checkpoint"]),
    Command(
        "audit prove", "print the proof that a record stands in the log",
        explanation: """
            The record's hash, the hashes on the way to the root, and the signed checkpoint (RFC 9162 §2.1.3, signed note): \
            whoever has the public key can check it with a dozen lines and nothing of this server.
            """,
        operands: [CommandOperand("sequence", "the record's place, as `search` shows it")],
        options: [
            verifierKey, CommandOption("directory", .file, "the directory that has `audit/` in it; else `data`"),
        ],
        examples: ["gatehouse audit prove 41"]),
    Command(
        "audit fsck", "check the log's files without its key",
        explanation:
            "Whether segments follow one another and tiles hold their hashes; not whether that is what was signed.",
        options: [CommandOption("directory", .file, "the directory that has `audit/` in it; else `data`"), jsonOption],
        examples: ["gatehouse audit fsck"]),
    Command(
        "audit publish", "lay the tree out for a web server, as transparency logs are read",
        explanation: """
            Checkpoint and tiles (C2SP tlog-tiles, signed note) as files that never change but for the last ones: tools for such \
            logs can watch them. They hold hashes of sealed records and nothing of what stands there. Do it again at any time: \
            what is there is left as it is.
            """,
        operands: [CommandOperand("folder", "where to; made where there is none")],
        options: [
            verifierKey, CommandOption("directory", .file, "the directory that has `audit/` in it; else `data`"),
            jsonOption,
        ],
        examples: ["gatehouse audit publish /var/www/audit"]),
    Command(
        "audit export", "print every record as a line of JSON, the oldest first",
        explanation: "The server must not run: the store is opened here, with the root key.",
        examples: ["gatehouse audit export > records.jsonl"]),
    Command(
        "audit begin-anew", "begin a new log where the old one cannot be continued",
        explanation: """
            A server whose log was damaged, cut or put back does not start. When you know why, this moves `audit/` aside, where \
            it can still be verified, and lets the next start begin a new log. The server must not run.
            """,
        examples: ["gatehouse audit begin-anew"]),
]
