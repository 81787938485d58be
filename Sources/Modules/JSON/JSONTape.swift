// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The entries over one text, in one piece of memory with one owner: appended to while a text is read, and only read from
/// then on. An array would ask before each of its entries whether somebody else holds it too.
@safe struct JSONTape: ~Copyable {
    private var base: UnsafeMutablePointer<JSONEntry>
    private var capacity: Int
    private let countMax: Int
    private(set) var count = 0

    /// - Parameters:
    ///   - capacity: one at least.
    ///   - countMax: the most entries there may be, one at least.
    init(capacity: Int, countMax: Int) {
        self.capacity = min(capacity, countMax)
        self.countMax = countMax
        unsafe base = Self.room(for: self.capacity)
    }

    deinit {
        // Entries are plain figures: there is nothing to deinitialise in them.
        unsafe free(base)
    }

    /// The entry at `index`; stops the process beyond the last.
    subscript(index: Int) -> JSONEntry {
        @inline(__always) get {
            precondition(index >= 0 && index < count, "an index of this tape")
            // In bounds, as was just seen, and initialised: entries are appended one by one.
            return unsafe base[index]
        }
        @inline(__always) set {
            precondition(index >= 0 && index < count, "an index of this tape")
            unsafe base[index] = newValue
        }
    }

    /// Adds an entry; false, and nothing has changed, where there are as many as there may be.
    @inline(__always)
    mutating func append(_ entry: JSONEntry) -> Bool {
        guard count < capacity || grow() else { return false }
        // There is room for one more, as was just seen to.
        unsafe (base + count).initialize(to: entry)
        count &+= 1
        return true
    }

    /// Memory for so many entries, from malloc itself: `allocate` asks it for an alignment, which is then not to be had from
    /// the thread's own store of blocks.
    private static func room(for capacity: Int) -> UnsafeMutablePointer<JSONEntry> {
        guard let memory = unsafe malloc(capacity * MemoryLayout<JSONEntry>.stride) else { fatalError("out of memory") }
        return unsafe memory.bindMemory(to: JSONEntry.self, capacity: capacity)
    }

    private mutating func grow() -> Bool {
        guard capacity < countMax else { return false }
        // Below 2^28, so that twice as many can be counted.
        let new = min(2 * capacity, countMax)
        let larger = unsafe Self.room(for: new)
        // All `count` entries are initialised and fit into more room; the old memory has no other user.
        unsafe larger.moveInitialize(from: base, count: count)
        unsafe free(base)
        unsafe base = larger
        capacity = new
        return true
    }

    /// Lends the entries for the length of `body`.
    @inline(__always)
    func withSpan<Result, Failure: Error>(
        _ body: (Span<JSONEntry>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // The memory belongs to this tape, which its caller holds until `body` has returned.
        try unsafe body(UnsafeBufferPointer(start: base, count: count).span)
    }
}
