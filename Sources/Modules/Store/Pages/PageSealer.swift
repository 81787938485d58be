// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform
import SQLite

/// Seals and opens the pages of one file for one connection, on its thread, in memory that is allocated once.
@safe final class PageSealer {
    private struct Cipher {
        let generation: UInt32
        let gcm: RepeatedAES256GCM
    }

    private let file: SealedFile
    private var ciphers: [Cipher] = []
    private var keysVersion = -1
    /// 72 bytes; what never changes is filled in at the start.
    private let associated: UnsafeMutableRawPointer
    /// Random bytes in stock: a system call for 256 nonces, not for each.
    private var nonces: [UInt8] = []
    private var nonceNext = PageSealer.nonceStockBytes

    private static let nonceStockBytes = 256 * AES256GCM.nonceByteCount

    init(_ file: SealedFile) {
        self.file = file
        nonces = [UInt8](repeating: 0, count: PageSealer.nonceStockBytes)
        unsafe associated = .allocate(byteCount: PageFormat.associatedBytesInLog, alignment: 8)
        unsafe associated.initializeMemory(as: UInt8.self, repeating: 0, count: PageFormat.associatedBytesInLog)
        PageSealer.digest(of: file.identity).withBytes { digest in
            // 32 bytes into 72.
            unsafe digest.withUnsafeBytes { source in
                if let base = source.baseAddress { unsafe associated.copyMemory(from: base, byteCount: source.count) }
            }
        }
        put(1 as UInt8, at: 33)
    }

    deinit { unsafe associated.deallocate() }

    /// What stands for a file in the associated data. Only the last part has no fixed length.
    private static func digest(of identity: FileIdentity) -> Digest {
        precondition(identity.id.count == 16, "the id of a file has 16 bytes")
        return SHA256.digest(
            Array("gatehouse page file 1".utf8) + identity.id + [identity.role.rawValue]
                + Array(identity.tenant.utf8))
    }

    // In all of these, `page` points to 4096 bytes and `frame` to 4120.

    /// Seals `page` for the database. False if the page has content where the seal goes, or OpenSSL refused.
    func sealPage(_ page: UnsafeRawPointer, number: UInt32, to target: UnsafeMutableRawPointer) -> Bool {
        guard let gcm = unsafe begin(page, to: target) else { return false }
        unsafe describe(part: 1, sealed: target, number: number, commit: 0)
        unsafe gcm.associateSealing(associated, count: PageFormat.associatedBytes)
        var start = 0
        if number == 1 {
            start = PageFormat.readableBytes
            unsafe target.copyMemory(from: page, byteCount: start)
            unsafe gcm.associateSealing(page, count: start)
        }
        unsafe gcm.seal(page + start, to: target + start, count: PageFormat.contentBytes - start)
        return unsafe gcm.finishSealing(tag: target + PageFormat.tagOffset)
    }

    /// Opens a page of the database in place and clears its seal; where it does not open, the memory is zero.
    func openPage(_ page: UnsafeMutableRawPointer, number: UInt32) -> PageDamage.Reason? {
        let generation = unsafe PageSealer.generation(of: page)
        guard let gcm = cipher(generation) else {
            unsafe PageSealer.clear(page)
            return .unknownKey(generation: generation)
        }
        unsafe describe(part: 1, sealed: page, number: number, commit: 0)
        unsafe gcm.beginOpening(nonce: page + PageFormat.nonceOffset, tag: page + PageFormat.tagOffset)
        unsafe gcm.associateOpening(associated, count: PageFormat.associatedBytes)
        var start = 0
        if number == 1 {
            start = PageFormat.readableBytes
            unsafe gcm.associateOpening(page, count: start)
        }
        unsafe gcm.open(page + start, to: page + start, count: PageFormat.contentBytes - start)
        return unsafe finishOpening(gcm, page)
    }

    /// Seals header and page of a frame.
    func sealFrame(
        head: UnsafeRawPointer, page: UnsafeRawPointer, number: Int, salts: UInt64, to target: UnsafeMutableRawPointer
    ) -> Bool {
        let targetPage = unsafe target + PageFormat.frameHeadBytes
        guard let gcm = unsafe begin(page, to: targetPage) else { return false }
        unsafe target.copyMemory(from: head, byteCount: PageFormat.checksumOffset)
        unsafe describe(frame: target, number: number, salts: salts)
        unsafe gcm.associateSealing(associated, count: PageFormat.associatedBytesInLog)
        unsafe gcm.seal(page, to: targetPage, count: PageFormat.contentBytes)
        unsafe gcm.seal(
            head + PageFormat.checksumOffset, to: target + PageFormat.checksumOffset, count: PageFormat.checksumBytes)
        return unsafe gcm.finishSealing(tag: targetPage + PageFormat.tagOffset)
    }

    /// Opens a frame: the page to `page`, its seal cleared, the checksum in place in `frame`. Where it does not open, both
    /// are zero.
    func openFrame(
        _ frame: UnsafeMutableRawPointer, number: Int, salts: UInt64, to page: UnsafeMutableRawPointer
    ) -> PageDamage.Reason? {
        let source = unsafe frame + PageFormat.frameHeadBytes
        let generation = unsafe PageSealer.generation(of: source)
        let written = unsafe frame.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        guard written == salts || written == 0, let gcm = cipher(generation) else {
            unsafe memset(frame, 0, PageFormat.frameHeadBytes)
            unsafe PageSealer.clear(page)
            return written == salts || written == 0 ? .unknownKey(generation: generation) : .notAuthentic
        }
        unsafe describe(frame: frame, number: number, salts: salts)
        unsafe gcm.beginOpening(nonce: source + PageFormat.nonceOffset, tag: source + PageFormat.tagOffset)
        unsafe gcm.associateOpening(associated, count: PageFormat.associatedBytesInLog)
        unsafe gcm.open(source, to: page, count: PageFormat.contentBytes)
        let checksum = unsafe frame + PageFormat.checksumOffset
        unsafe gcm.open(checksum, to: checksum, count: PageFormat.checksumBytes)
        let reason = unsafe finishOpening(gcm, page)
        if reason != nil { unsafe _ = memset(frame, 0, PageFormat.frameHeadBytes) }
        return reason
    }

    /// Which key a sealed page names.
    static func generation(of page: UnsafeRawPointer) -> UInt32 {
        unsafe UInt32(bigEndian: page.loadUnaligned(fromByteOffset: PageFormat.generationOffset, as: UInt32.self))
    }

    // MARK: - Parts

    /// Writes the seal's generation and nonce and begins.
    private func begin(_ page: UnsafeRawPointer, to target: UnsafeMutableRawPointer) -> RepeatedAES256GCM? {
        // What SQLite had there would be lost, and with it the checksum it made over the page: then the log would end
        // here after a crash, silently.
        let reserved = unsafe page + PageFormat.contentBytes
        for offset in stride(from: 0, to: PageFormat.reservedBytes, by: 8) {
            guard unsafe reserved.loadUnaligned(fromByteOffset: offset, as: UInt64.self) == 0 else { return nil }
        }
        refreshKeys()
        guard let cipher = ciphers.first else { return nil }
        unsafe target.storeBytes(
            of: cipher.generation.bigEndian, toByteOffset: PageFormat.generationOffset, as: UInt32.self)
        unsafe putNonce(target + PageFormat.nonceOffset)
        unsafe cipher.gcm.beginSealing(nonce: target + PageFormat.nonceOffset)
        file.countWrite()
        return cipher.gcm
    }

    private func finishOpening(_ gcm: RepeatedAES256GCM, _ page: UnsafeMutableRawPointer) -> PageDamage.Reason? {
        guard gcm.finishOpening() else {
            unsafe PageSealer.clear(page)
            return .notAuthentic
        }
        // SQLite's checksum of a frame covers these bytes as they were before sealing.
        unsafe memset(page + PageFormat.contentBytes, 0, PageFormat.reservedBytes)
        return nil
    }

    private static func clear(_ page: UnsafeMutableRawPointer) { unsafe _ = memset(page, 0, PageFormat.pageBytes) }

    private func describe(part: UInt8, sealed page: UnsafeRawPointer, number: UInt32, commit: UInt32) {
        put(part, at: 32)
        // As it stands in the page.
        unsafe put(page.loadUnaligned(fromByteOffset: PageFormat.generationOffset, as: UInt32.self), at: 36)
        put(number.bigEndian, at: 40)
        put(commit.bigEndian, at: 44)
    }

    private func describe(frame: UnsafeRawPointer, number: Int, salts: UInt64) {
        let page = unsafe frame + PageFormat.frameHeadBytes
        put(2 as UInt8, at: 32)
        unsafe put(page.loadUnaligned(fromByteOffset: PageFormat.generationOffset, as: UInt32.self), at: 36)
        unsafe (associated + 40).copyMemory(from: frame, byteCount: 16)
        // The salts in the order of the file's bytes, whatever the machine's is.
        put(salts, at: 56)
        put(UInt64(number).bigEndian, at: 64)
    }

    private func put<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
        unsafe associated.storeBytes(of: number, toByteOffset: offset, as: Number.self)
    }

    private func putNonce(_ target: UnsafeMutableRawPointer) {
        if nonceNext >= PageSealer.nonceStockBytes {
            Random.fill(&nonces)
            nonceNext = 0
        }
        // 12 bytes of the stock, each given out once.
        unsafe nonces.withUnsafeBytes { stock in
            unsafe target.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: stock[nonceNext..<(nonceNext + AES256GCM.nonceByteCount)])
                    .baseAddress.unsafelyUnwrapped, byteCount: AES256GCM.nonceByteCount)
        }
        nonceNext += AES256GCM.nonceByteCount
    }

    private func cipher(_ generation: UInt32) -> RepeatedAES256GCM? {
        refreshKeys()
        for cipher in ciphers where cipher.generation == generation { return cipher.gcm }
        return nil
    }

    /// The first cipher is the one that seals.
    private func refreshKeys() {
        let version = file.keysVersion
        guard version != keysVersion else { return }
        ciphers = file.keys.compactMap { key in
            guard let gcm = try? RepeatedAES256GCM(key: key.bytes) else { return nil }
            return Cipher(generation: key.generation, gcm: gcm)
        }
        keysVersion = version
    }
}
