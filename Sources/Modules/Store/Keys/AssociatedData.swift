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

    private(set) var bytes = [UInt8](repeating: 0, count: byteCount)
    private var end = 0

    init(
        label: StaticString, tenant: String = "", table: StaticString = "", column: StaticString = "", row: String = "",
        version: Int = 0, keyID: Int
    ) {
        precondition(label.utf8CodeUnitCount <= 16)
        put(label, at: 0)
        end = 16
        append(tenant, width: 32)
        append(table, width: 32)
        append(column, width: 32)
        append(row, width: 64)
        append(UInt64(bitPattern: Int64(version)))
        append(UInt64(bitPattern: Int64(keyID)))
    }

    private mutating func put(_ text: StaticString, at start: Int) {
        // A static string's bytes live as long as the program.
        text.withUTF8Buffer { text in
            for index in 0..<text.count { unsafe bytes[start + index] = text[index] }
        }
    }

    private mutating func append(_ text: StaticString, width: Int) {
        precondition(text.utf8CodeUnitCount < width, "names of tables and columns are our own")
        bytes[end] = UInt8(text.utf8CodeUnitCount)
        put(text, at: end + 1)
        end += width
    }

    private mutating func append(_ text: String, width: Int) {
        let count = text.utf8.count
        var index = end + 1
        if count < width {
            bytes[end] = UInt8(count)
            for byte in text.utf8 {
                bytes[index] = byte
                index += 1
            }
        } else {
            bytes[end] = 0xFF
            for byte in SHA256.digest(Array(text.utf8)).bytes.prefix(width - 1) {
                bytes[index] = byte
                index += 1
            }
        }
        end += width
    }

    private mutating func append(_ number: UInt64) {
        for place in 0..<8 { bytes[end + place] = UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * place)) }
        end += 8
    }
}
