// SPDX-License-Identifier: Apache-2.0

import CSQLite
import Platform

/// Why the database did not do what it was asked. It names the statement, never a value that was bound to it.
@usableFromInline package struct SQLiteError: Error, Equatable, Sendable {
    /// What a caller may want to tell apart.
    package enum Kind: Equatable, Sendable {
        /// Another connection held the lock longer than the busy timeout.
        case busy
        /// UNIQUE, NOT NULL, CHECK or FOREIGN KEY.
        case constraint
        /// The file is damaged, or no database.
        case corrupt
        /// No room on the disk.
        case full
        /// The disk, or the permissions of the file.
        case unavailable
        /// A column holds another type than the one asked for, or a value out of range.
        case type
        /// The file's schema is not the one this program knows.
        case schema
        /// What was sealed here has no key any more.
        case erased
        /// A mistake of ours: wrong SQL, wrong number of values.
        case mistake
    }

    package let kind: Kind
    /// SQLite's extended result code (sqlite.org/rescode.html); 0 where the error is this module's own.
    package let code: Int32
    /// What is wrong, lower case, no full stop.
    package let message: String
    /// The statement or the path it is about; empty where there is none.
    package let subject: String
    /// Which page of which file, where a sealed one did not open.
    package let damage: PageDamage?

    package init(_ kind: Kind, code: Int32 = 0, message: String, subject: String, damage: PageDamage? = nil) {
        self.kind = kind
        self.code = code
        self.message = message
        self.subject = subject
        self.damage = damage
    }

    /// A page that was found damaged.
    package init(_ damage: PageDamage) {
        self.init(.corrupt, code: csqlite_IOERR_DATA, message: damage.description, subject: "", damage: damage)
    }

    /// From a result code, with the connection's own words where there is one.
    init(code: CInt, connection: OpaquePointer?, subject: String) {
        if code == csqlite_IOERR_DATA, let damage = DamageReports.take() {
            self.init(.corrupt, code: code, message: damage.description, subject: subject, damage: damage)
            return
        }
        // errmsg belongs to the connection and errstr is static; both are copied at once.
        let text = unsafe connection.map { unsafe sqlite3_errmsg($0) } ?? sqlite3_errstr(code)
        let message = unsafe text.map { unsafe String(cString: $0) } ?? "unknown error"
        self.init(Kind(code), code: code, message: message, subject: subject)
    }

    init(_ error: Errno, path: String) {
        self.init(.unavailable, message: error.description, subject: path)
    }
}

extension SQLiteError.Kind {
    init(_ code: CInt) {
        if code == csqlite_IOERR_DATA {
            self = .corrupt
            return
        }
        self =
            switch code & 0xFF {
            case SQLITE_BUSY, SQLITE_LOCKED: .busy
            case SQLITE_CONSTRAINT: .constraint
            case SQLITE_CORRUPT, SQLITE_NOTADB: .corrupt
            case SQLITE_FULL: .full
            case SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM, SQLITE_NOMEM, SQLITE_AUTH: .unavailable
            case SQLITE_MISMATCH, SQLITE_TOOBIG: .type
            default: .mistake
            }
    }
}

extension SQLiteError: CustomStringConvertible {
    @usableFromInline package var description: String {
        let number = code == 0 ? "" : " (sqlite \(code))"
        return subject.isEmpty ? "\(message)\(number)" : "\(message)\(number): \(subject)"
    }
}
