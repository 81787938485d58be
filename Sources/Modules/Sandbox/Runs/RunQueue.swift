// SPDX-License-Identifier: Apache-2.0

/// Who runs next. So many at once; who waits is taken tenant by tenant in turn, so that one with a thousand runs delays
/// another by one.
struct RunQueue<Owner: Hashable, Element> {
    enum Refusal: Error, Equatable {
        /// Too many wait, of everybody's or of this owner's.
        case full
    }

    private let parallelMax: Int
    private let waitingMax: Int
    private let waitingOfOneMax: Int
    private var lines: [Owner: [(number: UInt64, element: Element)]] = [:]
    /// Owners who have somebody waiting, in the order of their turns.
    private var turns: [Owner] = []
    private(set) var running = 0
    private(set) var waiting = 0

    init(parallelMax: Int, waitingMax: Int, waitingOfOneMax: Int) {
        self.parallelMax = parallelMax
        self.waitingMax = waitingMax
        self.waitingOfOneMax = waitingOfOneMax
    }

    /// Whether one of `owner` may wait.
    func admit(_ owner: Owner) throws(Refusal) {
        guard running >= parallelMax || waiting > 0 else { return }
        guard waiting < waitingMax, (lines[owner]?.count ?? 0) < waitingOfOneMax else { throw .full }
    }

    mutating func append(_ element: Element, of owner: Owner, number: UInt64) throws(Refusal) {
        try admit(owner)
        if lines[owner] == nil { turns.append(owner) }
        lines[owner, default: []].append((number, element))
        waiting += 1
    }

    /// Takes the next that may run now; it counts as running until `leave`.
    mutating func next() -> Element? {
        guard running < parallelMax, let owner = turns.first else { return nil }
        turns.removeFirst()
        guard let first = lines[owner]?.removeFirst() else { return nil }
        if lines[owner]?.isEmpty == true { lines[owner] = nil } else { turns.append(owner) }
        waiting -= 1
        running += 1
        return first.element
    }

    /// One that ran has ended.
    mutating func leave() { running -= 1 }

    /// Takes back one that waits; nil where it waits no more.
    mutating func remove(number: UInt64, of owner: Owner) -> Element? {
        guard let index = lines[owner]?.firstIndex(where: { $0.number == number }),
            let removed = lines[owner]?.remove(at: index)
        else { return nil }
        if lines[owner]?.isEmpty == true {
            lines[owner] = nil
            turns.removeAll { $0 == owner }
        }
        waiting -= 1
        return removed.element
    }

    /// Everybody who waits.
    mutating func removeAll() -> [Element] {
        let all = turns.flatMap { lines[$0] ?? [] }.map(\.element)
        (lines, turns, waiting) = ([:], [], 0)
        return all
    }
}
