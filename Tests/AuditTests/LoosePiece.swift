// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform
import Support

@testable import Audit

/// A piece taken apart, so that it can be put together in another way: as somebody would who has no key.
struct LoosePiece: Equatable {
    var nonce: [UInt8]
    var head: [UInt8]
    var records: [[UInt8]]
    var tag: [UInt8]

    init(_ piece: SealedPiece) {
        let (lengths, sealed) = (Array(piece.lengths.dropFirst(2)), Array(piece.sealed))
        nonce = Array(piece.nonce)
        head = Array(sealed[..<PieceFormat.headByteCount])
        tag = Array(sealed.suffix(AES256GCM.tagByteCount))
        (records, _) = (0..<piece.count).reduce(into: ([], PieceFormat.headByteCount)) { state, index in
            let end = state.1 + Int(lengths[2 * index]) << 8 + Int(lengths[2 * index + 1])
            state.0.append(Array(sealed[state.1..<end]))
            state.1 = end
        }
    }

    /// One of the right shape, with nothing in it.
    init(randomOf count: Int, _ random: inout SeededGenerator) {
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 1...255, using: &random) } }
        (nonce, head, tag) = (bytes(AES256GCM.nonceByteCount), bytes(PieceFormat.headByteCount), bytes(16))
        records = (0..<count).map { _ in bytes(1 + random.below(60)) }
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(UInt16(records.count))
        for record in records { bytes.appendBigEndian(UInt16(record.count)) }
        return bytes + nonce + head + records.joined() + tag
    }
}

/// One way to change the pieces of one segment.
enum Tampering: CaseIterable {
    case edit, delete, insert, duplicate, swap, truncate, append
    // Within pieces, with count and lengths as they have to be.
    case deleteRecord, duplicateRecord, swapRecords, swapRecordsOfTwo, moveBoundary, split, join, takeHead, takeNonce

    /// Changes them; they may be the same where they are all alike.
    func apply(to pieces: inout [LoosePiece], _ random: inout SeededGenerator) {
        let place = random.below(pieces.count)
        let other = (place + 1 + random.below(max(1, pieces.count - 1))) % pieces.count
        let record = random.below(pieces[place].records.count)
        switch self {
        case .edit:
            let (part, bit) = (random.below(4), UInt8(1) << UInt8(random.below(8)))
            switch part {
            case 0: pieces[place].nonce[random.below(12)] ^= bit
            case 1: pieces[place].head[random.below(PieceFormat.headByteCount)] ^= bit
            case 2: pieces[place].tag[random.below(16)] ^= bit
            default: pieces[place].records[record][random.below(pieces[place].records[record].count)] ^= bit
            }
        case .delete: pieces.remove(at: place)
        case .insert: pieces.insert(LoosePiece(randomOf: 1 + random.below(5), &random), at: place)
        case .duplicate: pieces.insert(pieces[place], at: place)
        case .swap: pieces.swapAt(place, other)
        case .truncate: pieces.removeLast(pieces.count - place)
        case .append: pieces.append(pieces[place])
        case .deleteRecord:
            pieces[place].records.remove(at: record)
            if pieces[place].records.isEmpty { pieces.remove(at: place) }
        case .duplicateRecord: pieces[place].records.insert(pieces[place].records[record], at: record)
        case .swapRecords: pieces[place].records.swapAt(record, random.below(pieces[place].records.count))
        case .swapRecordsOfTwo:
            let kept = pieces[place].records[record]
            let second = random.below(pieces[other].records.count)
            pieces[place].records[record] = pieces[other].records[second]
            pieces[other].records[second] = kept
        case .moveBoundary:
            guard record > 0, pieces[place].records[record].count > 1 else { return }
            pieces[place].records[record - 1].append(pieces[place].records[record].removeFirst())
        case .split:
            guard record > 0 else { return }
            var rest = pieces[place]
            rest.records.removeFirst(record)
            pieces[place].records.removeLast(pieces[place].records.count - record)
            pieces.insert(rest, at: place + 1)
        case .join:
            guard place + 1 < pieces.count else { return }
            pieces[place].records += pieces.remove(at: place + 1).records
        case .takeHead: pieces[place].head = pieces[other].head
        case .takeNonce: pieces[place].nonce = pieces[other].nonce
        }
    }

    /// Writes a segment that consists of these.
    static func write(_ header: SegmentHeader, _ pieces: [LoosePiece], to path: String) throws {
        var bytes = header.encoded() + pieces.flatMap(\.bytes)
        bytes += [UInt8](repeating: 0, count: max(0, header.capacity - bytes.count))
        try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
    }
}
