// SPDX-License-Identifier: Apache-2.0

import Arguments

/// Everything `gatehouse` understands on its command line.
let commandTable = CommandTable(
    program: "gatehouse",
    summary: "a self-hosted gateway between your programs and language models",
    options: [
        CommandOption(
            "config", .file, "configuration file; else ./gatehouse.toml, else /etc/gatehouse/gatehouse.toml",
            letter: "c")
    ],
    commands: [
        Command(
            "serve", "run the server",
            explanation: """
                SIGTERM lets requests under way finish (up to [http] drain_timeout) and stops; a second one stops at once. \
                SIGHUP reads the configuration again and says what needs a restart.
                """,
            examples: ["gatehouse --config /etc/gatehouse/gatehouse.toml serve"]),
        Command(
            "dev", "run on this machine with a fresh key, and print lines to paste",
            explanation: """
                Without a configuration file an embedded one is used: the built-in model, a self-signed certificate, data in \
                ./data. The key it prints lives in memory and ends with the process.
                """,
            options: [CommandOption(flag: "print", "print the embedded configuration and do nothing")],
            examples: ["gatehouse dev", "gatehouse dev --print > gatehouse.toml"]),
        setupCommand,
        Command(
            "check", "read the configuration, say what is wrong, start nothing", examples: ["gatehouse check"]),
        Command(
            "doctor", "look at this host, the files and the server that runs, and say what to mend",
            explanation: """
                It changes nothing. Each finding has a code that stays, a reason and what to do. Exit code 0 where nothing is \
                worse than a note, 3 where something should be mended, 1 where something does not work or does not protect. \
                Call it as root or as the service's user: others may not look at what it looks at.
                """,
            options: [jsonOption], examples: ["gatehouse doctor", "gatehouse doctor --json"]),
        Command(
            "routes", "list every route and its guard; with --audit, try them all at the running server",
            explanation: """
                The audit asks each route without a credential, with false, expired and revoked ones, with the wrong scope, \
                the wrong kind and another tenant's, and once with the right one. It makes two empty tenants for that and \
                deletes them.
                """,
            options: [
                CommandOption(flag: "audit", "try every guard at the running server"),
                CommandOption("url", .text("URL"), "where the server is, for --audit"), jsonOption,
            ],
            examples: ["gatehouse routes --json", "gatehouse routes --audit"]),
        Command("version", "say which version this is"),
    ] + controlCommands + catalogCommands + keyCommands + operatorCommands + userCommands + passwordCommands
        + providerCommands + tenantCommands
        + planCommands + nodeCommands
        + usageCommands + limitCommands + storeCommands + storeFileCommands + backupCommands + auditCommands
        + sandboxCommands + shellCommands,
    examples: ["gatehouse dev", "gatehouse check", "gatehouse serve", "gatehouse key create --name laptop"])

let jsonOption = CommandOption(flag: "json", "print JSON instead of text for people")
