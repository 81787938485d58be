// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core

/// Where the fields of an entry are written, in the order of their numbers.
protocol FieldSink: ~Copyable {
    /// Adds a field.
    ///
    /// - Precondition: its number is higher than those of all before it, and the value has no more than 255 bytes.
    mutating func put(_ field: AuditField, _ value: Span<UInt8>)

    /// Adds a number's last `count` bytes, 1 to 8.
    mutating func put(_ field: AuditField, _ number: UInt64, count: Int)

    /// Begins with fields that another entry begins with.
    ///
    /// - Precondition: nothing was added before.
    /// - Parameters:
    ///   - head: whole fields of that entry, from its first on.
    ///   - field: none of them has a higher number.
    mutating func begin(_ head: Span<UInt8>, upTo field: AuditField)
}

extension FieldSink where Self: ~Copyable {
    /// Adds a text; nothing where there is none.
    ///
    /// - Precondition: fields are added in the order of their numbers.
    mutating func set(_ field: AuditField, _ text: String?) { set(field, text, bytesMax: AuditEntry.valueBytesMax) }

    /// The same for a name that somebody chose.
    mutating func set(name field: AuditField, _ text: String?) { set(field, text, bytesMax: AuditEntry.nameBytesMax) }

    private mutating func set(_ field: AuditField, _ text: String?, bytesMax: Int) {
        guard let text else { return }
        let bytes = text.utf8.span
        var count = bytes.count
        if count > bytesMax {
            // No half character: what is read back must be UTF-8.
            count = bytesMax
            while count > 0, bytes[count] & 0xC0 == 0x80 { count -= 1 }
        }
        put(field, bytes.extracting(first: count))
    }

    /// Adds a text of no more than 255 characters, ASCII.
    mutating func set(_ field: AuditField, characters: Span<UInt8>) { put(field, characters) }

    /// Adds a text that is a literal of no more than 255 bytes.
    mutating func set(_ field: AuditField, literal: StaticString) {
        // A literal's memory lives as long as the program.
        put(field, unsafe Span(_unsafeStart: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    /// Adds a number; nothing where there is none. Negative ones count as 0.
    mutating func set(_ field: AuditField, _ number: Int?) {
        guard let number else { return }
        let magnitude = UInt64(max(number, 0))
        put(field, magnitude, count: max(1, (71 - magnitude.leadingZeroBitCount) / 8))
    }

    /// Adds the bytes of a digest.
    mutating func set(_ field: AuditField, digest: [UInt8]?) {
        guard let digest else { return }
        put(field, digest.span.extracting(first: min(digest.count, 32)))
    }

    /// Adds who is behind the key; nothing where nobody is named.
    mutating func set(endUser digest: EndUserDigest?) {
        digest?.withBytes { put(.endUser, $0) }
    }
}

/// Writes the fields of an entry straight to where they will stand, in memory that has room for whatever they are: a record of
/// two dozen fields then asks for room once.
@safe struct FieldWriter: FieldSink, ~Copyable {
    /// Room for every field that there can be, each of them at its longest; and for a number that is written as eight bytes
    /// whatever it has.
    static let byteCountMax = 256 * (2 + AuditEntry.valueBytesMax) + 8

    private let start: UnsafeMutableRawPointer
    private(set) var count = 0
    /// Where the first field stands that is a figure or comes behind those, or will stand.
    private(set) var figures = 0
    /// The number of the field ``AuditField/intent``, once it is written.
    private(set) var intent: Int?
    private var last: UInt8 = 0

    /// - Parameter start: of ``byteCountMax`` bytes that are nobody else's for as long as this is used.
    init(at start: UnsafeMutableRawPointer) { unsafe self.start = start }

    // SAFETY: fields come in ascending order, each once: so all of them together have room, whatever their lengths.

    mutating func begin(_ head: Span<UInt8>, upTo field: AuditField) {
        precondition(count == 0 && head.count <= Self.byteCountMax - 8 && !field.isFigure, "a head comes first")
        unsafe head.withUnsafeBytes {
            guard let source = $0.baseAddress else { return }
            unsafe start.copyMemory(from: source, byteCount: $0.count)
        }
        (count, figures, last) = (head.count, head.count, field.rawValue)
    }

    @inline(__always)
    mutating func put(_ field: AuditField, _ value: Span<UInt8>) {
        begin(field)
        let length = UInt8(value.count)
        unsafe start.storeBytes(of: field.rawValue, toByteOffset: count, as: UInt8.self)
        unsafe start.storeBytes(of: length, toByteOffset: count &+ 1, as: UInt8.self)
        unsafe value.withUnsafeBytes {
            guard let source = $0.baseAddress else { return }
            unsafe (start + count + 2).copyMemory(from: source, byteCount: $0.count)
        }
        count &+= 2 &+ Int(length)
        if !field.isFigure { figures = count }
    }

    @inline(__always)
    mutating func put(_ field: AuditField, _ number: UInt64, count bytes: Int) {
        precondition(1 <= bytes && bytes <= 8, "a number has one to eight bytes")
        begin(field)
        if field == .intent { intent = Int(clamping: number) }
        unsafe start.storeBytes(of: field.rawValue, toByteOffset: count, as: UInt8.self)
        unsafe start.storeBytes(of: UInt8(truncatingIfNeeded: bytes), toByteOffset: count &+ 1, as: UInt8.self)
        // What stands behind its own bytes is written over by the next field, or is nobody's.
        unsafe start.storeBytes(
            of: (number &<< UInt64(64 &- 8 &* bytes)).bigEndian, toByteOffset: count &+ 2, as: UInt64.self)
        count &+= 2 &+ bytes
        if !field.isFigure { figures = count }
    }

    @inline(__always)
    private mutating func begin(_ field: AuditField) {
        precondition(field.rawValue > last, "fields are written in the order of their numbers, each once")
        last = field.rawValue
    }

    /// What was written so far.
    var written: [UInt8] {
        // As much as was written, copied within the call.
        unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
    }
}
