// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform

/// The content key of one erasable object, opened, in all its generations.
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
final class ObjectKey: Sendable {
    static let overheadByteCount = 6 + AES256GCM.nonceByteCount + AES256GCM.tagByteCount
    /// The largest content of one cell, in bytes.
    static let contentBytesMax = 1 << 30
    private static let headByteCount = 6 + AES256GCM.nonceByteCount

    private let newest: (generation: Int, cipher: AES256GCM)
    private let older: [Int: AES256GCM]

    /// A key of one generation, 32 bytes.
    convenience init(_ key: SecretBytes, generation: Int = 1) {
        self.init([(generation, key)])
    }

    /// Keys in the order of their generations; at least one.
    init(_ keys: [(generation: Int, key: SecretBytes)]) {
        precondition(!keys.isEmpty)
        var ciphers = keys.map { (generation: $0.generation, cipher: Self.cipher($0.key)) }
        newest = ciphers.removeLast()
        older = Dictionary(uniqueKeysWithValues: ciphers.map { ($0.generation, $0.cipher) })
    }

    var generation: Int { newest.generation }

    /// Seals content for one cell of one tenant, under the newest generation.
    func seal(_ plain: Span<UInt8>, in cell: Cell, of tenant: TenantID) throws(KeyringFailure) -> [UInt8] {
        guard plain.count <= Self.contentBytesMax else { throw .refused("a cell holds at most 1 GiB") }
        let nonce = NonceStock.take()
        let data = Self.data(cell, tenant, newest.generation)
        let sealed: [UInt8]
        do throws(CryptoError) {
            sealed = try newest.cipher.seal(plain, nonce: nonce.span, associatedData: data.bytes.span)
        } catch {
            throw .refused("content cannot be sealed: \(error)")
        }
        var frame: [UInt8] = []
        frame.reserveCapacity(Self.headByteCount + sealed.count)
        frame.append(1)
        frame.append(1)
        frame.append(number: newest.generation, bytes: 4)
        frame += nonce
        frame += sealed
        return frame
    }

    /// The content of a frame that was sealed for the same cell.
    ///
    /// - Throws: `damaged` for anything else, and nothing of the content comes out.
    func open(_ frame: [UInt8], in cell: Cell, of tenant: TenantID) throws(KeyringFailure) -> [UInt8] {
        guard let generation = Self.generation(of: frame) else { throw Self.damage(cell) }
        guard let cipher = generation == newest.generation ? newest.cipher : older[generation] else {
            throw Self.damage(cell)
        }
        let data = Self.data(cell, tenant, generation)
        let span = frame.span
        do throws(CryptoError) {
            return try cipher.open(
                span.extracting(Self.headByteCount...), nonce: span.extracting(6..<Self.headByteCount),
                associatedData: data.bytes.span)
        } catch {
            throw Self.damage(cell)
        }
    }

    /// The generation of the key that sealed a frame; `nil` for what is no frame of ours.
    static func generation(of frame: [UInt8]) -> Int? {
        guard frame.count >= overheadByteCount, frame[0] == 1, frame[1] == 1 else { return nil }
        return frame[2..<6].reduce(0) { $0 << 8 | Int($1) }
    }

    private static func data(_ cell: Cell, _ tenant: TenantID, _ generation: Int) -> AssociatedData {
        AssociatedData(
            label: "field", tenant: tenant.text, table: cell.table, column: cell.column, row: cell.row,
            version: cell.version, keyID: generation)
    }

    private static func damage(_ cell: Cell) -> KeyringFailure {
        .damaged("the sealed value at \(cell.table).\(cell.column)")
    }

    private static func cipher(_ key: SecretBytes) -> AES256GCM {
        do {
            return try AES256GCM(key: key)
        } catch {
            preconditionFailure("an object's key has 32 bytes: \(error)")
        }
    }
}
