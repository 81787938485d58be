// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite
import Synchronization

/// What is stored, read from the modules' tables the first time that somebody asks: some milliseconds in memory.
final class StoredTables: Sendable {
    private let schemas: [Schema]
    private let tables = Mutex<[StoredTable]?>(nil)

    init(_ schemas: [Schema]) { self.schemas = schemas }

    var all: [StoredTable] {
        tables.withLock { tables in
            if let tables { return tables }
            // Tables that cannot be made are what a probe finds; the page goes without them.
            let made = (try? Inventory(schemas)).map { [StoredTable]($0) } ?? []
            tables = made
            return made
        }
    }
}
