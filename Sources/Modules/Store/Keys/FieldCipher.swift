// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform

/// Seals and opens the content of one tenant's fields, one after the other on one thread. The last key stays scheduled:
/// neighbouring fields mostly belong to one object.
///
/// What it seals is a frame:
///
///     version     1   1
///     algorithm   1   1: AES-256-GCM
///     key id      4   generation of the object's key, big endian
///     nonce      12   random
///     ciphertext  n
///     tag        16
///
/// bound to the tenant and the cell (AssociatedData), so that it opens nowhere else. The object is bound by its key.
@safe final class FieldCipher {
    static let overheadByteCount = headByteCount + AES256GCM.tagByteCount
    /// The largest content of one cell, in bytes.
    static let contentBytesMax = 1 << 30
    private static let nonceOffset = 6
    private static let headByteCount = nonceOffset + AES256GCM.nonceByteCount
    /// Version and algorithm.
    private static let mark: UInt16 = 0x0101

    let tenant: TenantID
    private let gcm = RepeatedAES256GCM()
    /// The keys that are scheduled.
    private var sealing: ObjectKey?
    private var opening: ObjectKey?
    private var openingGeneration = 0
    /// 192 bytes: AssociatedData, written anew where it differs from the last field's.
    private let associated: UnsafeMutableRawPointer
    private var column: (table: StaticString, column: StaticString)?

    init(_ tenant: TenantID) {
        self.tenant = tenant
        unsafe associated = .allocate(byteCount: AssociatedData.byteCount, alignment: 8)
    }

    deinit { unsafe associated.deallocate() }

    /// Seals content for one cell, under the newest generation.
    func seal(_ plain: Span<UInt8>, in cell: Cell, with key: ObjectKey) throws(KeyringFailure) -> [UInt8] {
        guard plain.count <= Self.contentBytesMax else { throw .refused("a cell holds at most 1 GiB") }
        if sealing !== key {
            sealing = nil
            do throws(CryptoError) {
                try gcm.useForSealing(key.newest.key)
            } catch {
                throw .refused("content cannot be sealed: \(error)")
            }
            sealing = key
        }
        let generation = key.newest.generation
        describe(cell, generation)
        let count = plain.count
        var isSealed = false
        // Head, ciphertext and tag each get their part of it, and together fill it.
        let frame = unsafe [UInt8](unsafeUninitializedCapacity: count + Self.overheadByteCount) { frame, filled in
            guard let base = UnsafeMutableRawPointer(frame.baseAddress) else { return }
            unsafe base.storeBytes(of: Self.mark.bigEndian, as: UInt16.self)
            unsafe base.storeBytes(
                of: UInt32(truncatingIfNeeded: generation).bigEndian, toByteOffset: 2, as: UInt32.self)
            unsafe NonceStock.take(to: base + Self.nonceOffset)
            unsafe gcm.beginSealing(nonce: base + Self.nonceOffset)
            unsafe gcm.associateSealing(associated, count: AssociatedData.byteCount)
            let text = unsafe base + Self.headByteCount
            unsafe plain.withUnsafeBytes { plain in
                if let plain = plain.baseAddress, count > 0 { unsafe gcm.seal(plain, to: text, count: count) }
            }
            isSealed = unsafe gcm.finishSealing(tag: text + count)
            filled = count + Self.overheadByteCount
        }
        guard isSealed else { throw .refused("content cannot be sealed") }
        return frame
    }

    /// The content of a frame that was sealed for the same cell.
    ///
    /// - Throws: `damaged` for anything else, and nothing of the content comes out.
    func open(_ frame: Span<UInt8>, in cell: Cell, with key: ObjectKey) throws(KeyringFailure) -> [UInt8] {
        guard let generation = Self.generation(of: frame), schedule(key, generation) else { throw Self.damage(cell) }
        describe(cell, generation)
        let count = frame.count - Self.overheadByteCount
        var isOpen = false
        // The frame has the lengths its head and tag are read with, and the text fills its array.
        var plain = unsafe [UInt8](unsafeUninitializedCapacity: count) { plain, filled in
            unsafe frame.withUnsafeBytes { frame in
                guard let base = frame.baseAddress else { return }
                let text = unsafe base + Self.headByteCount
                unsafe gcm.beginOpening(nonce: base + Self.nonceOffset, tag: text + count)
                unsafe gcm.associateOpening(associated, count: AssociatedData.byteCount)
                if let plain = UnsafeMutableRawPointer(plain.baseAddress), count > 0 {
                    unsafe gcm.open(text, to: plain, count: count)
                }
                isOpen = gcm.finishOpening()
                filled = count
            }
        }
        guard isOpen else {
            SecretBytes.wipe(&plain)
            throw Self.damage(cell)
        }
        return plain
    }

    /// The generation of the key that sealed a frame; `nil` for what is no frame of ours.
    private static func generation(of frame: Span<UInt8>) -> Int? {
        guard frame.count >= overheadByteCount, frame[0] == 1, frame[1] == 1 else { return nil }
        return (2..<nonceOffset).reduce(0) { $0 << 8 | Int(frame[$1]) }
    }

    /// False where the object has no key of that generation.
    private func schedule(_ key: ObjectKey, _ generation: Int) -> Bool {
        if opening === key, openingGeneration == generation { return true }
        opening = nil
        guard let bytes = key[generation], (try? gcm.useForOpening(bytes)) != nil else { return false }
        opening = key
        openingGeneration = generation
        return true
    }

    private func describe(_ cell: Cell, _ generation: Int) {
        if let column, Self.isSame(column.table, cell.table), Self.isSame(column.column, cell.column) {
            // Only the row differs.
        } else {
            unsafe AssociatedData.write(
                label: "field", tenant: tenant.text, table: cell.table, column: cell.column, to: associated)
            column = (cell.table, cell.column)
        }
        unsafe AssociatedData.write(row: cell.row, version: cell.version, keyID: generation, to: associated)
    }

    /// Whether two names are the same literal; where this says no they are written anew.
    private static func isSame(_ left: StaticString, _ right: StaticString) -> Bool {
        guard left.hasPointerRepresentation, right.hasPointerRepresentation else { return false }
        return unsafe left.utf8Start == right.utf8Start && left.utf8CodeUnitCount == right.utf8CodeUnitCount
    }

    private static func damage(_ cell: Cell) -> KeyringFailure {
        .damaged("the sealed value at \(cell.table).\(cell.column)")
    }
}
