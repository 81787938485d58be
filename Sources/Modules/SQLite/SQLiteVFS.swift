// SPDX-License-Identifier: Apache-2.0

import CSQLite
import Glibc
import Synchronization

/// A VFS of SQLite written in Swift, over another one (sqlite.org/vfs.html): files pass through a layer, everything else
/// (locks, shared memory, names, time) goes straight to the VFS below.
///
/// SQLite allocates the memory of a file. It holds `csqlite_file`, whose `state` is the box with the layer, and behind it
/// the file of the VFS below. The methods are of version 2: without memory mapping, through which SQLite would read past
/// the layer.
@safe package struct SQLiteVFS {
    private static let registered = Mutex<Set<String>>([])

    /// Makes a VFS known to SQLite under `name`, once for the life of the process; later calls change nothing.
    package static func register(
        name: String, over below: String, layer: any SQLiteVFSLayer
    ) throws(SQLiteError) {
        let code = registered.withLock { names -> CInt in
            guard !names.contains(name) else { return SQLITE_OK }
            guard let inner = unsafe sqlite3_vfs_find(below) else { return SQLITE_ERROR }
            // Memory of the process: SQLite keeps the pointers for ever.
            let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
            unsafe vfs.initialize(to: make(over: inner))
            unsafe vfs.pointee.zName = UnsafePointer(strdup(name))
            unsafe vfs.pointee.pAppData = Unmanaged.passRetained(VFSBox(layer: layer, below: inner)).toOpaque()
            let code = unsafe sqlite3_vfs_register(vfs, 0)
            if code == SQLITE_OK { names.insert(name) }
            return code
        }
        guard code == SQLITE_OK else {
            throw unsafe SQLiteError(code: code, connection: nil, subject: "the VFS \(name) over \(below)")
        }
    }

    /// The layer of an open file; `nil` where it belongs to another VFS.
    static func layer(of file: UnsafeMutablePointer<sqlite3_file>) -> (any SQLiteFileLayer)? {
        guard unsafe file.pointee.pMethods == UnsafePointer(FileBox.methods) else { return nil }
        return unsafe FileBox.of(file).layer
    }

    private static func make(over inner: UnsafeMutablePointer<sqlite3_vfs>) -> sqlite3_vfs {
        var vfs = unsafe sqlite3_vfs()
        unsafe vfs.iVersion = 2
        unsafe vfs.szOsFile = CInt(MemoryLayout<csqlite_file>.stride) + inner.pointee.szOsFile
        unsafe vfs.mxPathname = inner.pointee.mxPathname
        unsafe vfs.xOpen = { vfs, name, file, flags, outFlags in
            guard let vfs = unsafe vfs, let file = unsafe file else { return SQLITE_CANTOPEN }
            return unsafe SQLiteVFS.openFile(vfs, name, file, flags, outFlags)
        }
        unsafe vfs.xDelete = { vfs, name, sync in
            let box = unsafe VFSBox.of(vfs)
            let path = unsafe name.map { unsafe String(cString: $0) } ?? ""
            let code = box.layer.willDelete(path: path)
            guard code == .ok else { return code.rawValue }
            return unsafe box.below.pointee.xDelete(box.below, name, sync)
        }
        unsafe vfs.xAccess = { vfs, name, flags, result in
            let below = unsafe VFSBox.of(vfs).below
            return unsafe below.pointee.xAccess(below, name, flags, result)
        }
        unsafe vfs.xFullPathname = { vfs, name, count, target in
            let below = unsafe VFSBox.of(vfs).below
            return unsafe below.pointee.xFullPathname(below, name, count, target)
        }
        // Nothing is ever loaded.
        unsafe vfs.xDlOpen = { _, _ in nil }
        unsafe vfs.xDlError = { _, count, target in if count > 0 { unsafe target?.pointee = 0 } }
        unsafe vfs.xDlSym = { _, _, _ in nil }
        unsafe vfs.xDlClose = { _, _ in }
        unsafe vfs.xRandomness = { vfs, count, target in
            let below = unsafe VFSBox.of(vfs).below
            return unsafe below.pointee.xRandomness(below, count, target)
        }
        unsafe vfs.xSleep = { vfs, microseconds in
            let below = unsafe VFSBox.of(vfs).below
            return unsafe below.pointee.xSleep(below, microseconds)
        }
        unsafe vfs.xCurrentTime = { vfs, time in
            let below = unsafe VFSBox.of(vfs).below
            return unsafe below.pointee.xCurrentTime(below, time)
        }
        unsafe vfs.xGetLastError = { vfs, count, target in
            let below = unsafe VFSBox.of(vfs).below
            return unsafe below.pointee.xGetLastError(below, count, target)
        }
        unsafe vfs.xCurrentTimeInt64 = { vfs, time in
            let below = unsafe VFSBox.of(vfs).below
            return unsafe below.pointee.xCurrentTimeInt64(below, time)
        }
        return unsafe vfs
    }

    private static func openFile(
        _ vfs: UnsafeMutablePointer<sqlite3_vfs>, _ name: UnsafePointer<CChar>?,
        _ file: UnsafeMutablePointer<sqlite3_file>,
        _ flags: CInt, _ outFlags: UnsafeMutablePointer<CInt>?
    ) -> CInt {
        // Without methods, SQLite does not call xClose on what could not be opened.
        unsafe file.pointee.pMethods = nil
        let box = unsafe VFSBox.of(vfs)
        let kind = SQLiteFileKind(flags: flags)
        guard let name = unsafe name else { return SQLITE_CANTOPEN }
        let ticket = unsafe kind == .database ? sqlite3_uri_int64(name, "ticket", 0) : 0
        guard box.layer.accepts(kind, ticket: ticket) else { return SQLITE_CANTOPEN }
        let inner = unsafe FileBox.inner(of: file)
        let code = unsafe box.below.pointee.xOpen(box.below, name, inner, flags, outFlags)
        guard code == SQLITE_OK else {
            if unsafe inner.pointee.pMethods != nil { unsafe _ = inner.pointee.pMethods.pointee.xClose(inner) }
            return code
        }
        let below = unsafe SQLiteFileBelow(file: inner)
        // A log names its database, whose file is open as long as the log is.
        let main = unsafe kind == .writeAheadLog ? FileBox.of(sqlite3_database_file_object(name)).layer : nil
        let path = unsafe String(cString: name)
        guard let layer = box.layer.open(kind, path: path, ticket: ticket, main: main, below: below) else {
            unsafe _ = inner.pointee.pMethods.pointee.xClose(inner)
            return SQLITE_CANTOPEN
        }
        unsafe FileBox.put(FileBox(layer: layer, below: below), into: file)
        unsafe file.pointee.pMethods = UnsafePointer(FileBox.methods)
        return SQLITE_OK
    }
}

/// What a VFS's `pAppData` points to; never freed.
@safe private final class VFSBox: Sendable {
    let layer: any SQLiteVFSLayer
    nonisolated(unsafe) let below: UnsafeMutablePointer<sqlite3_vfs>

    init(layer: any SQLiteVFSLayer, below: UnsafeMutablePointer<sqlite3_vfs>) {
        self.layer = layer
        unsafe self.below = below
    }

    static func of(_ vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> VFSBox {
        guard let data = unsafe vfs?.pointee.pAppData else { fatalError("a VFS without its data") }
        return unsafe Unmanaged<VFSBox>.fromOpaque(data).takeUnretainedValue()
    }
}

/// What a file's `state` points to, from xOpen to xClose.
@safe private final class FileBox {
    let layer: any SQLiteFileLayer
    let below: SQLiteFileBelow

    init(layer: any SQLiteFileLayer, below: SQLiteFileBelow) {
        self.layer = layer
        self.below = below
    }

    /// The memory behind our own part of the file (`szOsFile` has room for both).
    static func inner(of file: UnsafeMutablePointer<sqlite3_file>) -> UnsafeMutablePointer<sqlite3_file> {
        unsafe (UnsafeMutableRawPointer(file) + MemoryLayout<csqlite_file>.stride)
            .assumingMemoryBound(to: sqlite3_file.self)
    }

    static func put(_ box: FileBox, into file: UnsafeMutablePointer<sqlite3_file>) {
        let ours = unsafe UnsafeMutableRawPointer(file).assumingMemoryBound(to: csqlite_file.self)
        unsafe ours.pointee.state = Unmanaged.passRetained(box).toOpaque()
    }

    static func of(_ file: UnsafeMutablePointer<sqlite3_file>?) -> FileBox {
        unsafe unmanaged(file).takeUnretainedValue()
    }

    private static func unmanaged(_ file: UnsafeMutablePointer<sqlite3_file>?) -> Unmanaged<FileBox> {
        guard
            let state = unsafe UnsafeMutableRawPointer(file)?.assumingMemoryBound(to: csqlite_file.self).pointee.state
        else { fatalError("a file without its state") }
        return unsafe Unmanaged<FileBox>.fromOpaque(state)
    }

    private static func below(_ file: UnsafeMutablePointer<sqlite3_file>?) -> UnsafeMutablePointer<sqlite3_file> {
        unsafe of(file).below.file
    }

    /// One table for every file; SQLite reads it and never writes it.
    nonisolated(unsafe) static let methods: UnsafeMutablePointer<sqlite3_io_methods> = {
        let table = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        unsafe table.initialize(to: sqlite3_io_methods())
        unsafe table.pointee.iVersion = 2
        unsafe fillTransfer(table)
        unsafe fillLocks(table)
        return unsafe table
    }()

    private static func fillTransfer(_ table: UnsafeMutablePointer<sqlite3_io_methods>) {
        unsafe table.pointee.xClose = { file in
            let unmanaged = unsafe FileBox.unmanaged(file)
            let box = unsafe unmanaged.takeRetainedValue()
            let code = box.layer.willClose()
            let inner = unsafe box.below.file
            let closed = unsafe inner.pointee.pMethods.pointee.xClose(inner)
            unsafe file?.pointee.pMethods = nil
            return code == .ok ? closed : code.rawValue
        }
        unsafe table.pointee.xRead = { file, target, count, offset in
            let target = unsafe UnsafeMutableRawBufferPointer(start: target, count: Int(count))
            return unsafe FileBox.of(file).layer.read(target, at: offset).rawValue
        }
        unsafe table.pointee.xWrite = { file, source, count, offset in
            let source = unsafe UnsafeRawBufferPointer(start: source, count: Int(count))
            return unsafe FileBox.of(file).layer.write(source, at: offset).rawValue
        }
        unsafe table.pointee.xTruncate = { file, size in unsafe FileBox.of(file).layer.truncate(to: size).rawValue }
        unsafe table.pointee.xSync = { file, flags in unsafe FileBox.of(file).layer.sync(flags: flags).rawValue }
        unsafe table.pointee.xFileSize = { file, size in
            guard let size = unsafe size else { return SQLITE_MISUSE }
            return unsafe FileBox.of(file).layer.getSize(&size.pointee).rawValue
        }
    }

    private static func fillLocks(_ table: UnsafeMutablePointer<sqlite3_io_methods>) {
        unsafe table.pointee.xLock = { file, level in
            let below = unsafe FileBox.below(file)
            return unsafe below.pointee.pMethods.pointee.xLock(below, level)
        }
        unsafe table.pointee.xUnlock = { file, level in
            let below = unsafe FileBox.below(file)
            return unsafe below.pointee.pMethods.pointee.xUnlock(below, level)
        }
        unsafe table.pointee.xCheckReservedLock = { file, result in
            let below = unsafe FileBox.below(file)
            return unsafe below.pointee.pMethods.pointee.xCheckReservedLock(below, result)
        }
        unsafe table.pointee.xFileControl = { file, operation, argument in
            let below = unsafe FileBox.below(file)
            return unsafe below.pointee.pMethods.pointee.xFileControl(below, operation, argument)
        }
        unsafe table.pointee.xSectorSize = { file in
            let below = unsafe FileBox.below(file)
            return unsafe below.pointee.pMethods.pointee.xSectorSize(below)
        }
        // A page is written whole and nothing beside it: SQLite then neither pads a log nor splits a frame. Its other
        // promises are those of plain files; a layer does not keep them.
        unsafe table.pointee.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE }
        unsafe table.pointee.xShmMap = { file, region, size, extend, memory in
            let box = unsafe FileBox.of(file)
            let code = box.layer.willMapSharedMemory()
            guard code == .ok else { return code.rawValue }
            let below = unsafe box.below.file
            return unsafe below.pointee.pMethods.pointee.xShmMap(below, region, size, extend, memory)
        }
        unsafe table.pointee.xShmLock = { file, offset, count, flags in
            let below = unsafe FileBox.below(file)
            return unsafe below.pointee.pMethods.pointee.xShmLock(below, offset, count, flags)
        }
        unsafe table.pointee.xShmBarrier = { file in
            let below = unsafe FileBox.below(file)
            unsafe below.pointee.pMethods.pointee.xShmBarrier(below)
        }
        unsafe table.pointee.xShmUnmap = { file, delete in
            let below = unsafe FileBox.below(file)
            return unsafe below.pointee.pMethods.pointee.xShmUnmap(below, delete)
        }
    }
}
