// SPDX-License-Identifier: Apache-2.0

import Platform
import SQLite
import Support
import Synchronization

/// A disk that fails: below the seals, over SQLite's own VFS. Nothing is really flushed, so that a test is fast.
///
/// * `fail(at:with:)`: the n-th call from now on, and for `full` every write after it until `heal()`.
/// * `cutPower(_:to:)`: what was not flushed is lost, in pieces of a sector and in any order.
final class FaultVFS: SQLiteVFSLayer {
    enum Fault: CaseIterable { case io, full }

    private enum Change {
        case write(offset: Int, bytes: [UInt8])
        case truncate(Int)
    }

    private struct File {
        var durable: [UInt8] = []
        var pending: [Change] = []
    }

    private struct State {
        var calls = 0
        var failAt: Int?
        var fault = Fault.io
        var isFull = false
        var isDead = false
        var files: [String: File] = [:]
    }

    static let sectorBytes = 512

    let name: String
    private let state = Mutex(State())

    init() throws(SQLiteError) {
        name = "fault-\(Random.uint64())"
        try SQLiteVFS.register(name: name, over: "unix", layer: self)
    }

    var calls: Int { state.withLock { $0.calls } }
    var hasFailed: Bool { state.withLock { state in state.failAt.map { state.calls >= $0 } ?? false } }

    func fail(at call: Int, with fault: Fault) {
        state.withLock {
            $0.calls = 0
            $0.failAt = call
            $0.fault = fault
        }
    }

    func heal() {
        state.withLock {
            $0.failAt = nil
            $0.isFull = false
        }
    }

    /// Writes the files as the disk has them to `target`; from here on every call fails.
    func cutPower(_ random: inout SeededGenerator, path: String, to target: String) throws {
        let files = state.withLock { state in
            state.isDead = true
            return state.files
        }
        for suffix in ["", "-wal"] {
            guard let file = files[path + suffix] else { continue }
            var bytes = file.durable
            for change in file.pending { FaultVFS.apply(change, to: &bytes, some: &random) }
            try AtomicFile.write(path: target + suffix, bytes: bytes, mode: 0o600)
        }
    }

    // MARK: - Layers

    func accepts(_ kind: SQLiteFileKind, ticket: Int64) -> Bool { true }

    func open(
        _ kind: SQLiteFileKind, path: String, ticket: Int64, main: (any SQLiteFileLayer)?, below: SQLiteFileBelow
    ) -> (any SQLiteFileLayer)? {
        let bytes = (try? AtomicFile.read(path: path, bytesMax: 64 << 20)) ?? []
        let isOpen = state.withLock { state in
            if state.files[path] == nil { state.files[path] = File(durable: bytes) }
            return !state.isDead
        }
        return isOpen ? FaultFile(self, path: path, below: below) : nil
    }

    func willDelete(path: String) -> SQLiteCode {
        state.withLock { state in
            if state.isDead { return .write }
            state.files[path] = nil
            return .ok
        }
    }

    /// Counts a call; what it is to answer, if it fails.
    fileprivate func step(writes: Bool) -> SQLiteCode? {
        state.withLock { state in
            if state.isDead { return .write }
            state.calls += 1
            if state.calls == state.failAt {
                if state.fault == .io { return writes ? .write : .read }
                state.isFull = true
            }
            return state.isFull && writes ? .full : nil
        }
    }

    fileprivate func write(_ path: String, _ bytes: [UInt8], at offset: Int) {
        state.withLock { $0.files[path]?.pending.append(.write(offset: offset, bytes: bytes)) }
    }

    fileprivate func truncate(_ path: String, to size: Int) {
        state.withLock { $0.files[path]?.pending.append(.truncate(size)) }
    }

    fileprivate func sync(_ path: String) {
        state.withLock { state in
            guard var file = state.files[path] else { return }
            state.files[path] = nil
            for change in file.pending { FaultVFS.apply(change, to: &file.durable) }
            file.pending = []
            state.files[path] = file
        }
    }

    private static func apply(_ change: Change, to file: inout [UInt8]) {
        switch change {
        case .truncate(let size): if size < file.count { file.removeLast(file.count - size) }
        case .write(let offset, let bytes):
            if file.count < offset + bytes.count {
                file += [UInt8](repeating: 0, count: offset + bytes.count - file.count)
            }
            file.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
        }
    }

    private static func apply(_ change: Change, to file: inout [UInt8], some random: inout SeededGenerator) {
        switch change {
        case .truncate: if random.below(2) == 0 { apply(change, to: &file) }
        case .write(let offset, let bytes):
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, ((offset + start) / sectorBytes + 1) * sectorBytes - offset)
                if random.below(2) == 0 {
                    apply(.write(offset: offset + start, bytes: Array(bytes[start..<end])), to: &file)
                }
                start = end
            }
        }
    }
}

private final class FaultFile: SQLiteFileLayer {
    private let vfs: FaultVFS
    private let path: String
    private let below: SQLiteFileBelow

    init(_ vfs: FaultVFS, path: String, below: SQLiteFileBelow) {
        self.vfs = vfs
        self.path = path
        self.below = below
    }

    func read(_ target: UnsafeMutableRawBufferPointer, at offset: Int64) -> SQLiteCode {
        if let code = vfs.step(writes: false) { return code }
        return unsafe below.read(target, at: offset)
    }

    func write(_ source: UnsafeRawBufferPointer, at offset: Int64) -> SQLiteCode {
        let bytes = unsafe Array(source)
        if let code = vfs.step(writes: true) {
            // A full disk takes what fits.
            let part = bytes.count / 2
            if code == .full {
                unsafe _ = below.write(UnsafeRawBufferPointer(rebasing: source[..<part]), at: offset)
                vfs.write(path, Array(bytes[..<part]), at: Int(offset))
            }
            return code
        }
        vfs.write(path, bytes, at: Int(offset))
        return unsafe below.write(source, at: offset)
    }

    func truncate(to size: Int64) -> SQLiteCode {
        if let code = vfs.step(writes: true) { return code }
        vfs.truncate(path, to: Int(size))
        return below.truncate(to: size)
    }

    func sync(flags: CInt) -> SQLiteCode {
        if let code = vfs.step(writes: true) { return code }
        vfs.sync(path)
        return .ok
    }

    func getSize(_ size: inout Int64) -> SQLiteCode {
        if let code = vfs.step(writes: false) { return code }
        return below.getSize(&size)
    }

    func willMapSharedMemory() -> SQLiteCode { .ok }
    func willClose() -> SQLiteCode { .ok }
}
