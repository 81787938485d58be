// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform
import Support
import Testing

@testable import Audit

/// Records of one write, sealed as one.
struct PieceTests {
    private static func header(_ number: Int = 1, _ id: UInt8 = 7) -> SegmentHeader {
        SegmentHeader(
            number: number, firstSequence: 0, created: TestRecord.start, capacity: 1 << 20, previous: nil,
            id: [UInt8](repeating: id, count: SegmentHeader.idByteCount), replaces: false)
    }

    /// A segment of pieces of so many records, and the leaves that its writer has for them.
    private static func segment(
        _ counts: [Int], header: SegmentHeader = header(), named name: String = "test"
    ) throws -> (bytes: [UInt8], leaves: [Digest]) {
        let sealer = try SegmentSealer(header, key: LogHarness.key(header.number))
        var (bytes, leaves, previous) = (header.encoded(), [Digest](), header.previous)
        var first = header.firstSequence
        for count in counts {
            let records = (first..<first + count).map { TestRecord.record(.house("\(name).\($0)"), $0) }
            let sealed = try sealer.appendPiece(
                of: AuditRecords(records), 0..<count, after: &previous, to: &bytes, at: 0, &leaves)
            #expect(sealed == count && previous == leaves.last)
            first += count
        }
        return (bytes, leaves)
    }

    @Test func `one write is one piece, and a long one is split at the maximum`() throws {
        let log = try LogHarness(segmentBytes: 4 << 20)
        func entries(_ count: Int, _ length: Int) -> [LogWriter.Item] {
            (0..<count).map { number in
                var entry = AuditEntry(.act)
                entry.set(.action, "test.\(number)")
                entry.set(.object, String(repeating: "x", count: length))
                return (entry, .plain)
            }
        }
        var (sequence, counts) = (0, [[Int]]())
        for (count, length) in [(1, 0), (64, 150), (1500, 0), (900, 200), (2, 255)] {
            let items = entries(count, length)
            let before = try log.files.segmentNumbers().isEmpty ? 0 : Array(log.files.segment(1).pieces).count
            #expect(
                log.writer.append(items, generation: 1).map { try? $0.get() }
                    == (sequence..<sequence + count).map { $0 })
            sequence += count
            let pieces = Array(try log.files.segment(1).pieces)[before...]
            counts.append(pieces.map(\.count))
            // What a record costs beside its fields: a length and its kind, and its share of what the piece has once.
            let fields = items.reduce(0) { $0 + $1.entry.bytes.count }
            let bytes = pieces.reduce(0) { $0 + LoosePiece($1).bytes.count }
            #expect(bytes == fields + 3 * count + PieceFormat.overheadByteCount * pieces.count)
            for piece in pieces {
                #expect(piece.sealed.count - AES256GCM.tagByteCount <= PieceFormat.textBytesMax)
                #expect(piece.count <= PieceFormat.recordsMax)
            }
        }
        // As many as go into 64 KiB, and as may stand in one.
        #expect(counts[0] == [1] && counts[1] == [64] && counts[2] == [1024, 476] && counts[4] == [2])
        #expect(counts[3].count == 3 && counts[3].dropLast().allSatisfy { $0 > 300 })
        try log.sign()
        #expect(log.verify().isSound)
        let records = try log.records().records
        #expect(records.map(\.place.sequence) == Array(0..<sequence))
        #expect(records[64].text(.action) == "test.63" && records.last?.text(.object)?.count == 255)
    }

    @Test func `an entry that is as long as one can be is read again`() throws {
        let log = try LogHarness(segmentBytes: 1 << 20)
        var entry = AuditEntry(.house)
        for field in AuditField.allCases where field.form == .text {
            entry.set(field, String(repeating: "y", count: 255))
        }
        #expect(entry.bytes.count > AuditEntry.bytesMax)
        let results = log.writer.append([(entry, .plain), (entry, .plain), (.house("short"), .plain)], generation: 1)
        #expect(results == [.success(0), .success(1), .success(2)])
        try log.sign()
        #expect(log.verify().isSound)
        #expect(
            try log.records().records.map(\.entry.bytes.count)
                == [entry.bytes, entry.bytes, AuditEntry.house("short").bytes].map(\.count))
    }

    @Test func `records of other moments are other pieces, also where they are written again together`() throws {
        let log = try LogHarness()
        log.append(5, together: 5)
        log.disk.faults.withLock { $0.flush = Errno(EIO) }
        log.append(12, together: 4)
        #expect(throws: AuditFailure.self) { try log.writer.flush() }
        let places = try log.records().records.map(\.place)
        log.disk.faults.withLock { $0.flush = nil }
        usleep(1_100_000)
        try log.writer.flush()
        log.append(3, together: 3)
        try log.sign()
        #expect(Array(try log.files.segment(2).pieces).map(\.count) == [5, 4, 4, 4, 3])
        let records = try log.records().records
        #expect(places.count == 17 && Array(records.map(\.place).prefix(17)) == places)
        #expect(log.verify().isSound && log.verify().size == 20)
    }

    /// What a kill in the middle of a write leaves: its beginning, and behind that the zeros of a room that was made, or nothing.
    @Test(arguments: [false, true])
    func `a piece that is torn at any byte is dropped as a whole, and the log goes on behind it`(_ isShort: Bool) throws
    {
        let log = try LogHarness(segmentBytes: 80 * 1024)
        log.append(5, together: 5)
        log.append(3, together: 3)
        try log.writer.flush()
        let path = log.directory(SegmentHeader.name(number: 1))
        let whole = try AtomicFile.read(path: path, bytesMax: 1 << 20)
        var pieces = try log.files.segment(1).pieces
        let (one, two) = (pieces.next(), pieces.next())
        let (first, second) = (try #require(one), try #require(two))
        let all = try log.records().records
        for cut in first.end..<second.end {
            var torn = Array(whole[..<cut])
            let bytes = (torn.lastIndex { $0 != 0 } ?? 0) + 1 - first.end
            if !isShort { torn += [UInt8](repeating: 0, count: whole.count - cut) }
            // A tag may end in zeros.
            if torn == whole { continue }
            try AtomicFile.write(path: path, bytes: torn, mode: 0o600)
            let (records, tail) = try log.records()
            #expect(records == Array(all.prefix(5)) && tail.tornBytes == max(0, bytes), "at \(cut)")
            #expect(log.verify().isSound)

            log.writer = LogWriter(
                LogHarness.parts(log.directory.path, log.disk, log.segmentBytes), end: .init(edge: tail.edge),
                lastNumber: tail.lastNumber, isTorn: tail.tornBytes > 0)
            log.append(2, together: 2)
            try log.sign()
            let report = log.verify()
            #expect(report.isSound && report.size == 7 && !report.hasTornEnd, "at \(cut): \(report.damages)")
            #expect(try log.records().records.map(\.place.sequence) == Array(0..<7))
            for name in [SegmentHeader.name(number: 2), LogDirectory.checkpointName] {
                unsafe _ = unlink(log.directory(name))
            }
        }
        try AtomicFile.write(path: path, bytes: whole, mode: 0o600)
        #expect(try log.records().records == all)
    }

    @Test func `without a key a torn piece is known where it has no tag`() throws {
        let log = try LogHarness()
        log.append(12, together: 6)
        try log.writer.flush()
        let path = log.directory(SegmentHeader.name(number: 1))
        let whole = try AtomicFile.read(path: path, bytesMax: 1 << 20)
        let end = try #require(Array(try log.files.segment(1).pieces).last).end
        try AtomicFile.write(
            path: path, bytes: whole[..<(end - 16)] + [UInt8](repeating: 0, count: whole.count - end + 16), mode: 0o600)
        let report = log.verify()
        #expect(report.isSound && report.hasTornEnd && report.size == 6)
    }

    @Test func `a piece is nowhere else what it is here`() throws {
        let (bytes, leaves) = try Self.segment([3, 1, 4])
        let seal = try SegmentSeal(Self.header(), key: LogHarness.key(1))
        let pieces = Array(SegmentPieces(bytes))
        let firsts = [0, 3, 4]
        #expect(pieces.map(\.count) == [3, 1, 4] && pieces.flatMap(\.leaves) == leaves)
        for (place, piece) in pieces.enumerated() {
            let previous = place > 0 ? leaves[firsts[place] - 1] : nil
            let records = try #require(seal.open(piece, first: firsts[place], after: previous))
            #expect(records.map(\.place.sequence) == Array(firsts[place]..<firsts[place] + piece.count))
            #expect(records.map { $0.text(.action) } == records.map { "test.\($0.place.sequence)" })
            #expect(piece.lastLeaf == piece.leaves.last)
            // Another sequence, another leaf before it, another segment, another key.
            for first in 0..<9 where first != firsts[place] {
                #expect(seal.open(piece, first: first, after: previous) == nil)
            }
            for leaf in [nil, SHA256.digest([1]), Digest.zero] + leaves.map({ Optional($0) })
            where (leaf ?? .zero) != (previous ?? .zero) {
                #expect(seal.open(piece, first: firsts[place], after: leaf) == nil)
            }
            for header in [Self.header(2), Self.header(1, 8)] {
                #expect(
                    try SegmentSeal(header, key: LogHarness.key(1)).open(piece, first: firsts[place], after: previous)
                        == nil)
            }
            let other = try SegmentSeal(Self.header(), key: LogHarness.key(2))
            #expect(other.open(piece, first: firsts[place], after: previous) == nil)
        }
        // The same records at the same place of another segment.
        let (spliced, _) = try Self.segment([3, 1, 4], header: Self.header(1, 8))
        let stranger = try #require(Array(SegmentPieces(spliced)).first)
        #expect(seal.open(stranger, first: 0, after: nil) == nil)
    }

    /// The ciphertext stays as it is, and can be read in another way: clients choose what some texts are.
    @Test func `two records whose texts make one cannot be made one`() throws {
        var (act, house) = (AuditEntry(.act), AuditEntry(.house))
        act.set(.tenant, "t")
        house.set(.tenant, "")
        let place = TestRecord.record(act, 0).place
        #expect(
            AuditRecord((TestRecord.record(act, 0).encoded() + TestRecord.record(house, 1).encoded())[...], at: place)
                != nil)
        let sealer = try SegmentSealer(Self.header(), key: LogHarness.key(1))
        let seal = try SegmentSeal(Self.header(), key: LogHarness.key(1))
        var (bytes, leaves, previous) = (Self.header().encoded(), [Digest](), Digest?.none)
        let records = AuditRecords([TestRecord.record(act, 0), TestRecord.record(house, 1)])
        _ = try sealer.appendPiece(of: records, 0..<2, after: &previous, to: &bytes, at: 0, &leaves)
        let piece = try #require(Array(SegmentPieces(bytes)).first)
        #expect(seal.open(piece, first: 0, after: nil)?.count == 2)
        var loose = LoosePiece(piece)
        loose.records = [Array(loose.records.joined())]
        let joined = try #require(Array(SegmentPieces(Self.header().encoded() + loose.bytes)).first)
        #expect(joined.count == 1 && Array(joined.sealed) == Array(piece.sealed))
        #expect(seal.open(joined, first: 0, after: nil) == nil)
    }

    @Test func `each byte of a segment is in the leaf of one record, and bound by the tag`() throws {
        let (bytes, leaves) = try Self.segment([2, 1, 3])
        let seal = try SegmentSeal(Self.header(), key: LogHarness.key(1))
        let pieces = Array(SegmentPieces(bytes))
        #expect(Array(pieces.flatMap(\.parts).joined()) == bytes)
        for place in bytes.indices {
            var changed = bytes
            changed[place] ^= 1 << UInt8(place % 8)
            let found = Array(SegmentPieces(changed))
            let different = zip(found.flatMap(\.leaves), leaves).count { $0 != $1 }
            #expect(found.count < 3 || different > 0, "byte \(place)")
            guard place >= SegmentHeader.byteCount, let index = pieces.firstIndex(where: { place < $0.end }),
                index < found.count
            else { continue }
            let first = pieces[..<index].reduce(0) { $0 + $1.count }
            #expect(
                seal.open(found[index], first: first, after: first > 0 ? leaves[first - 1] : nil) == nil,
                "byte \(place)")
        }
    }

    @Test func `whatever stands in a file, lengths are looked at before they are used`() throws {
        var random = SeededGenerator()
        let (good, _) = try Self.segment([1, 5, 30, 2])
        let seal = try SegmentSeal(Self.header(), key: LogHarness.key(1))
        var (whole, broken) = (0, 0)
        for _ in 0..<Repetition.rounds(3000, full: 300_000) {
            var bytes = good
            switch random.below(3) {
            case 0:
                // Small numbers, of which counts and lengths are made.
                bytes = Array(good.prefix(SegmentHeader.byteCount))
                bytes += (0..<random.below(400)).map { _ in
                    random.below(3) == 0 ? UInt8(random.below(256)) : UInt8(random.below(3))
                }
            case 1:
                for _ in 0...random.below(6) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            default: bytes.removeLast(random.below(bytes.count + 1))
            }
            var pieces = SegmentPieces(bytes)
            var (end, first) = (0, 0)
            while let piece = pieces.next() {
                #expect(piece.parts.count == piece.count && piece.end <= bytes.count)
                let joined = Array(piece.parts.joined())
                #expect(joined == Array(bytes[end..<piece.end]), "one behind the other, without a gap")
                _ = seal.open(piece, first: first, after: nil)
                (end, first, whole) = (piece.end, first + piece.count, whole + 1)
            }
            if pieces.isBroken { broken += 1 }
            #expect(pieces.endsInZeros || pieces.bytesInUse(from: pieces.offset) > 0 || pieces.isBroken)
        }
        #expect(whole > 1000 && broken > 500)
        for count in 0..<SegmentHeader.byteCount + 2 {
            var pieces = SegmentPieces([UInt8](repeating: 1, count: count))
            #expect(pieces.next() == nil)
        }
    }

    @Test func `a search finds what stands in the middle of pieces, page by page`() throws {
        let log = try LogHarness(segmentBytes: 80 * 1024)
        log.append(30)
        log.append(1500, together: 50)
        try log.writer.flush()
        #expect(try log.files.segmentNumbers().count > 1)
        let search = LogSearch(directory: log.files) { number throws(AuditFailure) in LogHarness.key(number) }
        var (sequences, end) = ([Int](), Int.max)
        while true {
            let page = try search.page(RecordFilter(), below: end, limit: 37)
            sequences += page.records.map(\.place.sequence)
            guard let next = page.next else { break }
            #expect(page.records.count == 37)
            end = next
        }
        #expect(sequences == (0..<1530).reversed())
        // What a proof needs of records within pieces.
        try log.sign()
        for sequence in [0, 29, 30, 31, 79, 80, 1529, 1528, 1400] {
            #expect(try LogProver(directory: log.files).proof(of: sequence, under: log.key).isValid)
        }
    }
}
