// SPDX-License-Identifier: Apache-2.0

/// Something a loop is to run.
enum Work {
    /// A step of a task.
    case job(UnownedJob)
    /// A closure somebody posted.
    case body(@Sendable () -> Void)
}

/// A task that waits for its turn, to be resumed exactly once.
@safe struct Suspended {
    private let continuation: UnsafeContinuation<Void, Never>

    init(_ continuation: UnsafeContinuation<Void, Never>) { unsafe self.continuation = continuation }

    func resume() { unsafe continuation.resume() }
}

/// First in, first out; both ends in constant time.
package struct Queue<Element> {
    private var items: [Element?] = []
    private var head = 0

    package init() {}

    package var isEmpty: Bool { head == items.count }

    package var count: Int { items.count - head }

    package mutating func append(_ element: Element) {
        items.append(element)
    }

    package mutating func popFirst() -> Element? {
        guard head < items.count else { return nil }
        let element = items[head]
        items[head] = nil
        head += 1
        if head == items.count {
            items.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 1_024 && head > items.count / 2 {
            // Each item is moved at most once for each that was taken.
            items.removeFirst(head)
            head = 0
        }
        return element
    }
}
