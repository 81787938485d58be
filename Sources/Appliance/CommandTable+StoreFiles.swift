// SPDX-License-Identifier: Apache-2.0

import Arguments

/// The commands of `gatehouse store` that look at files.
let storeFileCommands = [
    Command(
        "store verify", "read every page of every database file, and compare tables with indexes",
        explanation: """
            A running server does it beside its work. Where none runs, the store is opened here, with the root key that the \
            configuration names.
            """,
        options: [jsonOption], examples: ["gatehouse store verify"]),
    Command(
        "store inventory", "list what is stored, column by column, how it is sealed and how long it is kept",
        options: [jsonOption], examples: ["gatehouse store inventory"]),
]
