// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Platform

/// One record of the log, in its place. Binary and canonical: equal records have equal bytes.
///
///     version      1   1
///     kind         1
///     sequence     8   from 0, without gaps; all numbers big endian
///     wall time    8   milliseconds since 1970
///     monotonic    8   nanoseconds since the machine's start
///     boot        16   the kernel's id of that start
///     generation   8   of the control database, so that an older copy of either is recognised
///     previous    32   hash of the sealed record before this one; zeros for the first
///     fields           as in ``AuditEntry``
struct AuditRecord: Equatable, Sendable {
    static let version: UInt8 = 1
    static let headByteCount = 82
    static let bytesMax = headByteCount + AuditEntry.bytesMax

    var place: Place
    let entry: AuditEntry

    /// Where and when a record stands.
    struct Place: Equatable, Sendable {
        var sequence: Int
        var time: WallTime
        var monotonic: Instant
        var boot: BootMark
        var generation: Int
        var previous: Digest?
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

    /// Bytes of its binary form.
    var byteCount: Int { Self.headByteCount + entry.bytes.count }

    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(addingCapacity: byteCount) { append(to: &$0) }
        return bytes
    }

    /// Adds its binary form, for which there must be room.
    func append(to bytes: inout OutputSpan<UInt8>) { Self.append(kind, place, entry.bytes.span, to: &bytes) }

    /// The same of a record whose fields lie somewhere else.
    static func append(
        _ kind: AuditKind, _ place: Place, _ fields: Span<UInt8>, to bytes: inout OutputSpan<UInt8>
    ) {
        bytes.append(version)
        bytes.append(kind.rawValue)
        bytes.append(bigEndian: UInt64(place.sequence))
        bytes.append(bigEndian: UInt64(bitPattern: place.time.milliseconds))
        bytes.append(bigEndian: place.monotonic.nanoseconds)
        bytes.append(bigEndian: place.boot.high)
        bytes.append(bigEndian: place.boot.low)
        bytes.append(bigEndian: UInt64(place.generation))
        if let previous = place.previous {
            previous.withBytes { bytes.append($0) }
        } else {
            bytes.append(repeating: 0, count: Digest.byteCount)
        }
        bytes.append(fields)
    }

    /// Reads a record; nil for bytes that ``encoded()`` does not write.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.headByteCount, bytes.count <= Self.bytesMax, bytes[0] == Self.version,
            let kind = AuditKind(rawValue: bytes[1]), let sequence = Int(exactly: bytes.bigEndian(at: 2)),
            let generation = Int(exactly: bytes.bigEndian(at: 42)),
            let previous = Digest(bytes.span.extracting(50..<82)), Self.areFields(bytes[82...])
        else { return nil }
        place = Place(
            sequence: sequence, time: WallTime(milliseconds: Int64(bitPattern: bytes.bigEndian(at: 10))),
            monotonic: Instant(nanoseconds: bytes.bigEndian(at: 18)),
            boot: BootMark(high: bytes.bigEndian(at: 26), low: bytes.bigEndian(at: 34)),
            generation: generation, previous: bytes[50..<82].allSatisfy { $0 == 0 } ? nil : previous)
        entry = AuditEntry(kind, checked: Array(bytes[82...]))
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

extension OutputSpan where Element == UInt8 {
    /// - Precondition: there is room.
    mutating func append(bigEndian number: UInt64) {
        // Eight bytes of a local, copied within the closure.
        unsafe Swift.withUnsafeBytes(of: number.bigEndian) { unsafe append(copying: $0) }
    }

    /// - Precondition: there is room.
    mutating func append(bigEndian number: UInt32) {
        // Four bytes of a local, copied within the closure.
        unsafe Swift.withUnsafeBytes(of: number.bigEndian) { unsafe append(copying: $0) }
    }
}

extension [UInt8] {
    mutating func appendBigEndian(_ number: UInt64) {
        // Eight bytes of a local, copied within the closure.
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
