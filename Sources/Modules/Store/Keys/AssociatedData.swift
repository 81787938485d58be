// SPDX-License-Identifier: Apache-2.0

import Core
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
    static let byteCount = 192

    let bytes: [UInt8]

    init(
        label: StaticString, tenant: String = "", table: StaticString = "", column: StaticString = "", row: String = "",
        version: Int = 0, keyID: Int
    ) {
        bytes = unsafe [UInt8](unsafeUninitializedCapacity: Self.byteCount) { target, count in
            if let base = target.baseAddress {
                // Together the two write all of it.
                unsafe Self.write(label: label, tenant: tenant, table: table, column: column, to: base)
                unsafe Self.write(row: .text(row), version: version, keyID: keyID, to: base)
            }
            count = Self.byteCount
        }
    }

    // MARK: - Parts, for who writes many

    /// What is the same for every value of a column, to 192 bytes at `target`.
    static func write(
        label: StaticString, tenant: String, table: StaticString, column: StaticString,
        to target: UnsafeMutableRawPointer
    ) {
        unsafe target.initializeMemory(as: UInt8.self, repeating: 0, count: 112)
        precondition(label.utf8CodeUnitCount <= 16)
        unsafe put(label, to: target)
        unsafe put(tenant, to: target + 16, width: 32)
        unsafe put(column: table, to: target + 48)
        unsafe put(column: column, to: target + 80)
    }

    /// What differs from value to value.
    static func write(row: Cell.Row, version: Int, keyID: Int, to target: UnsafeMutableRawPointer) {
        switch row {
        case .text(let text): unsafe put(text, to: target + 112, width: 64)
        case .number(let number): unsafe put(number, to: target + 112, width: 64)
        }
        unsafe target.storeBytes(of: version.bigEndian, toByteOffset: 176, as: Int.self)
        unsafe target.storeBytes(of: keyID.bigEndian, toByteOffset: 184, as: Int.self)
    }

    private static func put(_ text: StaticString, to target: UnsafeMutableRawPointer) {
        // A static string's bytes live as long as the program; every caller has made room.
        text.withUTF8Buffer { text in
            if let base = text.baseAddress { unsafe target.copyMemory(from: base, byteCount: text.count) }
        }
    }

    private static func put(column text: StaticString, to target: UnsafeMutableRawPointer) {
        precondition(text.utf8CodeUnitCount < 32, "names of tables and columns are our own")
        unsafe target.storeBytes(of: UInt8(text.utf8CodeUnitCount), as: UInt8.self)
        unsafe put(text, to: target + 1)
    }

    /// What `put` writes for its digits as a text.
    private static func put(_ number: Int, to target: UnsafeMutableRawPointer, width: Int) {
        unsafe target.initializeMemory(as: UInt8.self, repeating: 0, count: width)
        // 19 digits and a sign at most, which fit.
        var (rest, count) = (number.magnitude, number < 0 ? 2 : 1)
        while rest >= 10 { (rest, count) = (rest / 10, count + 1) }
        unsafe target.storeBytes(of: UInt8(truncatingIfNeeded: count), as: UInt8.self)
        if number < 0 { unsafe target.storeBytes(of: UInt8(ascii: "-"), toByteOffset: 1, as: UInt8.self) }
        rest = number.magnitude
        repeat {
            let digit = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            unsafe target.storeBytes(of: digit, toByteOffset: count, as: UInt8.self)
            (rest, count) = (rest / 10, count - 1)
        } while rest > 0
    }

    private static func put(_ text: String, to target: UnsafeMutableRawPointer, width: Int) {
        unsafe target.initializeMemory(as: UInt8.self, repeating: 0, count: width)
        var text = text
        // `width` bytes: a length and what is shorter, or a mark and 31 bytes of a digest.
        text.withUTF8 { text in
            if let base = text.baseAddress, text.count < width {
                unsafe target.storeBytes(of: UInt8(text.count), as: UInt8.self)
                unsafe (target + 1).copyMemory(from: base, byteCount: text.count)
            }
        }
        guard text.utf8.count >= width else { return }
        unsafe target.storeBytes(of: 0xFF, as: UInt8.self)
        let digest = SHA256.digest(Array(text.utf8)).bytes.prefix(width - 1)
        for (index, byte) in digest.enumerated() {
            unsafe target.storeBytes(of: byte, toByteOffset: 1 + index, as: UInt8.self)
        }
    }
}
