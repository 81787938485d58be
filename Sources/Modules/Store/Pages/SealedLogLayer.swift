// SPDX-License-Identifier: Apache-2.0

import Glibc
import SQLite

/// The layer over a write-ahead log.
///
/// SQLite writes a frame as header, then page. The header is held until its page comes, since both are sealed as one;
/// sealed frames are gathered, and go down in one call with the frame that commits, or before anything else happens to
/// the file. Beside that it does three things, after a transaction that did not fit in its cache: it writes a page
/// again into its frame, it reads a checksum, and for the commit it reads frames and writes their headers anew.
@safe final class SealedLogLayer: SQLiteFileLayer {
    /// Frames that go down in one call.
    static let gatheredMax = 16

    private let path: String
    private let file: SealedFile
    private let below: SQLiteFileBelow
    private let sealer: PageSealer
    /// A frame as it was read, or is to be written alone.
    private let scratch: UnsafeMutableRawBufferPointer
    /// The last frame that was read whole: header, then plain page; `lastNumber` is 0 where there is none.
    private let last: UnsafeMutableRawBufferPointer
    private var lastNumber = 0
    /// Sealed frames that follow each other, from `gatheredOffset`; allocated with the first write.
    private var gathered: UnsafeMutableRawBufferPointer?
    private var gatheredOffset: Int64 = 0
    private var gatheredCount = 0
    /// The header that waits for its page; `headNumber` is 0 where there is none.
    private let head: UnsafeMutableRawPointer
    private var headNumber = 0
    /// After the head of the log was read, frames are read one by one until one is not whole; this is the next.
    private var recoveryNext = 0

    init(path: String, _ file: SealedFile, below: SQLiteFileBelow) {
        self.path = path
        self.file = file
        self.below = below
        sealer = PageSealer(file)
        unsafe scratch = .allocate(byteCount: PageFormat.frameBytes, alignment: 64)
        unsafe last = .allocate(byteCount: PageFormat.frameBytes, alignment: 64)
        unsafe head = .allocate(byteCount: PageFormat.frameHeadBytes, alignment: 8)
    }

    deinit {
        unsafe wipe(last)
        unsafe scratch.deallocate()
        unsafe last.deallocate()
        unsafe head.deallocate()
        unsafe gathered?.deallocate()
    }

    // MARK: - Writing

    func write(_ source: UnsafeRawBufferPointer, at offset: Int64) -> SQLiteCode {
        recoveryNext = 0
        guard let base = source.baseAddress else { return .write }
        guard let place = PageFormat.frame(at: offset) else { return unsafe writeHead(source, at: offset) }
        switch (place.byte, source.count) {
        case (0, PageFormat.frameHeadBytes):
            return unsafe writeFrameHead(base, place.number)
        case (PageFormat.frameHeadBytes, PageFormat.pageBytes):
            return unsafe headNumber == place.number ? writeFrame(base, place.number) : rewritePage(base, place.number)
        default:
            return .write
        }
    }

    private func writeHead(_ source: UnsafeRawBufferPointer, at offset: Int64) -> SQLiteCode {
        guard offset == 0, source.count == PageFormat.logHeadBytes else { return .write }
        let code = flush()
        guard code == .ok else { return code }
        unsafe file.salts = source.loadUnaligned(fromByteOffset: PageFormat.saltsOffset, as: UInt64.self)
        return unsafe below.write(source, at: offset)
    }

    private func writeFrameHead(_ base: UnsafeRawPointer, _ number: Int) -> SQLiteCode {
        // Only a header whose page does not follow is left waiting, and that SQLite does not do.
        guard headNumber == 0 else { return .write }
        let next = gatheredOffset + Int64(gatheredCount * PageFormat.frameBytes)
        if gatheredCount > 0, next != PageFormat.offset(ofFrame: number) {
            let code = flushGathered()
            guard code == .ok else { return code }
        }
        unsafe head.copyMemory(from: base, byteCount: PageFormat.frameHeadBytes)
        // The commit of a large transaction: the frame was just read, and its page does not follow. It must be down
        // when this returns, since no sync may come.
        let isLastRead = number == lastNumber
        lastNumber = 0
        if isLastRead, let page = unsafe last.baseAddress.map({ unsafe $0 + PageFormat.frameHeadBytes }) {
            return unsafe writeAlone(head: head, page: page, number)
        }
        headNumber = number
        return .ok
    }

    private func writeFrame(_ page: UnsafeRawPointer, _ number: Int) -> SQLiteCode {
        headNumber = 0
        if unsafe gathered == nil {
            unsafe gathered = .allocate(byteCount: SealedLogLayer.gatheredMax * PageFormat.frameBytes, alignment: 64)
        }
        guard let room = unsafe gathered?.baseAddress, let salts = checkedSalts() else { return .write }
        if gatheredCount == 0 { gatheredOffset = PageFormat.offset(ofFrame: number) }
        let target = unsafe room + gatheredCount * PageFormat.frameBytes
        guard unsafe sealer.sealFrame(head: head, page: page, number: number, salts: salts, to: target) else {
            return .write
        }
        gatheredCount += 1
        let isCommit = unsafe head.loadUnaligned(fromByteOffset: 4, as: UInt32.self) != 0
        return isCommit || gatheredCount == SealedLogLayer.gatheredMax ? flushGathered() : .ok
    }

    /// A page that comes without its header replaces the one in its frame, which then has no checksum until the commit
    /// writes its header anew.
    private func rewritePage(_ page: UnsafeRawPointer, _ number: Int) -> SQLiteCode {
        let code = flush()
        guard code == .ok else { return code }
        lastNumber = 0
        let kept = PageFormat.checksumOffset
        guard unsafe below.read(.init(start: head, count: kept), at: PageFormat.offset(ofFrame: number)) == .ok else {
            return .write
        }
        unsafe _ = memset(head + kept, 0, PageFormat.checksumBytes)
        return unsafe writeAlone(head: head, page: page, number)
    }

    private func writeAlone(head: UnsafeRawPointer, page: UnsafeRawPointer, _ number: Int) -> SQLiteCode {
        let code = flushGathered()
        guard code == .ok else { return code }
        guard let target = unsafe scratch.baseAddress, let salts = checkedSalts(),
            unsafe sealer.sealFrame(head: head, page: page, number: number, salts: salts, to: target)
        else { return .write }
        return unsafe below.write(UnsafeRawBufferPointer(scratch), at: PageFormat.offset(ofFrame: number))
    }

    /// The salts of the log, which the waiting header must have, or none: after a spill SQLite leaves them out. `nil` also
    /// for a header without a page: what was not whole when it was read must not become whole.
    private func checkedSalts() -> UInt64? {
        guard let salts = knownSalts() else { return nil }
        let number = unsafe head.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
        let written = unsafe head.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        return number != 0 && (written == salts || written == 0) ? salts : nil
    }

    /// As this process wrote or recovered them; from the log's head where another one did. They are not read again: who
    /// changes the file must not choose them.
    private func knownSalts() -> UInt64? {
        if let salts = file.salts { return salts }
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: scratch[..<8])
        guard unsafe below.read(part, at: Int64(PageFormat.saltsOffset)) == .ok else { return nil }
        file.salts = unsafe part.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
        return file.salts
    }

    // MARK: - What waits

    /// Writes what was gathered. A header that still waits is a mistake: its frame would be missing.
    private func flush() -> SQLiteCode {
        guard headNumber == 0 else { return .write }
        return flushGathered()
    }

    private func flushGathered() -> SQLiteCode {
        guard gatheredCount > 0, let gathered = unsafe gathered else { return .ok }
        let bytes = gatheredCount * PageFormat.frameBytes
        // Also after an error nothing waits: SQLite takes the transaction back, or writes it anew.
        gatheredCount = 0
        return unsafe below.write(UnsafeRawBufferPointer(rebasing: gathered[..<bytes]), at: gatheredOffset)
    }

    // MARK: - Reading

    func read(_ target: UnsafeMutableRawBufferPointer, at offset: Int64) -> SQLiteCode {
        let code = flush()
        guard code == .ok else { return code }
        guard let place = PageFormat.frame(at: offset) else { return unsafe readHead(target, at: offset) }
        switch (place.byte, target.count) {
        case (PageFormat.frameHeadBytes, PageFormat.pageBytes):
            return unsafe readPage(place.number, to: target)
        case (0, PageFormat.frameBytes):
            return unsafe readFrame(place.number, to: target)
        case (PageFormat.checksumOffset, PageFormat.checksumBytes):
            return unsafe readChecksum(place.number, to: target)
        default:
            return .read
        }
    }

    private func readHead(_ target: UnsafeMutableRawBufferPointer, at offset: Int64) -> SQLiteCode {
        guard offset + Int64(target.count) <= Int64(PageFormat.logHeadBytes) else { return .read }
        let code = unsafe below.read(target, at: offset)
        if code == .ok, target.count == PageFormat.logHeadBytes {
            unsafe file.salts = target.loadUnaligned(fromByteOffset: PageFormat.saltsOffset, as: UInt64.self)
            recoveryNext = 1
        }
        return code
    }

    private func readPage(_ number: Int, to target: UnsafeMutableRawBufferPointer) -> SQLiteCode {
        guard let page = target.baseAddress else { return .read }
        return unsafe load(number, to: page).code(self, number)
    }

    /// Header and page: while a log is recovered, where what is not whole ends it, and for a commit.
    private func readFrame(_ number: Int, to target: UnsafeMutableRawBufferPointer) -> SQLiteCode {
        let isRecovering = number == recoveryNext
        recoveryNext = isRecovering ? number + 1 : 0
        guard let base = target.baseAddress, let frame = unsafe scratch.baseAddress, let kept = unsafe last.baseAddress
        else { return .read }
        let result = unsafe load(number, to: base + PageFormat.frameHeadBytes)
        if case .damaged = result, isRecovering, !file.markCovers(frame: number), !hasCommits(after: number) {
            // A torn end, as far as anybody knows: a frame of zeros, which is none.
            unsafe target.initializeMemory(as: UInt8.self, repeating: 0)
            return .ok
        }
        guard case .opened = result else { return result.code(self, number) }
        unsafe base.copyMemory(from: frame, byteCount: PageFormat.frameHeadBytes)
        if isRecovering, file.markCovers(frame: number),
            unsafe base.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == 0
        {
            // Whole, but taken back to before its commit.
            return damaged(number, page: 0, .notAuthentic)
        }
        guard !isRecovering else { return .ok }
        // Its header is about to be written anew.
        unsafe kept.copyMemory(from: base, byteCount: PageFormat.frameBytes)
        lastNumber = number
        return .ok
    }

    /// Whether two commits of this life of the log lie at frame `number` or behind it. The second was begun when the first
    /// had reached the disk, and all before it (`synchronous = FULL`): so nothing here is torn.
    private func hasCommits(after number: Int) -> Bool {
        var size: Int64 = 0
        guard file.flushesCommits, let salts = file.salts, below.getSize(&size) == .ok else { return false }
        var commits = 0
        var next = number
        while commits < 2, PageFormat.offset(ofFrame: next + 1) <= size {
            let part = unsafe UnsafeMutableRawBufferPointer(rebasing: scratch[..<PageFormat.checksumOffset])
            guard unsafe below.read(part, at: PageFormat.offset(ofFrame: next)) == .ok else { return false }
            if unsafe part.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == salts,
                unsafe part.loadUnaligned(fromByteOffset: 4, as: UInt32.self) != 0
            {
                commits += 1
            }
            next += 1
        }
        return commits == 2
    }

    private func readChecksum(_ number: Int, to target: UnsafeMutableRawBufferPointer) -> SQLiteCode {
        guard let base = target.baseAddress, let kept = unsafe last.baseAddress, let frame = unsafe scratch.baseAddress
        else { return .read }
        lastNumber = 0
        let result = unsafe load(number, to: kept + PageFormat.frameHeadBytes)
        guard case .opened = result else { return result.code(self, number) }
        unsafe base.copyMemory(from: frame + PageFormat.checksumOffset, byteCount: PageFormat.checksumBytes)
        return .ok
    }

    private enum Loaded {
        case opened
        case damaged(page: UInt32, PageDamage.Reason)
        case failed(SQLiteCode)

        func code(_ layer: SealedLogLayer, _ number: Int) -> SQLiteCode {
            switch self {
            case .opened: .ok
            case .damaged(let page, let reason): layer.damaged(number, page: page, reason)
            case .failed(let code): code
            }
        }
    }

    /// Reads frame `number` into `scratch`, opens its header there and its page to `page`.
    private func load(_ number: Int, to page: UnsafeMutableRawPointer) -> Loaded {
        guard let frame = unsafe scratch.baseAddress, let salts = knownSalts() else { return .failed(.read) }
        let code = unsafe below.read(scratch, at: PageFormat.offset(ofFrame: number))
        guard code == .ok else { return code == .shortRead ? .damaged(page: 0, .missing) : .failed(code) }
        // As the header says: nobody vouches for it where the frame does not open.
        let name = unsafe UInt32(bigEndian: frame.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        guard let reason = unsafe sealer.openFrame(frame, number: number, salts: salts, to: page) else {
            return .opened
        }
        return .damaged(page: name, reason)
    }

    private func damaged(_ number: Int, page: UInt32, _ reason: PageDamage.Reason) -> SQLiteCode {
        .damaged(PageDamage(file: path, page: page, frame: number, reason: reason))
    }

    // MARK: - The rest

    func truncate(to size: Int64) -> SQLiteCode {
        let code = flush()
        return code == .ok ? below.truncate(to: size) : code
    }

    func sync(flags: CInt) -> SQLiteCode {
        let code = flush()
        return code == .ok ? below.sync(flags: flags) : code
    }

    func getSize(_ size: inout Int64) -> SQLiteCode {
        let code = flush()
        return code == .ok ? below.getSize(&size) : code
    }

    func willMapSharedMemory() -> SQLiteCode { .ok }

    /// What was gathered and not flushed is a transaction that was not committed.
    func willClose() -> SQLiteCode { .ok }

    private func wipe(_ buffer: UnsafeMutableRawBufferPointer) {
        // Plaintext of a page.
        if let base = buffer.baseAddress { unsafe _ = memset(base, 0, buffer.count) }
    }
}
