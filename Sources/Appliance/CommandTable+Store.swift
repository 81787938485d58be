// SPDX-License-Identifier: Apache-2.0

import Arguments

/// The commands of `gatehouse store`.
let storeCommands = [
    Command(
        "store status", "show keys, epochs, erasures, and work on keys under way", options: [jsonOption],
        examples: ["gatehouse store status", "gatehouse store status --json"]),
    Command(
        "store rotate", "renew keys while the server serves",
        explanation: """
            epoch: what was erased before cannot be read any more, from any earlier copy of the files. master: a new master \
            key, sealed in every slot; passphrases that are not in a file are asked for, and each recovery key is replaced \
            by a new one, which is printed. tenant: a tenant's own key, and with it the wrapping of all its objects' keys. \
            keyring: the pages of keyring.db. pages: those of control.db and of every tenant's file, or of one tenant's. \
            objects: the key of each thread, file and node, with all content sealed anew, of every tenant or of one. \
            Backups from before pages or objects do not open: make a new one.
            """,
        operands: [
            CommandOperand("what", "epoch, master, tenant, keyring, pages or objects"),
            CommandOperand("tenant", "the tenant's id: ten_…", isOptional: true),
        ],
        options: [
            CommandOption(
                "key-file", .file, "a key file of a slot that [store] unlock does not name", isRepeatable: true),
            jsonOption,
        ],
        examples: [
            "gatehouse store rotate epoch", "gatehouse store rotate master",
            "gatehouse store rotate tenant ten_01JD0000000000000000000000", "gatehouse store rotate pages",
        ]),
    Command(
        "store slots", "list the ways to unlock the store, add one, change one, remove one",
        explanation: """
            A slot seals the master key for one secret: a key file, a passphrase, or a recovery key that is made and printed \
            once. Changing slots re-encrypts nothing.
            """,
        operands: [
            CommandOperand("action", "add, change or remove; none lists them", isOptional: true)
        ],
        options: [
            CommandOption("slot", .integer(1...1_000_000), "the slot to change or remove"),
            CommandOption("key-file", .file, "32 bytes, or their 64 hexadecimal digits"),
            CommandOption(flag: "passphrase", "asked for here, twice"),
            CommandOption(flag: "recovery", "a new recovery key, printed once"),
            CommandOption("name", .text("NAME"), "what people call the slot"), yesOption, jsonOption,
        ],
        examples: [
            "gatehouse store slots", "gatehouse store slots add --recovery --name safe",
            "gatehouse store slots change --slot 1 --key-file /etc/gatehouse/root.key",
            "gatehouse store slots remove --slot 2 --yes",
        ]),
    Command(
        "store accept-restored", "take the files of a stopped server as they are, although some are older than others",
        explanation: """
            The server refuses to start where an older copy of one of its files was put back. This makes it start: what was \
            revoked, erased or changed since the older copy was made is undone, and nobody can say what that was.
            """,
        options: [CommandOption(flag: "yes", "do it")], examples: ["gatehouse store accept-restored --yes"]),
]

/// The commands of `gatehouse provider`.
let providerCommands = [
    Command(
        "provider list", "list providers, and where the key of each comes from", options: [jsonOption],
        examples: ["gatehouse provider list"]),
    Command(
        "provider set-key", "set or replace the key that keyring:NAME refers to; it is used at once",
        explanation: """
            The key is read from standard input, or asked for without showing it, and never from the command line, which every \
            user of the machine can read. It is sealed in the keyring and never given back.
            """,
        operands: [CommandOperand("name", "the name behind keyring: in the provider's `key`")], options: [jsonOption],
        examples: ["gatehouse provider set-key openai", "gatehouse provider set-key openai < key.txt"]),
    Command(
        "provider remove-key", "forget a key; its provider is not called until another one is set",
        operands: [CommandOperand("name", "the name behind keyring:")], options: [yesOption, jsonOption],
        examples: ["gatehouse provider remove-key openai --yes"]),
]
