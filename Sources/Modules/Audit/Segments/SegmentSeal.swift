// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// How records stand in a segment, and its key at work for whoever reads them.
struct SegmentSeal: Sendable {
    static let overheadByteCount = AES256GCM.nonceByteCount + AES256GCM.tagByteCount
    /// Bytes of the length before each sealed record.
    static let lengthByteCount = 4
    static let sealedBytesMax = AuditRecord.bytesMax + overheadByteCount
    /// The most that one record takes in a segment.
    static let frameBytesMax = sealedBytesMax + lengthByteCount

    private let cipher: AES256GCM
    private let label: [UInt8]

    init(_ header: SegmentHeader, key: SecretBytes) throws(CryptoError) {
        cipher = try AES256GCM(key: key)
        label = Self.label(header)
    }

    /// What is bound to every record of a segment, before its sequence.
    fileprivate static func label(_ header: SegmentHeader) -> [UInt8] {
        Array("gatehouse audit record".utf8) + SHA256.digest(header.encoded()).bytes
    }

    /// The record that was sealed for a sequence; nil for anything else.
    func open(_ sealed: [UInt8], sequence: Int) -> AuditRecord? {
        guard sealed.count > Self.overheadByteCount else { return nil }
        let (nonce, rest) = (Array(sealed[..<AES256GCM.nonceByteCount]), Array(sealed[AES256GCM.nonceByteCount...]))
        var data = label
        data.appendBigEndian(UInt64(sequence))
        guard let bytes = try? cipher.open(rest.span, nonce: nonce.span, associatedData: data.span),
            let record = AuditRecord(bytes), record.place.sequence == sequence
        else { return nil }
        return record
    }
}

/// The key of the segment that is written, at work: seals one record after the other, where it stands. Used by one thread
/// at a time.
@safe final class SegmentSealer {
    private let cipher: RepeatedAES256GCM
    /// The label, and behind it room for a sequence. Memory of its own: an array of an object is changed in the object's hands,
    /// which counts references to that.
    private let data: UnsafeMutableRawBufferPointer
    /// The nonce of the next record: random at first, and one more with each record (SP 800-38D §8.2.2). They are no secret; all
    /// that counts is that a key never sees one twice, also where a segment was begun, taken away and begun again.
    private var nonce = (high: UInt32(truncatingIfNeeded: Random.uint64()), low: Random.uint64())

    init(_ header: SegmentHeader, key: SecretBytes) throws(CryptoError) {
        cipher = try RepeatedAES256GCM(key: key)
        let label = SegmentSeal.label(header)
        unsafe data = .allocate(byteCount: label.count + 8, alignment: 1)
        // Room for the label, and for eight bytes behind it.
        unsafe data.copyBytes(from: label)
    }

    // Allocated by init, and used nowhere else.
    deinit { unsafe data.deallocate() }

    /// Adds a record's frame: length, nonce, ciphertext and tag.
    func appendFrame(of record: AuditRecord, to bytes: inout [UInt8]) throws(CryptoError) {
        try appendFrame(record.kind, record.place, record.entry.bytes.span, to: &bytes)
    }

    /// The same of a record whose fields lie somewhere else.
    func appendFrame(
        _ kind: AuditKind, _ place: AuditRecord.Place, _ fields: Span<UInt8>, to bytes: inout [UInt8]
    ) throws(CryptoError) {
        let (start, count) = (bytes.count + SegmentSeal.lengthByteCount, AuditRecord.headByteCount + fields.count)
        let sealedCount = count + SegmentSeal.overheadByteCount
        bytes.append(addingCapacity: SegmentSeal.lengthByteCount + sealedCount) { frame in
            frame.append(bigEndian: UInt32(sealedCount))
            frame.append(bigEndian: nonce.high)
            frame.append(bigEndian: nonce.low)
            AuditRecord.append(kind, place, fields, to: &frame)
            // Room for the tag.
            frame.append(repeating: 0, count: AES256GCM.tagByteCount)
        }
        nonce.low &+= 1
        // The last eight bytes are room for it.
        unsafe data.storeBytes(
            of: UInt64(place.sequence).bigEndian, toByteOffset: data.count - 8, as: UInt64.self)
        // Nonce, text and tag were appended just now: all of them lie behind `start`.
        let isSealed = unsafe bytes.withUnsafeMutableBytes { bytes -> Bool in
            guard let base = bytes.baseAddress, let label = unsafe data.baseAddress else { return false }
            let frame = unsafe base + start
            let text = unsafe frame + AES256GCM.nonceByteCount
            unsafe cipher.beginSealing(nonce: frame)
            unsafe cipher.associateSealing(label, count: data.count)
            unsafe cipher.seal(text, to: text, count: count)
            return unsafe cipher.finishSealing(tag: text + count)
        }
        guard isSealed else { throw .library(operation: "AES-256-GCM", reason: "a record could not be sealed") }
    }
}

/// The frames of a segment, read from its bytes.
struct SegmentFrames: Sequence, IteratorProtocol {
    private let bytes: [UInt8]
    /// Where the next frame begins.
    private(set) var offset = SegmentHeader.byteCount
    /// Whether what stands at `offset` is neither a frame nor the end.
    private(set) var isBroken = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The next sealed record; nil at the end, and where the rest is none.
    mutating func next() -> [UInt8]? {
        guard !isBroken, bytes.count - offset >= SegmentSeal.lengthByteCount else { return nil }
        let length = bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
        if length == 0 { return nil }
        guard length > SegmentSeal.overheadByteCount, length <= SegmentSeal.sealedBytesMax,
            length <= bytes.count - offset - SegmentSeal.lengthByteCount
        else {
            isBroken = true
            return nil
        }
        defer { offset += SegmentSeal.lengthByteCount + length }
        return Array(bytes[offset + 4..<offset + 4 + length])
    }

    /// The last byte that is not zero.
    var lastByteInUse: Int? { bytes.lastIndex { $0 != 0 } }

    /// Whether nothing but zeros stands behind the last frame.
    var endsInZeros: Bool { !isBroken && bytes[Swift.min(offset, bytes.count)...].allSatisfy { $0 == 0 } }
}
