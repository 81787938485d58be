// SPDX-License-Identifier: Apache-2.0

import CSQLite

extension SQLiteConnection {
    /// Runs `body` inside the transaction under way so that it can fail alone: what it did is undone when it throws, and what
    /// stood before stays (sqlite.org/lang_savepoint.html).
    ///
    /// Some errors, a full disk for one, end the whole transaction: then `isTransactionLost` is true.
    package func savepoint<Result>(_ body: () throws(SQLiteError) -> Result) throws(SQLiteError) -> Result {
        precondition(isInTransaction, "a savepoint stands in a transaction")
        try execute("SAVEPOINT part")
        do throws(SQLiteError) {
            let result = try body()
            try execute("RELEASE part")
            return result
        } catch {
            if !isTransactionLost {
                try? execute("ROLLBACK TO part")
                try? execute("RELEASE part")
            }
            throw error
        }
    }

    /// Whether SQLite has rolled back the transaction under way by itself (sqlite.org/c3ref/get_autocommit.html).
    package var isTransactionLost: Bool { unsafe isInTransaction && sqlite3_get_autocommit(database) != 0 }

    /// Runs `body` on one consistent snapshot. Throws `mistake` where it wrote; that is undone.
    package func snapshot<Result>(_ body: () throws(SQLiteError) -> Result) throws(SQLiteError) -> Result {
        precondition(!isInTransaction, "transactions do not nest")
        try execute("BEGIN")
        isInTransaction = true
        defer {
            if unsafe sqlite3_get_autocommit(database) == 0 { try? execute("ROLLBACK") }
            isInTransaction = false
        }
        let result = try body()
        guard unsafe sqlite3_txn_state(database, nil) != SQLITE_TXN_WRITE else {
            throw SQLiteError(.mistake, message: "a read has written", subject: path)
        }
        return result
    }
}
