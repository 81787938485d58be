// SPDX-License-Identifier: Apache-2.0

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
struct SourceTable {
    /// The number of the loop's own eventfd; no slot has it.
    static let wakeID = UInt64.max

    private struct Slot {
        var generation: UInt32 = 0
        weak var source: EventSource?
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []

    mutating func insert(_ source: EventSource) -> UInt64 {
        let index: UInt32
        if let last = free.popLast() {
            index = last
        } else {
            // A descriptor is a CInt, so there are fewer slots than that.
            index = UInt32(slots.count)
            slots.append(Slot())
        }
        slots[Int(index)].source = source
        return UInt64(slots[Int(index)].generation) << 32 | UInt64(index)
    }

    mutating func remove(_ id: UInt64) {
        let index = UInt32(truncatingIfNeeded: id)
        precondition(slots[Int(index)].generation == UInt32(id >> 32), "a source leaves once")
        slots[Int(index)].source = nil
        slots[Int(index)].generation &+= 1
        free.append(index)
    }

    subscript(id: UInt64) -> EventSource? {
        let slot = Int(UInt32(truncatingIfNeeded: id))
        guard slot < slots.count, slots[slot].generation == UInt32(id >> 32) else { return nil }
        return slots[slot].source
    }

    var all: [EventSource] { slots.compactMap(\.source) }
}
