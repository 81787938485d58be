// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Platform

/// One record of the log, in its place. In a piece (``SegmentHeader``) it stands as its text, of which equal records have equal
/// bytes; its place is where the piece is, and what the head of the piece says of all records in it.
///
///     kind         1
///     fields           as in ``AuditEntry``
struct AuditRecord: Equatable, Sendable {
    /// Bytes of a text before its fields.
    static let kindByteCount = 1
    /// Bytes of the longest text that can be: each field once, and each at its longest.
    static let textBytesMax = kindByteCount + AuditField.allCases.count * (2 + AuditEntry.valueBytesMax)

    var place: Place
    let entry: AuditEntry

    /// Where and when a record stands.
    struct Place: Equatable, Sendable {
        var sequence: Int
        var time: WallTime
        var monotonic: Instant
        var boot: BootMark
        /// Of the control database, so that an older copy of either is recognised.
        var generation: Int

        /// Whether both were written in one moment, by one server.
        func isOfOneMoment(as other: Place) -> Bool {
            monotonic == other.monotonic && time == other.time && generation == other.generation && boot == other.boot
        }
    }

    /// The kernel's id of a start of the machine: 16 bytes, in each record, so no array.
    struct BootMark: Equatable, Sendable {
        let high: UInt64
        let low: UInt64

        init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

        /// - Precondition: `bytes` are 16.
        init(_ bytes: [UInt8]) { self.init(high: bytes.bigEndian(at: 0), low: bytes.bigEndian(at: 8)) }
    }

    init(_ entry: AuditEntry, at place: Place) {
        (self.entry, self.place) = (entry, place)
    }

    var kind: AuditKind { entry.kind }

    /// Its text in a piece.
    func encoded() -> [UInt8] { [kind.rawValue] + entry.bytes }

    /// Reads the text of a record; nil for bytes that ``encoded()`` does not write.
    init?(_ text: ArraySlice<UInt8>, at place: Place) {
        guard let first = text.first, let kind = AuditKind(rawValue: first), text.count <= Self.textBytesMax,
            Self.areFields(text.dropFirst())
        else { return nil }
        self.init(AuditEntry(kind, checked: Array(text.dropFirst())), at: place)
    }

    private static func areFields(_ bytes: ArraySlice<UInt8>) -> Bool {
        var (rest, last) = (bytes, UInt8(0))
        while !rest.isEmpty {
            guard rest.count >= 2, let field = AuditField(rawValue: rest[rest.startIndex]), field.rawValue > last else {
                return false
            }
            let count = Int(rest[rest.startIndex + 1])
            let value = rest.dropFirst(2).prefix(count)
            guard value.count == count else { return false }
            switch field.form {
            case .text: guard String(validating: value, as: UTF8.self) != nil else { return false }
            case .number: guard (1...8).contains(count), count == 1 || value.first != 0 else { return false }
            case .digest: guard count <= 32 else { return false }
            }
            last = field.rawValue
            rest = rest.dropFirst(2 + count)
        }
        return true
    }

    // MARK: Fields

    func text(_ field: AuditField) -> String? { entry.text(field) }

    func number(_ field: AuditField) -> Int? { entry.number(field) }

    func digest(_ field: AuditField) -> [UInt8]? { entry.digest(field) }
}

extension [UInt8] {
    mutating func appendBigEndian(_ number: UInt64) {
        // Eight bytes of a local, copied within the closure.
        unsafe Swift.withUnsafeBytes(of: number.bigEndian) { unsafe append(contentsOf: $0) }
    }

    mutating func appendBigEndian(_ number: UInt16) {
        // Two bytes of a local, copied within the closure.
        unsafe Swift.withUnsafeBytes(of: number.bigEndian) { unsafe append(contentsOf: $0) }
    }

    mutating func appendBigEndian(_ number: UInt32) {
        // Four bytes of a local, copied within the closure.
        unsafe Swift.withUnsafeBytes(of: number.bigEndian) { unsafe append(contentsOf: $0) }
    }

    /// The eight bytes at an offset.
    ///
    /// - Precondition: they are there.
    func bigEndian(at offset: Int) -> UInt64 {
        self[offset..<offset + 8].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
