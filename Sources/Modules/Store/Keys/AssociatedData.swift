// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// What a sealed value is bound to, as bytes: each field at its place and of its length, so that no two places have one
/// writing.
///
///     label      16   ASCII, filled up with zeros
///     tenant     32   length, then text; zeros for what belongs to none
///     table      32   the same
///     column     32   the same
///     row        64   the same
///     version     8   big endian
///     key id      8   big endian: the generation of the key that seals
///
/// A text that does not fit stands as 0xFF and its SHA-256.
struct AssociatedData {
    static let byteCount = 16 + 32 + 32 + 32 + 64 + 8 + 8

    private(set) var bytes: [UInt8] = []

    init(
        label: StaticString, tenant: String = "", table: StaticString = "", column: StaticString = "", row: String = "",
        version: Int = 0, keyID: Int
    ) {
        precondition(label.utf8CodeUnitCount <= 16)
        bytes.reserveCapacity(Self.byteCount)
        append(label)
        fill(to: 16)
        append(tenant, width: 32)
        append(table, width: 32)
        append(column, width: 32)
        append(row, width: 64)
        append(UInt64(bitPattern: Int64(version)))
        append(UInt64(bitPattern: Int64(keyID)))
    }

    private mutating func append(_ text: StaticString) {
        // A static string's bytes live as long as the program.
        text.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
    }

    private mutating func append(_ text: StaticString, width: Int) {
        let start = bytes.count
        precondition(text.utf8CodeUnitCount < width, "names of tables and columns are our own")
        bytes.append(UInt8(text.utf8CodeUnitCount))
        append(text)
        fill(to: start + width)
    }

    private mutating func append(_ text: String, width: Int) {
        let start = bytes.count
        let count = text.utf8.count
        if count < width {
            bytes.append(UInt8(count))
            bytes.append(contentsOf: text.utf8)
            fill(to: start + width)
        } else {
            let digest = SHA256.digest(Array(text.utf8)).bytes
            bytes.append(0xFF)
            bytes.append(contentsOf: digest[..<min(digest.count, width - 1)])
            fill(to: start + width)
        }
    }

    private mutating func append(_ number: UInt64) {
        for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
    }

    private mutating func fill(to count: Int) {
        bytes.append(contentsOf: repeatElement(0, count: max(0, count - bytes.count)))
    }
}
