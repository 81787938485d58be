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
    /// Version and algorithm, and what is filled in behind them.
    private static let emptyHead = [1, 1] + [UInt8](repeating: 0, count: headByteCount - 2)
    private static let emptyTag = [UInt8](repeating: 0, count: AES256GCM.tagByteCount)

    let tenant: TenantID
    private let gcm = RepeatedAES256GCM()
    /// The keys that are scheduled.
    private var sealing: ObjectKey?
    private var opening: (key: ObjectKey, generation: Int)?
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
        // Room for all of it, filled by copies: of all ways to make an array this one is specialised.
        var frame: [UInt8] = []
        frame.reserveCapacity(count + Self.overheadByteCount)
        frame.append(contentsOf: Self.emptyHead)
        unsafe plain.withUnsafeBufferPointer { plain in unsafe frame.append(contentsOf: plain) }
        frame.append(contentsOf: Self.emptyTag)
        // Head, ciphertext and tag each get their part of it.
        let isSealed = unsafe frame.withUnsafeMutableBytes { frame in
            guard let base = frame.baseAddress else { return false }
            unsafe base.storeBytes(
                of: UInt32(truncatingIfNeeded: generation).bigEndian, toByteOffset: 2, as: UInt32.self)
            unsafe NonceStock.take(to: base + Self.nonceOffset)
            unsafe gcm.beginSealing(nonce: base + Self.nonceOffset)
            unsafe gcm.associateSealing(associated, count: AssociatedData.byteCount)
            let text = unsafe base + Self.headByteCount
            if count > 0 { unsafe gcm.seal(text, to: text, count: count) }
            return unsafe gcm.finishSealing(tag: text + count)
        }
        guard isSealed else {
            SecretBytes.wipe(&frame)
            throw .refused("content cannot be sealed")
        }
        return frame
    }

    /// The content of a frame that was sealed for the same cell.
    ///
    /// - Throws: `damaged` for anything else, and nothing of the content comes out.
    func open(_ frame: Span<UInt8>, in cell: Cell, with key: ObjectKey) throws(KeyringFailure) -> [UInt8] {
        guard let generation = Self.generation(of: frame), schedule(key, generation) else { throw Self.damage(cell) }
        describe(cell, generation)
        let count = frame.count - Self.overheadByteCount
        // A copy of the ciphertext, opened in place.
        var plain: [UInt8] = []
        plain.reserveCapacity(count)
        // The frame has the lengths its head and tag are read with.
        let isOpen = unsafe frame.withUnsafeBufferPointer { frame in
            guard let base = unsafe UnsafeRawPointer(frame.baseAddress) else { return false }
            let start = Self.headByteCount
            unsafe plain.append(contentsOf: UnsafeBufferPointer(rebasing: frame[start..<(start + count)]))
            unsafe gcm.beginOpening(nonce: base + Self.nonceOffset, tag: base + start + count)
            unsafe gcm.associateOpening(associated, count: AssociatedData.byteCount)
            unsafe plain.withUnsafeMutableBytes { plain in
                if let plain = plain.baseAddress, count > 0 { unsafe gcm.open(plain, to: plain, count: count) }
            }
            return gcm.finishOpening()
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
        if let opening, opening.key === key, opening.generation == generation { return true }
        opening = nil
        guard let bytes = key[generation], (try? gcm.useForOpening(bytes)) != nil else { return false }
        opening = (key, generation)
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
