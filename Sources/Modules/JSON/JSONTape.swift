// SPDX-License-Identifier: Apache-2.0

/// The entries over one text, in one piece of memory with one owner: appended to while a text is read, and only read from
/// then on. An array would ask before each of its entries whether somebody else holds it too.
@safe struct JSONTape: ~Copyable {
    private var base: UnsafeMutablePointer<JSONEntry>
    private var capacity: Int
    private(set) var count = 0

    /// - Parameter capacity: one at least.
    init(capacity: Int) {
        unsafe base = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    deinit {
        // Entries are plain figures: there is nothing to deinitialise in them.
        unsafe base.deallocate()
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

    @inline(__always)
    mutating func append(_ entry: JSONEntry) {
        if count == capacity { grow() }
        // There is room for one more, as was just seen to.
        unsafe (base + count).initialize(to: entry)
        count &+= 1
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<JSONEntry>.allocate(capacity: 2 * capacity)
        // All `count` entries are initialised and fit into twice the room; the old memory has no other user.
        unsafe larger.moveInitialize(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = larger
        capacity *= 2
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
