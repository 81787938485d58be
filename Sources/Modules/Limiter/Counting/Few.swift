// SPDX-License-Identifier: Apache-2.0

/// A short list, of which the first two elements need no memory of their own: mostly that is a key and its tenant, with one
/// limit each, and a request would make an array for each of them and throw it away.
struct Few<Element> {
    private var first: Element?
    private var second: Element?
    private var rest: [Element] = []
    private(set) var count = 0

    init() {}

    var isEmpty: Bool { count == 0 }

    mutating func append(_ element: Element) {
        switch count {
        case 0: first = element
        case 1: second = element
        default: rest.append(element)
        }
        count += 1
    }

    /// - Precondition: there are more than `index`.
    subscript(index: Int) -> Element {
        if index == 0, let first { return first }
        if index == 1, let second { return second }
        return rest[index - 2]
    }

    /// Goes through all of them in their order.
    @inline(__always)
    func forEach(_ body: (Element) -> Void) {
        if let first { body(first) }
        if let second { body(second) }
        for element in rest { body(element) }
    }
}

extension Few: Sendable where Element: Sendable {}
