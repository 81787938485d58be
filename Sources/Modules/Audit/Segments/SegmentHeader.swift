// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// The first bytes of a segment.
///
///     magic            8   "GHAUDIT1"
///     number           8   of the segment, from 1; all numbers big endian
///     first sequence   8   of its first record
///     created          8   milliseconds since 1970
///     capacity         8   bytes of the file, allocated when it was made
///     previous        32   hash of the sealed record before its first; zeros where that is the first of all
///     id              16   random: part of what binds a record to its segment
///     replaces         1   1 where it begins with records that the segment before it could not flush, or where that one
///                          ends in part of a write, cut off by a kill
///     reserved        35   zeros
///     checksum         4   CRC-32 of the bytes above: a torn header is told from a forged one, which this does not stop
///
/// Behind it frames, until four zero bytes or the end of the file:
///
///     length           4   of the sealed record; 0 where the segment ends
///     nonce           12   random
///     ciphertext           of the record, AES-256-GCM under the segment's key
///     tag             16
///
/// Associated data are a label, the digest of the header and the record's sequence, so that a record is nowhere else what it
/// is here. A segment that replaces takes the place of the one before it from its own first sequence on.
struct SegmentHeader: Equatable, Sendable {
    static let byteCount = 128
    static let idByteCount = 16
    private static let magic = Array("GHAUDIT1".utf8)

    let number: Int
    let firstSequence: Int
    let created: WallTime
    let capacity: Int
    let previous: Digest?
    let id: [UInt8]
    var replaces = false

    /// `00000000000000000042.log`: twenty digits, so that names sort as numbers.
    var name: String { Self.name(number: number) }

    static func name(number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 20 - digits.utf8.count)) + digits + ".log"
    }

    /// The number in a file's name; nil for other files.
    static func number(inName name: String) -> Int? {
        guard name.utf8.count == 24, name.hasSuffix(".log"), let number = Int(name.dropLast(4)), number > 0 else {
            return nil
        }
        return self.name(number: number) == name ? number : nil
    }

    func encoded() -> [UInt8] {
        var bytes = Self.magic
        bytes.appendBigEndian(UInt64(number))
        bytes.appendBigEndian(UInt64(firstSequence))
        bytes.appendBigEndian(UInt64(bitPattern: created.milliseconds))
        bytes.appendBigEndian(UInt64(capacity))
        bytes += previous?.bytes ?? [UInt8](repeating: 0, count: Digest.byteCount)
        bytes += id
        bytes.append(replaces ? 1 : 0)
        bytes += [UInt8](repeating: 0, count: Self.byteCount - 4 - bytes.count)
        bytes.appendBigEndian(CRC32.checksum(bytes.span))
        return bytes
    }

    /// Reads a header; nil for bytes that ``encoded()`` does not write.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.byteCount, bytes.starts(with: Self.magic),
            let number = Int(exactly: bytes.bigEndian(at: 8)), number > 0,
            let firstSequence = Int(exactly: bytes.bigEndian(at: 16)),
            let capacity = Int(exactly: bytes.bigEndian(at: 32)), capacity >= Self.byteCount,
            bytes[88] <= 1, bytes[89..<124].allSatisfy({ $0 == 0 }),
            UInt32(truncatingIfNeeded: bytes.bigEndian(at: 120)) == CRC32.checksum(bytes.span.extracting(..<124))
        else { return nil }
        let previous = Digest(bytes.span.extracting(40..<72))
        self.init(
            number: number, firstSequence: firstSequence,
            created: WallTime(milliseconds: Int64(bitPattern: bytes.bigEndian(at: 24))), capacity: capacity,
            previous: bytes[40..<72].allSatisfy { $0 == 0 } ? nil : previous, id: Array(bytes[72..<88]),
            replaces: bytes[88] == 1)
    }

    init(
        number: Int, firstSequence: Int, created: WallTime, capacity: Int, previous: Digest?, id: [UInt8],
        replaces: Bool
    ) {
        (self.number, self.firstSequence, self.created) = (number, firstSequence, created)
        (self.capacity, self.previous, self.id, self.replaces) = (capacity, previous, id, replaces)
    }
}
