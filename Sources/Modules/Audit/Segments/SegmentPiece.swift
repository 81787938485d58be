// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// How long the parts of a piece are, and how long they may be. ``SegmentHeader`` tells what a piece is.
enum PieceFormat {
    static let countByteCount = 2
    static let lengthByteCount = 2
    /// Bytes of a text before its records.
    static let headByteCount = 40
    /// Bytes of a piece that are neither lengths nor records.
    static let overheadByteCount =
        countByteCount + AES256GCM.nonceByteCount + headByteCount + AES256GCM.tagByteCount

    /// Bytes of a text, its head included: so much is opened at once. A turn of a busy loop has a fifth of it.
    static let textBytesMax = 64 * 1024
    static let recordsMax = 1024
    /// Bytes that a record takes at most in a segment, where its fields are no longer than they should be.
    static let recordBytesMax = bytes(ofRecordWith: AuditEntry.bytesMax)

    /// Bytes that a record with so many bytes of fields takes in a segment, in a piece of its own.
    static func bytes(ofRecordWith fieldBytes: Int) -> Int {
        overheadByteCount + lengthByteCount + AuditRecord.kindByteCount + fieldBytes
    }
}

/// One piece of a segment, where it stands: its lengths are known to fit, and nothing of it is opened.
struct SealedPiece: Sendable {
    /// Of the whole segment.
    private let bytes: [UInt8]
    /// Where it begins.
    private let start: Int
    /// Where the part of its first record begins.
    private let partStart: Int
    /// Records in it; one at least.
    let count: Int
    private let textStart: Int
    private let tagStart: Int

    /// Where what comes behind it begins.
    var end: Int { tagStart + AES256GCM.tagByteCount }

    /// Takes what stands at a place of a segment; nil where that is no whole piece. Nothing of these bytes is to be believed.
    init?(in bytes: [UInt8], at start: Int) {
        let left = bytes.count - start
        guard left >= PieceFormat.countByteCount else { return nil }
        let count = bytes.bigEndian16(at: start)
        let textPlace = PieceFormat.countByteCount + PieceFormat.lengthByteCount * count + AES256GCM.nonceByteCount
        guard (1...PieceFormat.recordsMax).contains(count), left >= textPlace else { return nil }
        var textBytes = PieceFormat.headByteCount
        for index in 0..<count {
            let length = bytes.bigEndian16(at: Self.place(ofLength: index, start))
            guard (AuditRecord.kindByteCount...AuditRecord.textBytesMax).contains(length) else { return nil }
            textBytes += length
        }
        guard textBytes <= PieceFormat.textBytesMax, left >= textPlace + textBytes + AES256GCM.tagByteCount else {
            return nil
        }
        (self.bytes, self.start, self.count) = (bytes, start, count)
        partStart = start == SegmentHeader.byteCount ? 0 : start
        (textStart, tagStart) = (start + textPlace, start + textPlace + textBytes)
        // The room of a segment holds zeros: that much of the piece was never written.
        guard bytes[tagStart..<end].contains(where: { $0 != 0 }) else { return nil }
    }

    private static func place(ofLength index: Int, _ start: Int) -> Int {
        start + PieceFormat.countByteCount + PieceFormat.lengthByteCount * index
    }

    private func length(_ index: Int) -> Int { bytes.bigEndian16(at: Self.place(ofLength: index, start)) }

    /// The bytes that each record's leaf is made of: together they are all of the piece, and none of them is in two. In front of
    /// the first piece of a segment stands its header.
    var parts: [ArraySlice<UInt8>] {
        var parts: [ArraySlice<UInt8>] = []
        parts.reserveCapacity(count)
        var (begin, next) = (partStart, textStart + PieceFormat.headByteCount)
        for index in 0..<count {
            next = index == count - 1 ? end : next + length(index)
            parts.append(bytes[begin..<next])
            begin = next
        }
        return parts
    }

    /// The hashes of its records as leaves of the tree.
    var leaves: [Digest] { parts.map { MerkleHash.leaf($0.span) } }

    /// The last of them, without the others.
    var lastLeaf: Digest {
        let begin = count == 1 ? partStart : tagStart - length(count - 1)
        return MerkleHash.leaf(bytes.span.extracting(begin..<end))
    }

    // MARK: For the key

    /// What is bound to it besides its place: count and lengths.
    var lengths: ArraySlice<UInt8> { bytes[start..<textStart - AES256GCM.nonceByteCount] }

    var nonce: ArraySlice<UInt8> { bytes[textStart - AES256GCM.nonceByteCount..<textStart] }

    /// Ciphertext and tag.
    var sealed: ArraySlice<UInt8> { bytes[textStart..<end] }

    /// The records of its opened text; nil where they are none.
    ///
    /// - Precondition: `text` is what ``sealed`` was made of.
    func records(in text: [UInt8], first: Int) -> [AuditRecord]? {
        guard text.count == tagStart - textStart, var place = AuditRecord.Place(head: text, first: first) else {
            return nil
        }
        var records: [AuditRecord] = []
        records.reserveCapacity(count)
        var offset = PieceFormat.headByteCount
        for index in 0..<count {
            let next = offset + length(index)
            guard let record = AuditRecord(text[offset..<next], at: place) else { return nil }
            records.append(record)
            offset = next
            place.sequence += 1
        }
        return records
    }
}

/// The pieces of a segment, read from its bytes.
struct SegmentPieces: Sequence, IteratorProtocol {
    private let bytes: [UInt8]
    /// Where the next piece begins.
    private(set) var offset = SegmentHeader.byteCount
    /// Whether what stands at `offset` is neither a piece nor the end.
    private(set) var isBroken = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The next piece; nil at the end, and where the rest is none.
    mutating func next() -> SealedPiece? {
        guard !isBroken, bytes.count - offset >= PieceFormat.countByteCount, bytes.bigEndian16(at: offset) != 0 else {
            return nil
        }
        guard let piece = SealedPiece(in: bytes, at: offset) else {
            isBroken = true
            return nil
        }
        offset = piece.end
        return piece
    }

    /// Whether nothing but zeros stands behind the last piece.
    var endsInZeros: Bool { !isBroken && bytes[Swift.min(offset, bytes.count)...].allSatisfy { $0 == 0 } }

    /// Bytes from an offset to the last one that is not zero.
    func bytesInUse(from offset: Int) -> Int {
        bytes.lastIndex { $0 != 0 }.map { Swift.max(0, $0 + 1 - offset) } ?? 0
    }
}

extension AuditRecord.Place {
    /// Writes what the head of a piece says of all its records: ``PieceFormat/headByteCount`` bytes.
    func writeHead(to head: UnsafeMutableRawPointer) {
        // The caller's room, which has all of them.
        unsafe head.storeBytes(of: time.milliseconds.bigEndian, as: Int64.self)
        unsafe head.storeBytes(of: monotonic.nanoseconds.bigEndian, toByteOffset: 8, as: UInt64.self)
        unsafe head.storeBytes(of: boot.high.bigEndian, toByteOffset: 16, as: UInt64.self)
        unsafe head.storeBytes(of: boot.low.bigEndian, toByteOffset: 24, as: UInt64.self)
        unsafe head.storeBytes(of: UInt64(generation).bigEndian, toByteOffset: 32, as: UInt64.self)
    }

    /// The place of the first record of a text; nil where its head is none.
    fileprivate init?(head text: [UInt8], first: Int) {
        guard text.count >= PieceFormat.headByteCount, let generation = Int(exactly: text.bigEndian(at: 32)) else {
            return nil
        }
        self.init(
            sequence: first, time: WallTime(milliseconds: Int64(bitPattern: text.bigEndian(at: 0))),
            monotonic: Instant(nanoseconds: text.bigEndian(at: 8)),
            boot: AuditRecord.BootMark(high: text.bigEndian(at: 16), low: text.bigEndian(at: 24)),
            generation: generation)
    }
}

extension [UInt8] {
    /// The two bytes at an offset.
    ///
    /// - Precondition: they are there.
    fileprivate func bigEndian16(at offset: Int) -> Int { Int(self[offset]) << 8 | Int(self[offset + 1]) }
}
