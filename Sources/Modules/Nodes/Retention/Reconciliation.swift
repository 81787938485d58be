// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// Deletes from a file that was restored from a backup what was erased after the backup was made: no key opens it, and its
/// ids, times and sizes were to be gone too.
enum Reconciliation {
    static func run(in transaction: any TenantTransaction) throws(SQLiteError) {
        for id in try erased("nodes_threads", in: transaction) {
            guard let thread = try ThreadTables.outline(id, in: transaction) else { continue }
            try ThreadTables.delete(thread, in: transaction)
        }
        for id in try erased("nodes_files", in: transaction) {
            guard let file = try FileTables.outline(id, in: transaction) else { continue }
            try FileTables.delete(file, in: transaction)
        }
        for id in try erased("nodes_nodes", in: transaction) { try NodeTables.delete(id, in: transaction) }
    }

    private static func erased(
        _ table: StaticString, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> [String] {
        let ids = try transaction.connection.query("SELECT id FROM \(table)") { row throws(SQLiteError) in
            try row.text(0)
        }
        var erased: [String] = []
        for id in ids where try transaction.isErased(ObjectID(id)) { erased.append(id) }
        return erased
    }
}
