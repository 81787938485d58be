// SPDX-License-Identifier: Apache-2.0

import SQLite

/// The layer over a database's main file: pages are sealed on their way down and opened on their way up.
@safe final class SealedDatabaseLayer: SQLiteFileLayer {
    let file: SealedFile
    let below: SQLiteFileBelow
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
        guard let number = SealedDatabaseLayer.page(at: offset) else { return .read }
        let start = Int(offset % Int64(PageFormat.pageBytes))
        if start == 0, target.count == PageFormat.pageBytes { return unsafe readPage(number, to: target) }
        // The beginning of an overflow page, which SQLite reads past its cache where it is not in the log
        // (SQLITE_DIRECT_OVERFLOW_READ, on by default since 3.45): what is sealed is opened whole.
        if start == 0, number > 1, target.count <= PageFormat.contentBytes {
            let code = unsafe readPage(number, to: buffer)
            if code == .ok { unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<target.count])) }
            return code
        }
        // A part of the first page: the head of the database, when it is opened.
        guard number == 1, start + target.count <= PageFormat.readableBytes else { return .read }
        let code = unsafe below.read(target, at: offset)
        // Its page may be torn by a checkpoint that a crash cut off, and whole in the log; so the head is not believed, but
        // what the format fixes is given in its place. The whole page follows, from where it is whole, and is opened.
        if code == .ok, start == 0 {
            let fixed = unsafe UnsafeMutableRawBufferPointer(rebasing: target[..<min(target.count, 24)])
            unsafe fixed.copyBytes(from: SealedDatabaseLayer.head[..<fixed.count])
        }
        return code
    }

    /// Bytes 0 ..< 24 of every sealed database (sqlite.org/fileformat2.html, 1.3).
    static let head: [UInt8] =
        Array("SQLite format 3\0".utf8) + [
            UInt8(PageFormat.pageBytes >> 8), UInt8(PageFormat.pageBytes & 255), 2, 2, UInt8(PageFormat.reservedBytes),
            64,
            32, 32,
        ]

    private func readPage(_ number: UInt32, to target: UnsafeMutableRawBufferPointer) -> SQLiteCode {
        guard let base = target.baseAddress else { return .read }
        // While pages change to another key, one may be read in the middle of its write: what does not open is read again.
        for attempt in 1... {
            let code = unsafe below.read(target, at: Int64(number - 1) * Int64(PageFormat.pageBytes))
            if code == .shortRead {
                // Nothing at all: the page is beyond the end, where SQLite knows what zeros mean.
                guard isBeyondEnd(number) else { return damaged(number, .missing) }
                return code
            }
            guard code == .ok else { return code }
            guard let reason = unsafe sealer.openPage(base, number: number) else { return .ok }
            if attempt == SealedFile.readAttemptsMax { return damaged(number, reason) }
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

    /// Page `number` sealed with the key in use; `nil` where it is already.
    func reseal(_ number: UInt32) throws(SQLiteError) -> [UInt8]? {
        guard let page = unsafe buffer.baseAddress else { return nil }
        let code = unsafe below.read(buffer, at: Int64(number - 1) * Int64(PageFormat.pageBytes))
        guard code == .ok else {
            throw SQLiteError(
                .unavailable, code: code.rawValue, message: "page \(number) cannot be read", subject: file.path)
        }
        if unsafe PageSealer.generation(of: page) == file.keys.first?.generation { return nil }
        if let reason = unsafe sealer.openPage(page, number: number) {
            throw SQLiteError(PageDamage(file: file.path, page: number, reason: reason))
        }
        var sealed = [UInt8](repeating: 0, count: PageFormat.pageBytes)
        let isSealed = unsafe sealed.withUnsafeMutableBytes { target in
            guard let target = target.baseAddress else { return false }
            return unsafe sealer.sealPage(page, number: number, to: target)
        }
        guard isSealed else {
            throw SQLiteError(.unavailable, message: "page \(number) cannot be sealed", subject: file.path)
        }
        return sealed
    }

    /// Writes a page that is sealed.
    func put(_ sealed: [UInt8], number: UInt32) -> SQLiteCode {
        unsafe sealed.withUnsafeBytes { unsafe below.write($0, at: Int64(number - 1) * Int64(PageFormat.pageBytes)) }
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
