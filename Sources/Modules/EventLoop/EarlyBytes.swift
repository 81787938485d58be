// SPDX-License-Identifier: Apache-2.0

/// Where a loop's sockets read before their readers ask: used from the start of each turn anew.
@safe struct EarlyArena: ~Copyable {
    private let bytes: UnsafeMutableRawBufferPointer
    private var used = 0

    init() { unsafe bytes = .allocate(byteCount: EventLoopLimits.earlyBytesPerTurn, alignment: Self.alignment) }

    deinit { unsafe bytes.deallocate() }

    /// A line of the processor's cache.
    private static let alignment = 64

    /// Room for what comes next; nil where too little is left this turn.
    var room: UnsafeMutableRawBufferPointer? {
        let end = used + EventLoopLimits.earlyReadBytesMax
        guard unsafe end <= bytes.count else { return nil }
        return unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[used..<end])
    }

    /// So much of the room is in use, until the end of the turn.
    mutating func take(_ count: Int) {
        used = unsafe min(bytes.count, (used + count + Self.alignment - 1) & ~(Self.alignment - 1))
    }

    mutating func reset() { used = 0 }
}

/// Bytes that came before their reader asked for them: in the loop's arena until the end of the turn, and, where nobody took
/// them by then, in memory of their own.
@safe struct EarlyBytes: ~Copyable {
    private var next: UnsafeRawPointer?
    private var count = 0
    private var kept: UnsafeMutableRawPointer?

    init() {}

    deinit { unsafe kept?.deallocate() }

    var isEmpty: Bool { count == 0 }

    /// Takes over a part of the arena. Only where it is empty.
    mutating func lie(in bytes: UnsafeRawBufferPointer) {
        precondition(isEmpty, "bytes are read in their order")
        unsafe (next, count) = (bytes.baseAddress, bytes.count)
    }

    /// Gives the first of them.
    /// - Returns: how many.
    mutating func take(into room: UnsafeMutableRawBufferPointer) -> Int {
        let given = min(count, room.count)
        // The first `count` bytes from `next` on are there: in the arena, or as `keep` has copied them.
        unsafe room.copyMemory(from: UnsafeRawBufferPointer(start: next, count: given))
        count -= given
        unsafe next = count == 0 ? nil : next.map { unsafe $0 + given }
        if count == 0, let memory = unsafe kept {
            unsafe memory.deallocate()
            unsafe kept = nil
        }
        return given
    }

    /// What is left is copied out of the arena, which others use from now on.
    mutating func keep() {
        guard count > 0, unsafe kept == nil else { return }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
        unsafe UnsafeMutableRawBufferPointer(start: memory, count: count)
            .copyMemory(from: UnsafeRawBufferPointer(start: next, count: count))
        unsafe (next, kept) = (UnsafeRawPointer(memory), memory)
    }
}
