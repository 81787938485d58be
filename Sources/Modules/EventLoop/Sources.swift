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

    /// An object of its own: read out of an array, a weak reference would be copied with its element.
    private final class Reference {
        weak var source: EventSource?
    }

    private var generations: [UInt32] = []
    private var references: [Reference] = []
    private var free: [UInt32] = []

    mutating func insert(_ source: EventSource) -> UInt64 {
        let index: UInt32
        if let last = free.popLast() {
            index = last
        } else {
            // A descriptor is a CInt, so there are fewer slots than that.
            index = UInt32(references.count)
            references.append(Reference())
            generations.append(0)
        }
        references[Int(index)].source = source
        return UInt64(generations[Int(index)]) << 32 | UInt64(index)
    }

    mutating func remove(_ id: UInt64) {
        let index = UInt32(truncatingIfNeeded: id)
        precondition(generations[Int(index)] == UInt32(id >> 32), "a source leaves once")
        references[Int(index)].source = nil
        generations[Int(index)] &+= 1
        free.append(index)
    }

    subscript(id: UInt64) -> EventSource? {
        let slot = Int(UInt32(truncatingIfNeeded: id))
        guard slot < generations.count, generations[slot] == UInt32(id >> 32) else { return nil }
        return references[slot].source
    }

    var all: [EventSource] { references.compactMap(\.source) }
}
