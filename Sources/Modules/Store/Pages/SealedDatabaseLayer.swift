// SPDX-License-Identifier: Apache-2.0

import SQLite

/// The layer over a database's main file: pages are sealed on their way down and opened on their way up.
@safe final class SealedDatabaseLayer: SQLiteFileLayer {
    let file: SealedFile
    private let below: SQLiteFileBelow
    private let sealer: PageSealer
    /// A sealed page: what SQLite gives to write must not be changed.
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ file: SealedFile, below: SQLiteFileBelow) {
        self.file = file
        self.below = below
        sealer = PageSealer(file)
        unsafe buffer = .allocate(byteCount: PageFormat.pageBytes, alignment: 64)
        file.didOpen()
    }

    deinit { unsafe buffer.deallocate() }

    func read(_ target: UnsafeMutableRawBufferPointer, at offset: Int64) -> SQLiteCode {
        guard let number = SealedDatabaseLayer.page(at: offset), let base = target.baseAddress else { return .read }
        let start = Int(offset % Int64(PageFormat.pageBytes))
        if start == 0, target.count == PageFormat.pageBytes { return unsafe readPage(number, to: target) }
        // A part of one page: the head of the database, when it is opened. It is believed with its whole page only.
        guard start + target.count <= PageFormat.pageBytes else { return .read }
        let code = unsafe readPage(number, to: buffer)
        guard code == .ok, let page = unsafe buffer.baseAddress else {
            unsafe target.initializeMemory(as: UInt8.self, repeating: 0)
            return code
        }
        unsafe base.copyMemory(from: page + start, byteCount: target.count)
        return .ok
    }

    private func readPage(_ number: UInt32, to target: UnsafeMutableRawBufferPointer) -> SQLiteCode {
        guard let base = target.baseAddress else { return .read }
        // While pages change to another key, one may be read in the middle of its write.
        for attempt in 1... {
            let code = unsafe below.read(target, at: Int64(number - 1) * Int64(PageFormat.pageBytes))
            if code == .shortRead {
                // Nothing at all: the page is beyond the end, where SQLite knows what zeros mean.
                guard isBeyondEnd(number) else { return damaged(number, .missing) }
                return code
            }
            guard code == .ok else { return code }
            guard let reason = unsafe sealer.openPage(base, number: number) else { return .ok }
            if !file.isRewriting || attempt == SealedFile.readAttemptsMax { return damaged(number, reason) }
        }
        return .read
    }

    func write(_ source: UnsafeRawBufferPointer, at offset: Int64) -> SQLiteCode {
        guard let number = SealedDatabaseLayer.page(at: offset), source.count == PageFormat.pageBytes,
            offset % Int64(PageFormat.pageBytes) == 0, let page = source.baseAddress,
            let sealed = unsafe buffer.baseAddress,
            unsafe sealer.sealPage(page, number: number, to: sealed)
        else { return .write }
        return unsafe below.write(UnsafeRawBufferPointer(buffer), at: offset)
    }

    func truncate(to size: Int64) -> SQLiteCode { below.truncate(to: size) }

    func sync(flags: CInt) -> SQLiteCode { below.sync(flags: flags) }

    func getSize(_ size: inout Int64) -> SQLiteCode { below.getSize(&size) }

    func willMapSharedMemory() -> SQLiteCode { file.readMark().map { .damaged($0) } ?? .ok }

    func willClose() -> SQLiteCode {
        file.didClose()
        return .ok
    }

    private func damaged(_ number: UInt32, _ reason: PageDamage.Reason) -> SQLiteCode {
        .damaged(PageDamage(file: file.path, page: number, reason: reason))
    }

    private func isBeyondEnd(_ number: UInt32) -> Bool {
        var size: Int64 = 0
        guard below.getSize(&size) == .ok else { return false }
        return size <= Int64(number - 1) * Int64(PageFormat.pageBytes)
    }

    private static func page(at offset: Int64) -> UInt32? {
        guard offset >= 0 else { return nil }
        return UInt32(exactly: offset / Int64(PageFormat.pageBytes) + 1)
    }
}
