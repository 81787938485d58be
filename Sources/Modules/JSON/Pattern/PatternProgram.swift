// SPDX-License-Identifier: Apache-2.0

/// The automaton of an expression, and its simulation.
struct PatternProgram: Sendable {
    enum Instruction: Sendable {
        /// Takes a scalar of the set with this index and goes on behind.
        case take(Int)
        /// Goes on at both places.
        case split(Int, Int)
        case jump(Int)
        case assert(PatternAssertion)
        case match
    }

    private(set) var instructions: [Instruction] = []
    private var sets: [PatternSet] = []
    private var work = 0

    init(_ root: PatternNode) throws(PatternError) {
        try emit(root)
        instructions.append(.match)
    }

    private mutating func emit(_ node: PatternNode) throws(PatternError) {
        // Counted apart from the instructions, as the repetition of an empty group has none.
        work += 1
        guard work <= Pattern.instructionsMax, instructions.count < Pattern.instructionsMax else {
            throw PatternError(.tooLarge, at: 0)
        }
        switch node {
        case .set(let set):
            instructions.append(.take(sets.count))
            sets.append(set)
        case .assertion(let assertion): instructions.append(.assert(assertion))
        case .sequence(let nodes): for node in nodes { try emit(node) }
        case .choice(let branches): try emit(choice: branches)
        case .repetition(let node, let least, let most):
            for _ in 0..<least { try emit(node) }
            guard let most else { return try emit(star: node) }
            var splits: [Int] = []
            for _ in least..<most {
                splits.append(instructions.count)
                instructions.append(.jump(0))
                try emit(node)
            }
            for split in splits { instructions[split] = .split(split + 1, instructions.count) }
        }
    }

    private mutating func emit(choice branches: [PatternNode]) throws(PatternError) {
        var jumps: [Int] = []
        for (index, branch) in branches.enumerated() {
            let split = instructions.count
            let isLast = index == branches.count - 1
            if !isLast { instructions.append(.jump(0)) }
            try emit(branch)
            guard !isLast else { break }
            jumps.append(instructions.count)
            instructions.append(.jump(0))
            instructions[split] = .split(split + 1, instructions.count)
        }
        for jump in jumps { instructions[jump] = .jump(instructions.count) }
    }

    private mutating func emit(star node: PatternNode) throws(PatternError) {
        let split = instructions.count
        instructions.append(.jump(0))
        try emit(node)
        instructions.append(.jump(split))
        instructions[split] = .split(split + 1, instructions.count)
    }

    /// True if a match ends anywhere; nil when the steps are used up.
    func matches(_ text: some Sequence<Unicode.Scalar>, steps: inout Int) -> Bool? {
        var simulation = Simulation(count: instructions.count)
        var iterator = text.makeIterator()
        var previous: Unicode.Scalar?
        var next = iterator.next()
        while true {
            // A match may begin at every place: one more thread starts here.
            simulation.enter(0)
            if simulation.close(over: instructions, between: previous, and: next, steps: &steps) { return true }
            guard steps > 0 else { return nil }
            guard let scalar = next else { return false }
            simulation.advance { index in
                guard case .take(let set) = instructions[index] else { return false }
                return sets[set].contains(scalar)
            }
            previous = scalar
            next = iterator.next()
        }
    }

    /// The places where the expression can be, each at most once.
    private struct Simulation {
        private var entered: [Int] = []
        private var taking: [Int] = []
        private var marks: [Int]
        private var turn = 1

        init(count: Int) { marks = [Int](repeating: 0, count: count) }

        mutating func enter(_ index: Int) { entered.append(index) }

        /// Follows all that takes no scalar. Returns true if that leads to a match.
        mutating func close(
            over instructions: [Instruction], between previous: Unicode.Scalar?, and next: Unicode.Scalar?,
            steps: inout Int
        ) -> Bool {
            taking.removeAll(keepingCapacity: true)
            while let index = entered.popLast() {
                guard marks[index] != turn else { continue }
                marks[index] = turn
                steps &-= 1
                guard steps > 0 else { return false }
                switch instructions[index] {
                case .take: taking.append(index)
                case .split(let first, let second): entered += [second, first]
                case .jump(let target): entered.append(target)
                case .assert(let assertion):
                    if assertion.holds(between: previous, and: next) { entered.append(index + 1) }
                case .match: return true
                }
            }
            turn += 1
            return false
        }

        mutating func advance(where takes: (Int) -> Bool) {
            for index in taking where takes(index) { entered.append(index + 1) }
        }
    }
}
