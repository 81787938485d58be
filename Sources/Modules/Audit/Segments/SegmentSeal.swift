// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// The key of one segment at work: seals records into their places and opens them there.
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
        let label = Array("gatehouse audit record".utf8) + SHA256.digest(header.encoded()).bytes
        self.label = label
    }

    /// Nonce, ciphertext and tag of a record. Random nonces: 2^32 records a key would be too many, and a segment has a
    /// hundred thousand.
    func seal(_ record: AuditRecord) throws(CryptoError) -> [UInt8] {
        let nonce = Random.bytes(AES256GCM.nonceByteCount)
        let bytes = record.encoded()
        let data = data(record.place.sequence)
        return nonce + (try cipher.seal(bytes.span, nonce: nonce.span, associatedData: data.span))
    }

    /// Adds a record's frame: its length, and what `seal` gives.
    func appendFrame(of record: AuditRecord, to bytes: inout [UInt8]) throws(CryptoError) {
        let sealed = try seal(record)
        bytes.appendBigEndian(UInt32(sealed.count))
        bytes += sealed
    }

    /// The record that was sealed for a sequence; nil for anything else.
    func open(_ sealed: [UInt8], sequence: Int) -> AuditRecord? {
        guard sealed.count > Self.overheadByteCount else { return nil }
        let (nonce, rest) = (Array(sealed[..<AES256GCM.nonceByteCount]), Array(sealed[AES256GCM.nonceByteCount...]))
        let data = data(sequence)
        guard let bytes = try? cipher.open(rest.span, nonce: nonce.span, associatedData: data.span),
            let record = AuditRecord(bytes), record.place.sequence == sequence
        else { return nil }
        return record
    }

    private func data(_ sequence: Int) -> [UInt8] {
        var data = label
        data.appendBigEndian(UInt64(sequence))
        return data
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
