// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The entries over one text, in one piece of memory with one owner: appended to while a text is read, and only read from
/// then on. An array would ask before each of its entries whether somebody else holds it too.
@safe struct JSONTape: ~Copyable {
    private var base: UnsafeMutablePointer<JSONEntry>
    /// Where the next entry is put, and what there is room before: from `base` on, in this order.
    private var next: UnsafeMutablePointer<JSONEntry>
    private var limit: UnsafeMutablePointer<JSONEntry>
    private let countMax: Int

    /// - Parameters:
    ///   - capacity: one at least.
    ///   - countMax: the most entries there may be, one at least.
    init(capacity: Int, countMax: Int) {
        let capacity = min(capacity, countMax)
        self.countMax = countMax
        unsafe base = Self.room(for: capacity)
        unsafe next = base
        unsafe limit = base + capacity
    }

    deinit {
        // Entries are plain figures: there is nothing to deinitialise in them.
        unsafe free(base)
    }

    /// The entries there are.
    var count: Int {
        @inline(__always) get {
            // Not as a difference of pointers, which would be rounded as one below zero is: `next` is at `base` or behind it.
            let bytes = unsafe UInt(bitPattern: next) &- UInt(bitPattern: base)
            return Int(bitPattern: bytes / UInt(MemoryLayout<JSONEntry>.stride))
        }
    }

    /// The entry at `index`; stops the process beyond the last.
    subscript(index: Int) -> JSONEntry {
        @inline(__always) get {
            precondition(index >= 0 && index < count, "an index of this tape")
            // In bounds, as was just seen, and initialised: entries are appended one by one.
            return unsafe base[index]
        }
    }

    /// Sets the elements or members of the array or object at `index`; stops the process beyond the last entry.
    @inline(__always)
    mutating func setCount(of index: Int, _ count: UInt32) {
        precondition(index >= 0 && index < self.count, "an index of this tape")
        unsafe base[index].setCount(count)
    }

    /// Ends the array or object at `index`, to which all entries behind it belong; the index of the one around it, as it
    /// stood there. Stops the process beyond the last entry.
    @inline(__always)
    mutating func close(_ index: Int, end: Int, count: UInt32) -> UInt32 {
        precondition(index >= 0 && index < self.count, "an index of this tape")
        // In bounds, as was just seen, and initialised: entries are appended one by one.
        let outer = unsafe base[index].extent
        unsafe base[index].end = UInt32(truncatingIfNeeded: end)
        unsafe base[index].extent = UInt32(truncatingIfNeeded: self.count)
        unsafe base[index].setCount(count)
        return outer
    }

    /// Adds an entry; false, and nothing has changed, where there are as many as there may be.
    @inline(__always)
    mutating func append(_ entry: JSONEntry) -> Bool {
        guard unsafe next < limit || grow() else { return false }
        // There is room for one more, as was just seen to.
        unsafe next.initialize(to: entry)
        unsafe next += 1
        return true
    }

    /// Memory for so many entries, from malloc itself: `allocate` asks it for an alignment, which is then not to be had from
    /// the thread's own store of blocks.
    private static func room(for capacity: Int) -> UnsafeMutablePointer<JSONEntry> {
        guard let memory = unsafe malloc(capacity * MemoryLayout<JSONEntry>.stride) else { fatalError("out of memory") }
        return unsafe memory.bindMemory(to: JSONEntry.self, capacity: capacity)
    }

    @inline(never)
    private mutating func grow() -> Bool {
        // All there is room for are initialised.
        let capacity = count
        guard capacity < countMax else { return false }
        // Below 2^28, so that twice as many can be counted.
        let new = min(2 * capacity, countMax)
        let larger = unsafe Self.room(for: new)
        // They fit into more room; the old memory has no other user.
        unsafe larger.moveInitialize(from: base, count: capacity)
        unsafe free(base)
        unsafe base = larger
        unsafe next = larger + capacity
        unsafe limit = larger + new
        return true
    }

    /// Lends the entries for the length of `body`.
    @inline(__always)
    func withSpan<Result, Failure: Error>(
        _ body: (Span<JSONEntry>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // The memory belongs to this tape, which its caller holds until `body` has returned.
        try unsafe body(memory.span)
    }

    /// The memory of all entries, which belongs to this tape: of use for as long as that is held and not changed.
    @unsafe var memory: UnsafeBufferPointer<JSONEntry> {
        @inline(__always) get { unsafe UnsafeBufferPointer(start: base, count: count) }
    }
}
