// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Synchronization

// A sealed file shows that it was not changed. That it is the newest copy of itself, it cannot show; so each database and
// the keyring keep a number about the other:
//
//     database    its generation n, and the keyring's generation as it was then
//     keyring     for each database the generation it has confirmed
//
// Marking a database writes n + 1 into it, and then into the keyring. At the next opening they must agree:
//
//     n below what the keyring has confirmed                     an older copy of the database
//     n more than one above it, or the keyring's own generation
//     below the one the database has seen                        an older copy of the keyring
//     n one above                                                a crash between the two writings
//
// control.db is marked at start, at stop and every few seconds while it changes, a tenant's file whenever its log is
// emptied: as soon as it is quiet, and when it is closed. What is not noticed is a copy younger than the last mark. The
// keyring's other files are bound to it by numbers of their own (EpochFiles, UnlockSlots). If everything is put back
// together, only a witness outside the directory can know.

/// What a database says about its age.
struct FileMark: Sendable, Equatable {
    /// Counts the marks of this database.
    let generation: Int
    /// The keyring's generation when it was made.
    let keyring: Int

    static let migrations = SQLiteMigrations(
        module: "mark",
        steps: [
            """
            CREATE TABLE mark (
                id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, keyring INTEGER NOT NULL) STRICT;
            """
        ])

    /// `nil` in a database that was never marked.
    static func read(_ connection: SQLiteConnection) throws(SQLiteError) -> FileMark? {
        try connection.first("SELECT generation, keyring FROM mark") { row throws(SQLiteError) in
            FileMark(generation: try row.int(0), keyring: try row.int(1))
        }
    }

    func write(_ connection: SQLiteConnection) throws(SQLiteError) {
        try connection.execute("INSERT OR REPLACE INTO mark VALUES (1, ?, ?)", generation, keyring)
    }
}

extension Keyring {
    /// Refuses a database or a keyring that is older than the other has seen.
    ///
    /// - Parameter file: the database's name: `control.db`, or a tenant's id.
    /// - Returns: true where the database has a mark and the keyring knows of none: both came from a backup, or a crash was
    ///   between the two writings of the first mark.
    /// - Throws: `older`, naming the file that was put back.
    @discardableResult
    func check(_ mark: FileMark?, of file: String) throws(KeyringFailure) -> Bool {
        let (confirmed, generation) = try witness(of: file)
        guard let mark else {
            guard confirmed == nil else {
                throw .older(file: file, "it has no mark, and the keyring knows of \(confirmed ?? 0)")
            }
            return false
        }
        guard mark.keyring <= generation else {
            throw .older(
                file: KeyringFile.name, "it is at generation \(generation), and \(file) has seen \(mark.keyring)")
        }
        guard let confirmed else { return true }
        guard mark.generation >= confirmed else {
            throw .older(
                file: file, "it is at generation \(mark.generation), and the keyring has confirmed \(confirmed)")
        }
        guard mark.generation <= confirmed + 1 else {
            throw .older(
                file: KeyringFile.name,
                "\(file) is at generation \(mark.generation), and the keyring knows of \(confirmed)")
        }
        return false
    }

    /// Whether a database was ever marked: one that was is not made anew when it is missing.
    func knows(_ file: String) throws(KeyringFailure) -> Bool { try witness(of: file).confirmed != nil }

    /// Marks a database: `write` puts the mark into it, durably; then the keyring confirms it.
    func mark(_ file: String, write: (FileMark) throws(SQLiteError) -> Void) throws(KeyringFailure) {
        let (confirmed, generation) = try witness(of: file)
        let mark = FileMark(generation: (confirmed ?? 0) + 1, keyring: generation)
        try failing { () throws(SQLiteError) in try write(mark) }
        steps.reached("\(file) is marked")
        try writer.run { connection throws(KeyringFailure) in
            // A tenant that was deleted meanwhile leaves no name behind.
            if file != OpenStore.control, try TenantRow.find(TenantID(file), connection) == nil { throw .unknownTenant }
            try failing { () throws(SQLiteError) in
                try connection.execute(
                    "INSERT OR REPLACE INTO keyring_marks VALUES (?, ?)", file, mark.generation)
            }
        }
    }

    private func witness(of file: String) throws(KeyringFailure) -> (confirmed: Int?, generation: Int) {
        try read { connection throws(KeyringFailure) in
            let confirmed = try failing { () throws(SQLiteError) in
                try connection.first("SELECT generation FROM keyring_marks WHERE file = ?", file) {
                    row throws(SQLiteError) in try row.int(0)
                }
            }
            return (confirmed, try meta(connection).generation)
        }
    }

    /// Takes the databases as they are from here on, whatever their age: their marks are forgotten, and the keyring's own
    /// generation goes beyond any that one of them can have seen.
    func acceptRestored() throws(KeyringFailure) {
        let revision = material.withLock { $0.slots.revision }
        try writer.run { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.execute("DELETE FROM keyring_marks")
                try connection.execute(
                    "UPDATE keyring_meta SET generation = generation + ?, slots = ?", 1 << 32, revision)
            }
        }
    }
}
