// SPDX-License-Identifier: Apache-2.0

extension Pattern {
    /// A text made from the expression: the first branches, the fewest repetitions and `extra` more where that is
    /// allowed. Where assertions stand in odd places it may not match.
    func example(extra: Int, scalarsMax: Int) -> String {
        var writer = ExampleWriter(extra: extra, room: scalarsMax)
        writer.append(root)
        return String(writer.text)
    }
}

private struct ExampleWriter {
    let extra: Int
    var room: Int
    /// Turns of all repetitions; those of an empty group take no room.
    var turns = 100_000
    var text = String.UnicodeScalarView()

    init(extra: Int, room: Int) {
        self.extra = extra
        self.room = room
    }

    mutating func append(_ node: PatternNode) {
        guard room > 0 else { return }
        switch node {
        case .set(let set):
            text.append(set.example)
            room -= 1
        case .assertion: break
        case .sequence(let nodes): for node in nodes { append(node) }
        case .choice(let branches): append(branches[0])
        case .repetition(let node, let least, let most):
            for _ in 0..<min(least + extra, most ?? .max) {
                guard room > 0, turns > 0 else { return }
                turns -= 1
                append(node)
            }
        }
    }
}

extension PatternSet {
    /// A scalar of the set, a letter or digit if it has one.
    fileprivate var example: Unicode.Scalar {
        for scalar in "aA0 -_./:@".unicodeScalars where contains(scalar) { return scalar }
        for value in (0x20..<0x250 as Range<UInt32>) {
            if let scalar = Unicode.Scalar(value), contains(scalar) { return scalar }
        }
        for range in ranges {
            for value in range.prefix(0x900) {
                if let scalar = Unicode.Scalar(value), contains(scalar) { return scalar }
            }
        }
        return "a"
    }
}
