// SPDX-License-Identifier: Apache-2.0

import CSQLite
import Glibc
import Platform
import Synchronization

/// How a database is opened.
package struct SQLiteOptions: Sendable {
    /// What a commit waits for (sqlite.org/pragma.html#pragma_synchronous).
    package enum Synchronous: String, Sendable {
        /// The disk: an acknowledged commit outlives a power cut.
        case full = "FULL"
        /// The kernel: it outlives this process, and a power cut may take the last commits.
        case normal = "NORMAL"
    }

    package var synchronous = Synchronous.full
    /// How long a statement waits for another connection's lock.
    package var busyTimeout = Duration.seconds(5)
    /// Pages of the WAL after which a commit checkpoints it; 0: only `checkpoint` does.
    package var checkpointPages = 1000
    /// Files that pass through a layer; `nil` is SQLite's own VFS.
    package var layer: Layer?

    /// A VFS that `SQLiteVFS.register` made known.
    package struct Layer: Sendable {
        package let vfs: String
        /// Told to the VFS when it opens the database: which file is meant, and with what.
        package let ticket: Int64
        /// Bytes at the end of each page that are the layer's (sqlite.org/fileformat2.html, 1.3.4).
        package let reservedBytes: Int
        /// Bytes of a page; holds for a database that is made.
        package let pageBytes: Int

        package init(vfs: String, ticket: Int64, reservedBytes: Int, pageBytes: Int) {
            self.vfs = vfs
            self.ticket = ticket
            self.reservedBytes = reservedBytes
            self.pageBytes = pageBytes
        }
    }

    package init() {}
}

/// A connection to one database, used by one thread.
///
/// The thread that opens it owns it; `adopt` hands it to another. Every method checks that its caller is the owner and
/// stops the process otherwise, which is why the type can be `Sendable`: a mistake is a crash in a test and not a race.
/// All of it blocks: never on a loop.
///
/// Files are created with mode 0600, and SQLite gives its WAL the mode of the database. The connection is defensive: the
/// schema of the file is not trusted, SQL cannot corrupt the file, double quotes are names only, nothing is loaded.
@safe @usableFromInline package final class SQLiteConnection: @unchecked Sendable {
    /// Prepared statements that wait to be used again.
    package static let cachedStatementsMax = 128

    /// The file; `:memory:` for a database without one.
    package let path: String
    let database: OpaquePointer
    private var cache: [String: SQLiteStatement] = [:]
    /// Written by SQLite's hook at each commit; lives as long as the connection.
    private let logFrames: UnsafeMutablePointer<CInt>
    private let owner: Atomic<UInt>
    package internal(set) var isInTransaction = false

    /// Opens the database at `path`, or makes an empty one. Refuses a file that group or others can read or write.
    package init(path: String, options: SQLiteOptions = SQLiteOptions()) throws(SQLiteError) {
        if path != ":memory:" { try SQLiteConnection.prepareFile(at: path) }
        var opened: OpaquePointer?
        var flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        var name = path
        if let layer = options.layer {
            flags |= SQLITE_OPEN_URI
            name = SQLiteConnection.uri(of: path) + "?vfs=\(layer.vfs)&ticket=\(layer.ticket)"
        }
        let code = unsafe sqlite3_open_v2(name, &opened, flags, nil)
        guard code == SQLITE_OK, let opened = unsafe opened else {
            let error = unsafe SQLiteError(code: code, connection: opened, subject: path)
            unsafe sqlite3_close_v2(opened)
            throw error
        }
        unsafe database = opened
        self.path = path
        owner = Atomic(UInt(pthread_self()))
        unsafe logFrames = .allocate(capacity: 1)
        unsafe logFrames.initialize(to: 0)
        try configure(options)
    }

    /// A database in memory, gone with its connection.
    package static func inMemory() throws(SQLiteError) -> SQLiteConnection { try SQLiteConnection(path: ":memory:") }

    deinit {
        cache = [:]
        // Every statement is finalised: those of the cache above, others cannot outlive a call.
        unsafe sqlite3_close_v2(database)
        unsafe logFrames.deallocate()
    }

    /// Makes the calling thread the owner. The one before must have finished with the connection and must not use it again.
    package func adopt() { owner.store(UInt(pthread_self()), ordering: .sequentiallyConsistent) }

    /// Runs one statement to its end; rows it may give are passed over. `values` take the place of its `?` in order.
    package func execute(_ sql: String, _ values: any SQLiteConvertible...) throws(SQLiteError) {
        try run(sql, values) { _ in true }
    }

    /// Runs one statement and gives what `body` makes of each row.
    /// Inlined, so that the array of results is one of known type.
    @inlinable @inline(__always) package func query<Result>(
        _ sql: String, _ values: any SQLiteConvertible...,
        body: (borrowing SQLiteRow) throws(SQLiteError) -> Result
    ) throws(SQLiteError) -> [Result] {
        var results: [Result] = []
        try run(sql, values) { row throws(SQLiteError) in
            results.append(try body(row))
            return true
        }
        return results
    }

    /// The same for the first row; nil where there is none.
    @inlinable package func first<Result>(
        _ sql: String, _ values: any SQLiteConvertible...,
        body: (borrowing SQLiteRow) throws(SQLiteError) -> Result
    ) throws(SQLiteError) -> Result? {
        var result: Result?
        try run(sql, values) { row throws(SQLiteError) in
            result = try body(row)
            return false
        }
        return result
    }

    /// Runs any number of statements that take no values and give no rows: a schema.
    package func run(script: String) throws(SQLiteError) {
        requireOwner()
        let code = unsafe sqlite3_exec(database, script, nil, nil, nil)
        guard code == SQLITE_OK else { throw unsafe SQLiteError(code: code, connection: database, subject: script) }
    }

    /// Rows that the last INSERT, UPDATE or DELETE changed.
    package var changes: Int {
        requireOwner()
        return unsafe Int(sqlite3_changes64(database))
    }

    /// Runs `body` in a transaction that has the write lock from its start: commits when it returns, rolls back when it
    /// throws or the commit fails. Transactions do not nest.
    package func transaction<Result>(
        _ body: () throws(SQLiteError) -> Result
    ) throws(SQLiteError) -> Result {
        requireOwner()
        precondition(!isInTransaction, "transactions do not nest")
        try execute("BEGIN IMMEDIATE")
        isInTransaction = true
        defer { isInTransaction = false }
        do throws(SQLiteError) {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            // Some errors (a full disk) have rolled back already; a second ROLLBACK would hide the first error.
            if unsafe sqlite3_get_autocommit(database) == 0 { try? execute("ROLLBACK") }
            throw error
        }
    }

    /// Writes the WAL into the database and empties it. Throws `busy` where a reader stands in the way.
    package func checkpoint() throws(SQLiteError) {
        _ = try checkpoint(SQLITE_CHECKPOINT_TRUNCATE)
    }

    /// Writes the WAL into the database and leaves the file as long as it is, to be written over from its beginning: a flush
    /// costs less where a file does not grow. What readers still need stays; the number of frames that do is the result.
    package func checkpointInPlace() throws(SQLiteError) -> Int {
        try checkpoint(SQLITE_CHECKPOINT_PASSIVE)
    }

    /// Frames in the log that are not in the database yet, after the call.
    private func checkpoint(_ mode: CInt) throws(SQLiteError) -> Int {
        requireOwner()
        var (frames, done): (CInt, CInt) = (0, 0)
        let code = unsafe sqlite3_wal_checkpoint_v2(database, nil, mode, &frames, &done)
        guard code == SQLITE_OK else { throw unsafe SQLiteError(code: code, connection: database, subject: path) }
        let left = max(frames - done, 0)
        unsafe logFrames.pointee = left
        return Int(left)
    }

    /// Frames that the log had at the last commit, where nothing checkpoints by itself (`checkpointPages` 0).
    package var framesInLog: Int {
        requireOwner()
        return unsafe Int(logFrames.pointee)
    }

    /// Puts everything in here in the place of what is in `target`, as one transaction there (sqlite.org/c3ref/backup_finish.html).
    /// Both belong to the calling thread.
    package func copy(to target: SQLiteConnection) throws(SQLiteError) {
        requireOwner()
        target.requireOwner()
        guard let backup = unsafe sqlite3_backup_init(target.database, "main", database, "main") else {
            throw unsafe SQLiteError(code: sqlite3_errcode(target.database), connection: target.database, subject: path)
        }
        let copied = unsafe sqlite3_backup_step(backup, -1)
        let finished = unsafe sqlite3_backup_finish(backup)
        guard copied == SQLITE_DONE, finished == SQLITE_OK else {
            let code = finished == SQLITE_OK ? copied : finished
            throw unsafe SQLiteError(code: code, connection: target.database, subject: target.path)
        }
    }

    /// What is wrong with the file, at most 20 lines; empty when it is sound. PRAGMA quick_check reads all of it.
    package func problems() throws(SQLiteError) -> [String] {
        do throws(SQLiteError) {
            let lines = try query("PRAGMA quick_check(20)") { row throws(SQLiteError) in try row.text(0) }
            return lines == ["ok"] ? [] : lines
        } catch {
            // Some damage it cannot step over.
            guard error.kind == .corrupt else { throw error }
            return [error.message]
        }
    }

    /// The layer over the database's file; `nil` where there is none. For the thread that owns the connection.
    package var layer: (any SQLiteFileLayer)? {
        requireOwner()
        var file: UnsafeMutablePointer<sqlite3_file>?
        // The file is the pager's, open as long as the connection is.
        guard unsafe sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK,
            let file = unsafe file
        else { return nil }
        return unsafe SQLiteVFS.layer(of: file)
    }

    // MARK: - Opening

    private static func prepareFile(at path: String) throws(SQLiteError) {
        let status: FileStatus
        do throws(Errno) {
            // SQLite would create the file with the umask's mode and leave it open to others for a moment.
            try AtomicFile.makeEmpty(path: path, mode: 0o600)
            status = try FileStatus(path: path)
        } catch {
            throw SQLiteError(error, path: path)
        }
        guard status.kind == .regular, !status.isOpenToOthers else {
            let mode = String(status.mode, radix: 8)
            throw SQLiteError(.unavailable, message: "not a file of its owner alone (mode \(mode))", subject: path)
        }
    }

    private func configure(_ options: SQLiteOptions) throws(SQLiteError) {
        let milliseconds = options.busyTimeout / .milliseconds(1)
        unsafe sqlite3_busy_timeout(database, CInt(min(max(milliseconds, 0), 3_600_000)))
        let switches = [
            // SQL cannot write to the file's own structures.
            (SQLITE_DBCONFIG_DEFENSIVE, 1),
            // "name" in double quotes is never silently a string.
            (SQLITE_DBCONFIG_DQS_DML, 0), (SQLITE_DBCONFIG_DQS_DDL, 0),
            // Functions and virtual tables that a hostile schema names are not called.
            (SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0), (SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
            (SQLITE_DBCONFIG_ENABLE_FKEY, 1),
        ]
        for (which, value) in switches {
            let code = unsafe csqlite_db_switch(database, which, CInt(value))
            guard code == SQLITE_OK else { throw unsafe SQLiteError(code: code, connection: database, subject: path) }
        }
        try execute("PRAGMA temp_store = MEMORY")
        if let layer = options.layer { try prepare(layer) }
        let journal = try journalMode("journal_mode = WAL")
        guard journal == "wal" || path == ":memory:" else {
            throw SQLiteError(.unavailable, message: "the file system does not allow a WAL", subject: path)
        }
        try execute("PRAGMA synchronous = \(options.synchronous.rawValue)")
        try execute("PRAGMA wal_autocheckpoint = \(options.checkpointPages)")
        if options.checkpointPages == 0 {
            // Only then: SQLite's own checkpoints live on the same hook.
            unsafe _ = sqlite3_wal_hook(
                database,
                { frames, _, _, count in
                    unsafe frames?.assumingMemoryBound(to: CInt.self).pointee = count
                    return SQLITE_OK
                }, logFrames)
        }
        try execute("PRAGMA cell_size_check = ON")
        // What is deleted is overwritten in the page.
        try execute("PRAGMA secure_delete = ON")
        // One-time statements are no use in the cache.
        cache = [:]
    }

    /// A database under a layer: the layer's part of each page, and no rollback journal, which it would refuse. A new file
    /// becomes a WAL database by way of a journal in memory; one that is a WAL database must not go that way, it would
    /// be turned back.
    private func prepare(_ layer: SQLiteOptions.Layer) throws(SQLiteError) {
        try execute("PRAGMA page_size = \(layer.pageBytes)")
        var reserved = CInt(clamping: layer.reservedBytes)
        // The call reads and writes this local only.
        let code = unsafe sqlite3_file_control(database, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved)
        guard code == SQLITE_OK else { throw unsafe SQLiteError(code: code, connection: database, subject: path) }
        if try journalMode("journal_mode") != "wal" { _ = try journalMode("journal_mode = MEMORY") }
    }

    private func journalMode(_ pragma: String) throws(SQLiteError) -> String? {
        try first("PRAGMA \(pragma)") { row throws(SQLiteError) in try row.text(0) }
    }

    /// `path` as a URI (sqlite.org/uri.html): what has a meaning there is escaped.
    private static func uri(of path: String) -> String {
        var text = path.utf8.first == UInt8(ascii: "/") ? "file://" : "file:"
        for scalar in path.unicodeScalars {
            switch scalar {
            case "%": text += "%25"
            case "?": text += "%3f"
            case "#": text += "%23"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    // MARK: - Statements

    /// Runs one statement, from the cache or prepared, until `body` says false or there are no more rows. The same SQL may
    /// run again inside `body`: then as another statement.
    @usableFromInline
    func run(
        _ sql: String, _ values: [any SQLiteConvertible], each body: (borrowing SQLiteRow) throws(SQLiteError) -> Bool
    ) throws(SQLiteError) {
        requireOwner()
        let statement: SQLiteStatement
        if let cached = cache[sql], !cached.isInUse {
            statement = cached
        } else {
            statement = try unsafe SQLiteStatement(sql, on: database)
            if cache.count >= SQLiteConnection.cachedStatementsMax { cache.removeAll(keepingCapacity: true) }
            cache[sql] = statement
        }
        try statement.run(values, each: body)
    }

    func requireOwner() {
        precondition(
            owner.load(ordering: .relaxed) == UInt(pthread_self()), "a database connection was used on a foreign thread"
        )
    }
}
