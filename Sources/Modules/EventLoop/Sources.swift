// SPDX-License-Identifier: Apache-2.0

import Platform

/// Something with a descriptor in a loop's epoll set.
package class EventSource {
    /// The descriptor is ready for these (EPOLLIN and so on). On the loop's thread.
    func handle(_ events: UInt32) {}

    /// The loop is about to end. On the loop's thread.
    func loopEnds() {}
}

/// The sources of one loop.
///
/// The kernel is given a number, never a pointer: 32 bits of generation, 32 bits of slot. An event that was already on
/// its way when its source left finds another generation in the slot and is dropped, also when the same descriptor and
/// the same slot have a new owner by then.
@safe struct SourceTable: ~Copyable {
    /// The number of the loop's own eventfd; no slot has it.
    static let wakeID = UInt64.max
    private static let slotsAtFirst = 64

    private struct Slot: ~Copyable {
        var source = FadingReference<EventSource>()
        var generation: UInt32 = 0
    }

    /// The first `count` are initialized.
    private var slots: UnsafeMutableBufferPointer<Slot>
    private var count = 0
    private var free: [UInt32] = []

    init() { unsafe slots = .allocate(capacity: Self.slotsAtFirst) }

    deinit {
        unsafe slots.extracting(..<count).deinitialize()
        unsafe slots.deallocate()
    }

    mutating func insert(_ source: EventSource) -> UInt64 {
        let index: UInt32
        if let last = free.popLast() {
            index = last
        } else {
            if unsafe count == slots.count { grow() }
            // A descriptor is a CInt, so there are fewer slots than that.
            index = UInt32(count)
            // There is room for it: just now.
            unsafe slots.initializeElement(at: count, to: Slot())
            count += 1
        }
        // Below `count`, as all that were given out.
        unsafe slots[Int(index)].source.point(to: source)
        return unsafe UInt64(slots[Int(index)].generation) << 32 | UInt64(index)
    }

    private mutating func grow() {
        let more = unsafe UnsafeMutableBufferPointer<Slot>.allocate(capacity: 2 * slots.count)
        // All of them are initialized where it is full.
        _ = unsafe more.moveInitialize(fromContentsOf: slots)
        unsafe slots.deallocate()
        unsafe slots = more
    }

    mutating func remove(_ id: UInt64) {
        let index = UInt32(truncatingIfNeeded: id)
        precondition(Int(index) < count, "a source leaves its own loop")
        // Below `count`.
        unsafe precondition(slots[Int(index)].generation == UInt32(id >> 32), "a source leaves once")
        unsafe slots[Int(index)].source.fade()
        unsafe slots[Int(index)].generation &+= 1
        free.append(index)
    }

    subscript(id: UInt64) -> EventSource? {
        let index = Int(UInt32(truncatingIfNeeded: id))
        guard index < count, let first = unsafe slots.baseAddress else { return nil }
        // Below `count`.
        let slot = unsafe first + index
        return unsafe slot.pointee.generation == UInt32(id >> 32) ? slot.pointee.source.value : nil
    }

    // Below `count`.
    var all: [EventSource] { (0..<count).compactMap { unsafe slots[$0].source.value } }
}
