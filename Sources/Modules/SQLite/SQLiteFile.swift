// SPDX-License-Identifier: Apache-2.0

import CSQLite

/// What a file of a VFS answers to SQLite: SQLite's own result codes (sqlite.org/rescode.html).
package struct SQLiteCode: Equatable, Sendable {
    package let rawValue: CInt

    package init(_ rawValue: CInt) { self.rawValue = rawValue }

    package static let ok = SQLiteCode(SQLITE_OK)
    package static let full = SQLiteCode(SQLITE_FULL)
    /// The error of a disk while reading.
    package static let read = SQLiteCode(csqlite_IOERR_READ)
    /// The error of a disk while writing.
    package static let write = SQLiteCode(csqlite_IOERR_WRITE)
    /// The file ended first; the rest of the buffer is zero.
    package static let shortRead = SQLiteCode(csqlite_IOERR_SHORT_READ)

    /// For bytes that are not what was written. `damage` reaches whoever catches the `SQLiteError` of this call.
    package static func damaged(_ damage: PageDamage) -> SQLiteCode {
        DamageReports.put(damage)
        return SQLiteCode(csqlite_IOERR_DATA)
    }
}

/// What a file is to SQLite (sqlite.org/c3ref/c_open_autoproxy.html).
package enum SQLiteFileKind: Equatable, Sendable {
    case database
    case writeAheadLog
    /// Rollback journals, and all that is temporary.
    case other

    init(flags: CInt) {
        self =
            if flags & SQLITE_OPEN_MAIN_DB != 0 { .database } else if flags & SQLITE_OPEN_WAL != 0 {
                .writeAheadLog
            } else { .other }
    }
}

/// The file below a layer. It lives as long as the layer that was made on it, which calls from SQLite's thread only.
@safe package struct SQLiteFileBelow {
    let file: UnsafeMutablePointer<sqlite3_file>

    /// Fills `target`; `shortRead` where the file ends first, with zeros for what is missing.
    package func read(_ target: UnsafeMutableRawBufferPointer, at offset: Int64) -> SQLiteCode {
        unsafe SQLiteCode(
            file.pointee.pMethods.pointee.xRead(file, target.baseAddress, CInt(target.count), offset))
    }

    /// Writes all of `source`; `full` where there is no room.
    package func write(_ source: UnsafeRawBufferPointer, at offset: Int64) -> SQLiteCode {
        unsafe SQLiteCode(
            file.pointee.pMethods.pointee.xWrite(file, source.baseAddress, CInt(source.count), offset))
    }

    package func truncate(to size: Int64) -> SQLiteCode {
        unsafe SQLiteCode(file.pointee.pMethods.pointee.xTruncate(file, size))
    }

    /// `flags` as SQLite gave them, or 2 for a full sync.
    package func sync(flags: CInt) -> SQLiteCode {
        unsafe SQLiteCode(file.pointee.pMethods.pointee.xSync(file, flags))
    }

    /// Keeps others from checkpointing, and from reading the database file without its log, or lets them again; on the
    /// connection to a WAL database, as a checkpoint does before it writes (sqlite.org/walformat.html, 2.2.4,
    /// WAL_CKPT_LOCK and WAL_READ_LOCK(0)). `busy` where somebody does either, a copy of the file for one.
    package func lockCheckpoints(_ lock: Bool) -> SQLiteCode {
        guard lock else {
            _ = lockShared(3, false)
            return lockShared(1, false)
        }
        let code = lockShared(1, true)
        guard code == .ok else { return code }
        let second = lockShared(3, true)
        if second != .ok { _ = lockShared(1, false) }
        return second
    }

    private func lockShared(_ slot: CInt, _ lock: Bool) -> SQLiteCode {
        let flags = SQLITE_SHM_EXCLUSIVE | (lock ? SQLITE_SHM_LOCK : SQLITE_SHM_UNLOCK)
        return unsafe SQLiteCode(file.pointee.pMethods.pointee.xShmLock(file, slot, 1, flags))
    }

    /// The size in bytes, into `size`.
    package func getSize(_ size: inout Int64) -> SQLiteCode {
        // The call writes to the caller's variable only.
        unsafe withUnsafeMutablePointer(to: &size) {
            unsafe SQLiteCode(file.pointee.pMethods.pointee.xFileSize(file, $0))
        }
    }
}

/// A layer over one open file. SQLite calls it from one thread at a time. Buffers live for the length of a call.
package protocol SQLiteFileLayer: AnyObject {
    func read(_ target: UnsafeMutableRawBufferPointer, at offset: Int64) -> SQLiteCode
    func write(_ source: UnsafeRawBufferPointer, at offset: Int64) -> SQLiteCode
    func truncate(to size: Int64) -> SQLiteCode
    func sync(flags: CInt) -> SQLiteCode
    func getSize(_ size: inout Int64) -> SQLiteCode
    /// Before the memory that connections share beside a WAL is mapped.
    func willMapSharedMemory() -> SQLiteCode
    /// The last call. The file below is closed after it whatever it says.
    func willClose() -> SQLiteCode
}

/// Makes the layers: one for each VFS (sqlite.org/vfs.html).
package protocol SQLiteVFSLayer: Sendable {
    /// Whether such a file may be opened at all; others are refused before anything is created. `ticket` is what the
    /// connection's options said for its database; 0 if nothing, and for every other file.
    func accepts(_ kind: SQLiteFileKind, ticket: Int64) -> Bool
    /// `main` is the layer of the database that a log
    /// belongs to. `nil` refuses.
    func open(
        _ kind: SQLiteFileKind, path: String, ticket: Int64, main: (any SQLiteFileLayer)?, below: SQLiteFileBelow
    ) -> (any SQLiteFileLayer)?
    /// Before a file is removed.
    func willDelete(path: String) -> SQLiteCode
}
