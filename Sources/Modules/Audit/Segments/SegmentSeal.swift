// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// A segment's key at work for whoever reads it.
struct SegmentSeal: Sendable {
    private let cipher: AES256GCM
    private let label: [UInt8]

    init(_ header: SegmentHeader, key: SecretBytes) throws(CryptoError) {
        cipher = try AES256GCM(key: key)
        label = Self.label(header)
    }

    /// What is bound to every piece of a segment, before its own place.
    fileprivate static func label(_ header: SegmentHeader) -> [UInt8] {
        Array("gatehouse audit piece".utf8) + SHA256.digest(header.encoded()).bytes
    }

    /// The records of a piece that was sealed for this place; nil for anything else.
    ///
    /// - Parameters:
    ///   - first: the sequence of its first record.
    ///   - previous: the leaf before that.
    func open(_ piece: SealedPiece, first: Int, after previous: Digest?) -> [AuditRecord]? {
        var data = label
        data.appendBigEndian(UInt64(first))
        data += (previous ?? Digest.zero).bytes
        data += piece.lengths
        guard
            let text = try? cipher.open(piece.sealed.span, nonce: piece.nonce.span, associatedData: data.span)
        else { return nil }
        return piece.records(in: text, first: first)
    }
}

/// The key of the segment that is written, at work: seals one piece after the other, where it is to stand. Used by one thread
/// at a time.
@safe final class SegmentSealer {
    private let cipher: RepeatedAES256GCM
    /// The label, and behind it room for a place: a sequence and a leaf. Memory of its own: an array of an object is changed in
    /// the object's hands, which counts references to that.
    private let data: UnsafeMutableRawBufferPointer
    private static let placeByteCount = 8 + Digest.byteCount
    /// What stands in front of the first piece.
    private let header: [UInt8]
    /// The nonce of the next piece: random at first, and one more with each piece (SP 800-38D §8.2.2). They are no secret; all
    /// that counts is that a key never sees one twice, also where a segment was begun, taken away and begun again.
    private var nonce = (high: UInt32(truncatingIfNeeded: Random.uint64()), low: Random.uint64())

    init(_ header: SegmentHeader, key: SecretBytes) throws(CryptoError) {
        cipher = try RepeatedAES256GCM(key: key)
        let label = SegmentSeal.label(header)
        self.header = header.encoded()
        unsafe data = .allocate(byteCount: label.count + Self.placeByteCount, alignment: 1)
        // Room for the label, and for a place behind it.
        unsafe data.copyBytes(from: label)
    }

    // Allocated by init, and used nowhere else.
    deinit { unsafe data.deallocate() }

    /// Adds a piece behind those before it: as many of the records as were written in one moment and go into one.
    ///
    /// - Parameters:
    ///   - range: which of them; one at least.
    ///   - previous: the leaf before the first; then that of the last record in the piece.
    ///   - shift: where in the segment `bytes` are to stand.
    ///   - leaves: gets their leaves.
    /// - Returns: how many are in it.
    func appendPiece(
        of records: borrowing AuditRecords, _ range: Range<Int>, after previous: inout Digest?,
        to bytes: inout [UInt8], at shift: Int, _ leaves: inout [Digest]
    ) throws(CryptoError) -> Int {
        let first = records.marks[range.lowerBound].place
        let count = Self.fitting(records, range)
        let sealed = range.lowerBound..<range.lowerBound + count
        let (place, text) = (bytes.count, records.bytes.span.extracting(records.text(of: sealed)))
        let lengthsByteCount = PieceFormat.countByteCount + PieceFormat.lengthByteCount * count
        let byteCount = PieceFormat.overheadByteCount + PieceFormat.lengthByteCount * count + text.count
        setPlace(first.sequence, previous)
        var isSealed = false
        bytes.append(addingCapacity: byteCount) { room in
            unsafe room.withUnsafeMutableBufferPointer { buffer, initialized in
                unsafe text.withUnsafeBytes { text in
                    // Room was asked for, as much as count and lengths, nonce, head, records and tag are together, so all of them
                    // are within it; records are borrowed for the length of the call, and a label was allocated by init.
                    guard let room = buffer.baseAddress, let text = text.baseAddress,
                        let label = unsafe data.baseAddress
                    else { return }
                    let lengths = unsafe UnsafeMutableRawPointer(room + initialized)
                    unsafe lengths.storeBytes(of: UInt16(count).bigEndian, as: UInt16.self)
                    for index in 0..<count {
                        unsafe lengths.storeBytes(
                            of: UInt16(records.marks[sealed.lowerBound + index].textByteCount).bigEndian,
                            toByteOffset: PieceFormat.countByteCount + PieceFormat.lengthByteCount * index,
                            as: UInt16.self)
                    }
                    let nonce = unsafe lengths + lengthsByteCount
                    unsafe nonce.storeBytes(of: self.nonce.high.bigEndian, as: UInt32.self)
                    unsafe nonce.storeBytes(of: self.nonce.low.bigEndian, toByteOffset: 4, as: UInt64.self)
                    self.nonce.low &+= 1
                    let head = unsafe nonce + AES256GCM.nonceByteCount
                    unsafe first.writeHead(to: head)
                    let target = unsafe head + PieceFormat.headByteCount
                    let tag = unsafe lengths + byteCount - AES256GCM.tagByteCount
                    unsafe cipher.beginSealing(nonce: nonce)
                    unsafe cipher.associateSealing(label, count: data.count)
                    unsafe cipher.associateSealing(lengths, count: lengthsByteCount)
                    unsafe cipher.seal(head, to: head, count: PieceFormat.headByteCount)
                    unsafe cipher.seal(text, to: target, count: tag - target)
                    isSealed = unsafe cipher.finishSealing(tag: tag)
                    initialized += byteCount
                }
            }
        }
        guard isSealed else { throw .library(operation: "AES-256-GCM", reason: "records could not be sealed") }
        var begin = place
        var next = place + lengthsByteCount + AES256GCM.nonceByteCount + PieceFormat.headByteCount
        for index in sealed {
            next = index + 1 == sealed.upperBound ? place + byteCount : next + records.marks[index].textByteCount
            if begin + shift == SegmentHeader.byteCount {
                let header = header
                leaves.append(MerkleHash.leaf(header.span, bytes.span.extracting(begin..<next)))
            } else {
                leaves.append(MerkleHash.leaf(bytes.span.extracting(begin..<next)))
            }
            begin = next
        }
        previous = leaves.last
        return count
    }

    /// How many of some records go into one piece; one at least, whatever it is.
    private static func fitting(_ records: borrowing AuditRecords, _ range: Range<Int>) -> Int {
        let first = records.marks[range.lowerBound]
        var textBytes = PieceFormat.headByteCount + first.textByteCount
        var count = 1
        for index in range.dropFirst().prefix(PieceFormat.recordsMax - 1) {
            let mark = records.marks[index]
            textBytes += mark.textByteCount
            guard textBytes <= PieceFormat.textBytesMax, mark.place.isOfOneMoment(as: first.place) else { break }
            count += 1
        }
        return count
    }

    /// Binds the next piece to its place.
    private func setPlace(_ sequence: Int, _ previous: Digest?) {
        // The label leaves as many bytes behind it.
        let place = unsafe data.count - Self.placeByteCount
        unsafe data.storeBytes(of: UInt64(sequence).bigEndian, toByteOffset: place, as: UInt64.self)
        (previous ?? Digest.zero).withBytes { leaf in
            unsafe leaf.withUnsafeBytes { leaf in
                guard let target = unsafe data.baseAddress, let source = leaf.baseAddress else { return }
                unsafe (target + place + 8).copyMemory(from: source, byteCount: leaf.count)
            }
        }
    }
}
