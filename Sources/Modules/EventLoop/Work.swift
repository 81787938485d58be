// SPDX-License-Identifier: Apache-2.0

/// Something a loop is to run.
@safe enum Work: @unchecked Sendable {
    /// A step of a task, as the runtime names it; run once.
    case job(UnsafeMutableRawPointer)
    /// A closure somebody posted.
    case body(@Sendable () -> Void)
}

/// First in, first out; both ends in constant time. A ring that grows by doubling and never shrinks.
@usableFromInline package struct Queue<Element> {
    /// Its length is zero or a power of two.
    @usableFromInline var ring: [Element?] = []
    @usableFromInline var head = 0
    @usableFromInline package internal(set) var count = 0

    @inlinable package init() {}

    @inlinable package var isEmpty: Bool { count == 0 }

    @inlinable
    package mutating func append(_ element: Element) {
        if count == ring.count { grow() }
        ring[(head &+ count) & (ring.count &- 1)] = element
        count &+= 1
    }

    @inlinable
    package mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = ring[head].take()
        head = (head &+ 1) & (ring.count &- 1)
        count &-= 1
        return element
    }

    @inlinable
    mutating func grow() {
        ring = Array(ring[head...]) + ring[..<head] + Array(repeating: nil, count: max(8, ring.count))
        head = 0
    }
}
