// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// The growing end of the log: the segment that is written, the tree over all records, and what is not flushed yet.
///
/// Without a thread of its own: ``AuditLog`` owns it and calls it from one. Clock, keys and disk are arguments.
struct LogWriter {
    struct Parts: Sendable {
        let directory: String
        let disk: any AuditDisk
        /// The key of a segment by its number, made where there is none. Blocks.
        let key: @Sendable (Int) throws(AuditFailure) -> SecretBytes
        let clock: @Sendable () -> WallTime
        let monotonic: @Sendable () -> Instant
        /// The kernel's id of this start of the machine, 16 bytes.
        let boot: [UInt8]
        let segmentBytes: Int
    }

    /// Which reserve an entry may use.
    enum Claim: Equatable, Sendable {
        /// An exchange that begins: needs room for its outcome too.
        case intent
        /// The same for an act of the operator, who must be able to clean up when the disk is full: it may use the room that
        /// is kept for acts.
        case actIntent
        /// The outcome for which an intent has reserved room.
        case outcome
        /// What stands alone: a refusal, a flood.
        case plain
        /// What the house says of itself: it may use the room that is kept for acts.
        case act
    }

    typealias Item = (entry: AuditEntry, claim: Claim)

    /// Kept free in every segment for the operator's acts.
    static let actReserveBytes = 64 * 1024
    /// Kept free for the outcome of each open exchange: none is longer (`AuditEntry.nameBytesMax`).
    static let outcomeReserveBytes = 1024
    /// Records written and not flushed that are kept in memory; beyond them a flush is waited for.
    static let unflushedMax = 1 << 16
    /// The largest room for fields that is kept for records to come: a busy core's between two flushes. To grow it anew each time
    /// would copy every record and ask the kernel for fresh pages.
    static let spareByteCountMax = 8 << 20
    /// Room of which no more than one part in so many was used is given back, unless it is small: the rush is over.
    private static let spareShare = 8
    private static let spareSmall = 64 * 1024
    /// How long a full disk is not asked again.
    static let retryAfter = Duration.seconds(1)

    private let parts: Parts
    private let boot: AuditRecord.BootMark
    private var segment: Segment?
    /// The number of the segment that will be opened next.
    private(set) var nextNumber: Int
    private var refusedUntil: Instant?
    /// What is written.
    private(set) var end: End
    /// What is written and flushed: from here the log is written again when a flush fails.
    private var flushed: End
    private var unflushed = AuditRecords()
    /// What a flush that is under way brings to the disk; older than what is unflushed.
    private var flushing = AuditRecords()
    /// Flushed, and not taken yet by whoever makes something of them.
    private var settled = AuditRecords()
    /// Without any: the room of records that have been told.
    private var spare = AuditRecords()
    /// The bytes of a batch, kept for their room.
    private var buffer: [UInt8] = []
    /// The hashes of a batch, kept for their room.
    private var leaves: [Digest] = []
    /// Set when nobody knows what the segment holds behind what is flushed.
    private var isPoisoned = false
    /// Whether the last segment there is ends in part of a write: the next one takes the place of that.
    private var followsTornEnd: Bool

    /// Where the log ends.
    struct End: Sendable {
        var edge = LogEdge()
        /// Intents without an outcome: each has room for one.
        var outcomesOwed = 0
    }

    /// An object, since every batch takes it in its hand.
    private final class Segment {
        let header: SegmentHeader
        let file: any AuditFile
        let sealer: SegmentSealer
        /// Where the next piece goes.
        var offset = SegmentHeader.byteCount

        var free: Int { header.capacity - offset }

        init(_ header: SegmentHeader, _ file: any AuditFile, _ sealer: SegmentSealer) {
            (self.header, self.file, self.sealer) = (header, file, sealer)
        }
    }

    /// - Parameters:
    ///   - end: of the records that are there, all flushed.
    ///   - lastNumber: of the last segment there is, 0 for none. The first record opens a new one: nothing is appended to a
    ///     file whose end another process wrote.
    ///   - isTorn: whether that one ends in part of a write.
    init(_ parts: Parts, end: End, lastNumber: Int, isTorn: Bool = false) {
        (self.parts, self.end, self.flushed) = (parts, end, end)
        boot = AuditRecord.BootMark(parts.boot)
        (nextNumber, followsTornEnd) = (lastNumber + 1, isTorn)
    }

    /// The path of the segment in use.
    var path: String? { segment.map { path(of: $0.header.number) } }

    var hasUnflushed: Bool { unflushedCount > 0 }

    var unflushedCount: Int { flushing.count + unflushed.count }

    // MARK: Appending

    /// Writes entries in their order, where that is one call and nothing has to be waited for.
    ///
    /// - Returns: the sequence of the first; nil where nothing was written, and ``append(_:generation:)`` has to say why.
    mutating func appendNow(_ entries: borrowing AuditEntries, generation: Int) -> Int? {
        let all = 0..<entries.count
        guard !isPoisoned, unflushedCount < Self.unflushedMax, room(for: entries.marks[all]) == all.count else {
            return nil
        }
        return try? write(entries, all, generation)
    }

    /// Whether ``appendNow(_:generation:)`` has room for so many entries, whatever they are.
    func hasRoom(for count: Int) -> Bool {
        guard let segment, !isPoisoned, unflushedCount + count < Self.unflushedMax else { return false }
        let each = PieceFormat.recordBytesMax + Self.outcomeReserveBytes
        return segment.free >= each * count + Self.outcomeReserveBytes * end.outcomesOwed + Self.actReserveBytes
    }

    /// Writes entries in their order.
    ///
    /// - Returns: for each the sequence it has, or why it has none. One that has a sequence is in the kernel's hands.
    mutating func append(_ items: [Item], generation: Int) -> [Result<Int, AuditFailure>] {
        let entries = AuditEntries(items)
        var results: [Result<Int, AuditFailure>] = []
        results.reserveCapacity(entries.count)
        while results.count < entries.count {
            // At least the one that fails, so that what follows it, which may ask for less, has its turn.
            let start = results.count
            var count = 1
            do throws(AuditFailure) {
                if isPoisoned { try writeAgain() }
                count = try fitting(entries.marks[start...])
                let first = try write(entries, start..<start + count, generation)
                for place in 0..<count { results.append(.success(first + place)) }
            } catch {
                results += repeatElement(.failure(error), count: count)
            }
        }
        return results
    }

    /// How many of the entries the segment has room for; opens another one where it has none for the first.
    private mutating func fitting(_ rest: ArraySlice<AuditEntries.Mark>) throws(AuditFailure) -> Int {
        let owed = end.outcomesOwed
        var count = room(for: rest)
        if count == 0, let first = rest.first {
            // So many exchanges are open that not even an empty segment has room for all their ends: one more must wait.
            guard Self.needed(for: first.claim, owed: owed) <= parts.segmentBytes - SegmentHeader.byteCount else {
                throw .crowded
            }
            count = 1
            do throws(AuditFailure) {
                try openNext()
                count = max(1, room(for: rest))
            } catch {
                // What has room reserved gets it, whoever else finds the disk full.
                guard let segment, segment.free >= Self.reserved(for: first.claim, owed: owed) else { throw error }
            }
        }
        return count
    }

    /// How many of the entries the segment has room for, each in a piece of its own: together they take less.
    private func room(for marks: ArraySlice<AuditEntries.Mark>) -> Int {
        var (free, owed, count) = (segment?.free ?? 0, end.outcomesOwed, 0)
        for mark in marks {
            guard free >= Self.needed(for: mark.claim, owed: owed) else { break }
            free -= max(PieceFormat.recordBytesMax, PieceFormat.bytes(ofRecordWith: mark.place.count))
            owed += mark.claim.owes
            count += 1
        }
        return count
    }

    /// Bytes that must be free in a segment for an entry to go there, reserves of others included.
    private static func needed(for claim: Claim, owed: Int) -> Int {
        let (record, outcomes) = (PieceFormat.recordBytesMax, outcomeReserveBytes * owed)
        return switch claim {
        case .intent: record + outcomes + outcomeReserveBytes + actReserveBytes
        case .plain: record + outcomes + actReserveBytes
        case .actIntent: record + outcomes + outcomeReserveBytes
        case .act: record + outcomes
        case .outcome: outcomeReserveBytes
        }
    }

    /// The same where no further segment can be had.
    private static func reserved(for claim: Claim, owed: Int) -> Int {
        switch claim {
        case .intent, .plain: .max
        case .act, .actIntent, .outcome: needed(for: claim, owed: owed)
        }
    }

    /// Seals entries, one piece as a rule, and writes them with one call.
    ///
    /// - Parameter range: which of them.
    /// - Returns: the sequence of the first.
    /// - Throws: where nothing of them counts.
    private mutating func write(
        _ entries: borrowing AuditEntries, _ range: Range<Int>, _ generation: Int
    ) throws(AuditFailure) -> Int {
        guard let current = segment else { throw .full }
        let (first, before) = (end.edge.size, unflushed.count)
        leaves.removeAll(keepingCapacity: true)
        buffer.removeAll(keepingCapacity: true)
        let place = AuditRecord.Place(
            sequence: first, time: parts.clock(), monotonic: parts.monotonic(), boot: boot, generation: generation)
        unflushed.append(entries, range, at: place)
        do throws(AuditFailure) {
            try Self.seal(
                unflushed, before..<unflushed.count, after: end.edge.last, for: current, &buffer, &leaves)
            try write(buffer, to: current)
        } catch {
            unflushed.truncate(to: before)
            throw error
        }
        current.offset += buffer.count
        // Only now, and in place: a copy of the edge for each batch would cost more than its records.
        for leaf in leaves { end.edge.append(leaf: leaf) }
        for index in range { end.outcomesOwed = max(0, end.outcomesOwed + entries.marks[index].claim.owes) }
        return first
    }

    private mutating func write(_ bytes: [UInt8], to current: Segment) throws(AuditFailure) {
        do throws(Errno) {
            try current.file.write(bytes, at: current.offset)
        } catch {
            // Part of it may stand there: this segment takes nothing more.
            isPoisoned = true
            throw .disk(path(of: current.header.number), error)
        }
    }

    /// Adds the pieces of records, which are to stand at the end of a segment.
    ///
    /// - Parameters:
    ///   - previous: the leaf before the first.
    ///   - bytes: empty at first.
    ///   - leaves: gets their hashes as leaves of the tree.
    private static func seal(
        _ records: borrowing AuditRecords, _ range: Range<Int>, after previous: Digest?, for segment: Segment,
        _ bytes: inout [UInt8], _ leaves: inout [Digest]
    ) throws(AuditFailure) {
        let (sealer, offset) = (segment.sealer, segment.offset)
        var (rest, previous) = (range, previous)
        do throws(CryptoError) {
            while !rest.isEmpty {
                let count = try sealer.appendPiece(
                    of: records, rest, after: &previous, to: &bytes, at: offset, &leaves)
                rest = rest.lowerBound + count..<rest.upperBound
            }
        } catch {
            throw .keys("\(error)")
        }
    }

    // MARK: Segments

    private mutating func openNext() throws(AuditFailure) {
        if let refusedUntil, parts.monotonic() < refusedUntil { throw .full }
        // A segment says what it follows: that must be on the disk before it.
        try flush()
        try begin(after: end.edge, replacing: false)
    }

    private mutating func begin(after edge: LogEdge, replacing: Bool) throws(AuditFailure) {
        let number = nextNumber
        let header = SegmentHeader(
            number: number, firstSequence: edge.size, created: parts.clock(), capacity: parts.segmentBytes,
            previous: edge.last, id: Random.bytes(SegmentHeader.idByteCount), replaces: replacing || followsTornEnd)
        let key = try parts.key(number)
        do throws(Errno) {
            let file = try parts.disk.make(path(of: number), capacity: header.capacity)
            do throws(Errno) {
                try file.write(header.encoded(), at: 0)
            } catch {
                // Without a header it would be damage to whoever reads the log.
                parts.disk.remove(path(of: number))
                throw error
            }
            guard let sealer = try? SegmentSealer(header, key: key) else { throw .invalidArgument }
            segment = Segment(header, file, sealer)
            nextNumber += 1
            (refusedUntil, followsTornEnd) = (nil, false)
        } catch {
            refusedUntil = parts.monotonic() + Self.retryAfter
            throw error.isWantOfSpace ? .full : .disk(path(of: number), error)
        }
    }

    private func path(of number: Int) -> String { "\(parts.directory)/\(SegmentHeader.name(number: number))" }

    // MARK: Flushing

    /// A flush under way: what the disk is asked to keep.
    struct Flush {
        fileprivate let file: any AuditFile
        fileprivate let end: End

        /// Waits for the disk. The log may be written meanwhile.
        func wait() throws(Errno) { try file.flush() }
    }

    /// Begins to bring what was written to the disk. ``end(_:_:)`` must follow; until then no other segment may be opened.
    ///
    /// - Returns: nil where there is nothing to wait for.
    mutating func beginFlush() -> Flush? {
        guard let segment, hasUnflushed, !isPoisoned else { return nil }
        flushing.append(unflushed.take())
        swap(&unflushed, &spare)
        return Flush(file: segment.file, end: end)
    }

    /// Ends a flush.
    ///
    /// - Parameter error: why the disk did not keep it.
    mutating func end(_ flush: Flush, _ error: Errno?) throws(AuditFailure) {
        let written = flushing.take()
        if error == nil {
            settle(written)
            flushed = flush.end
        } else {
            let later = unflushed.take()
            unflushed = written
            unflushed.append(later)
            isPoisoned = true
            try writeAgain()
        }
    }

    /// Brings what was written to the disk.
    mutating func flush() throws(AuditFailure) {
        if let flush = beginFlush() {
            var failure: Errno?
            do throws(Errno) { try flush.wait() } catch { failure = error }
            try end(flush, failure)
        } else if isPoisoned, hasUnflushed {
            try writeAgain()
        }
    }

    /// It is on the disk.
    private mutating func settle(_ written: AuditRecords) { settled.append(written) }

    /// Records that are on the disk and were not taken yet, in their order.
    mutating func takeSettled() -> AuditRecords { settled.take() }

    /// Gives back the room of what was taken.
    mutating func reuse(_ records: consuming AuditRecords) {
        let room = records.roomByteCount
        guard spare.roomByteCount == 0, room <= Self.spareByteCountMax,
            room <= max(Self.spareSmall, records.bytes.count * Self.spareShare)
        else { return }
        records.removeAll()
        spare = records
    }

    /// After a flush that failed nobody knows what is there: the kernel tells of an error once, and drops the pages. So all
    /// that was not flushed is written again into a new segment, which takes the place of that part of the old one.
    private mutating func writeAgain() throws(AuditFailure) {
        if let refusedUntil, parts.monotonic() < refusedUntil { throw .full }
        let (old, followedTornEnd) = (segment, followsTornEnd)
        try begin(after: flushed.edge, replacing: old != nil)
        guard let current = segment else { throw .full }
        do throws(AuditFailure) {
            try writeAgain(to: current)
        } catch {
            // It holds nothing that is not in memory too, and one more for each attempt would fill the disk.
            parts.disk.remove(path(of: current.header.number))
            (segment, nextNumber, followsTornEnd) = (old, current.header.number, followedTornEnd)
            refusedUntil = parts.monotonic() + Self.retryAfter
            throw error
        }
    }

    private mutating func writeAgain(to current: Segment) throws(AuditFailure) {
        var (next, bytes, leaves) = (flushed, [UInt8](), [Digest]())
        try Self.seal(
            unflushed, 0..<unflushed.count, after: next.edge.last, for: current, &bytes, &leaves)
        for leaf in leaves { next.edge.append(leaf: leaf) }
        for mark in unflushed.marks { next.outcomesOwed = max(0, next.outcomesOwed + mark.claim.owes) }
        do throws(Errno) {
            try current.file.write(bytes, at: current.offset)
            try current.file.flush()
        } catch {
            throw .disk(path(of: current.header.number), error)
        }
        current.offset += bytes.count
        (end, flushed, isPoisoned) = (next, next, false)
        settle(unflushed.take())
    }

    /// The log as far as it is on the disk, for a checkpoint; and the tiles that are whole in it.
    mutating func takeFlushed() -> (edge: LogEdge, tiles: [(tile: Tile, hashes: [Digest])]) {
        let known = flushed.edge.takeWhole()
        // Those of the end are the same, and more where something was written since.
        end.edge.dropWhole(known.count)
        return (flushed.edge, known)
    }

    // MARK: Closing

    /// Flushes, and gives back the room that the last segment has left.
    mutating func close() throws(AuditFailure) {
        try flush()
        guard let segment else { return }
        try? segment.file.trim(to: segment.offset)
    }

    // MARK: Watching

    /// - Throws: `replaced` where the name of the segment no longer leads to the file that is written.
    func checkPlace() throws(AuditFailure) {
        if let segment, !segment.file.isInPlace { throw .replaced(path(of: segment.header.number)) }
    }
}

extension LogWriter.Claim {
    /// By how much it changes the number of outcomes for which room is reserved.
    fileprivate var owes: Int {
        switch self {
        case .intent, .actIntent: 1
        case .outcome: -1
        case .plain, .act: 0
        }
    }
}

extension Errno {
    fileprivate var isWantOfSpace: Bool { self == .noSpace || self == .fileTooLarge || rawValue == Errno.quota }

    /// EDQUOT of Linux.
    private static var quota: CInt { 122 }
}
