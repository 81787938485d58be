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
///     previous        32   leaf of the record before its first; zeros where that is the first of all
///     id              16   random: part of what binds a piece to its segment
///     replaces         1   1 where it begins with records that the segment before it could not flush, or where that one
///                          ends in part of a write, cut off by a kill
///     reserved        35   zeros
///     checksum         4   CRC-32 of the bytes above: a torn header is told from a forged one, which this does not stop
///
/// Behind it pieces, until two zero bytes or the end of the file. A piece is what was written in one moment (the records of a turn
/// of a loop), sealed as one; what goes beyond 64 KiB or 1024 records is another.
///
///     count            2   of its records, 1 to 1024; 0 where the segment ends
///     lengths          2   for each record, of its text
///     nonce           12   counted up from a random one
///     ciphertext           AES-256-GCM under the segment's key, of
///       wall time      8     milliseconds since 1970
///       monotonic      8     nanoseconds since the machine's start
///       boot          16     the kernel's id of that start
///       generation     8     of the control database
///       texts                of the records, as in ``AuditRecord``, one behind the other
///     tag             16   never all zeros, which are room that nothing was written to
///
/// Associated data are a label, the digest of the header, the sequence of the first record, the leaf before it (zeros for none),
/// and count and lengths as they stand there. Sequence and leaf need no bytes: whoever reads knows them.
///
/// The leaf of a record, SHA-256 over a zero byte and its part (RFC 6962), needs no key. Its part is the ciphertext of its text; that
/// of the first in a piece begins with the piece, that of the last ends with it, and that of the first in a segment begins with the
/// header. So each byte up to the end of the last piece is in one leaf and in no other.
///
/// What somebody can do who writes to the disk and has no key:
///
/// * Whatever they change, put in, leave out or move is other bytes in some leaf, or other leaves in another order. Leaves in
///   their order are all bytes in their order, and these can be read in one way only, since count and lengths stand before what
///   they are of, and a header, whose first two bytes are no count, is no piece: two segments with the same leaves are the same
///   segment. The tree's index tells equal leaves apart. A checkpoint signs the root, so nothing that it vouches for can be another,
///   wherever pieces or records are cut; and nothing but the log's key signs another.
/// * Behind the last checkpoint the tag stands alone. A piece of another segment, another place or another run of this server has
///   another header, sequence or leaf before it in its associated data; records moved within it, other lengths or a count that
///   is not its own are another text or other data. A guess holds once in 2^116 (2^12 blocks of at most 64 KiB beside 128 bits). What
///   can be done is to cut: pieces can be missing at the end, and a damaged one takes all behind it along, as after a power cut.
///   The log goes on there and says how many bytes were lost; a checkpoint kept elsewhere names the records.
/// * What is torn is dropped as a whole: its tag is missing, or is not that of what is there. Whoever has no key sees a torn piece
///   where its lengths do not fit or its tag was not written, and else counts its records until the next segment takes their place.
/// * A nonce is not used twice: a key is that of one segment's number, and its nonces begin at a random one of 2^96 each time such
///   a segment is begun, once unless a disk refuses it, and go up. Beside the bounds of GCM (2^32 pieces, 2^36 bytes each) a
///   segment is small: 2^24 pieces are more than 1 GiB.
/// * They see how many records were written together, when files grow, and how long each is, and learn no more.
///
/// Whoever has the segment's key too can write other pieces, and all behind them anew: that is what checkpoints are for.
///
/// A segment that replaces takes the place of the one before it from its own first sequence on, where a piece of that one begins.
struct SegmentHeader: Equatable, Sendable {
    static let byteCount = 128
    static let idByteCount = 16
    private static let magic = Array("GHAUDIT1".utf8)
    /// Sequences behind it can be counted, however many a file has.
    private static let firstSequenceMax = Int.max / 2

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
            let firstSequence = Int(exactly: bytes.bigEndian(at: 16)), firstSequence <= Self.firstSequenceMax,
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
