// SPDX-License-Identifier: Apache-2.0

/// A regular expression that is matched in time linear in the text, whatever the expression: there is no backtracking.
///
/// The syntax is what JSON Schemas use of ECMA-262 §22.2 in its Unicode mode: alternation, groups, quantifiers (lazy ones
/// too, which make no difference here), classes, `.`, `^`, `$`, `\b`, `\B`, `\d \D \w \W \s \S`, `\p{…}` with general
/// categories, and the escapes of single characters. Back-references and lookaround would need backtracking and are
/// refused, as is an expression that grows beyond `instructionsMax`.
///
/// It is a simulation of Thompson's automaton: all places the expression can be at after each scalar are kept as a set.
package struct Pattern: Sendable {
    /// Scalars of the expression.
    package static let scalarsMax = 4_000
    /// Instructions of the automaton, of which `x{n}` takes n times those of `x`.
    package static let instructionsMax = 5_000
    /// Groups within each other.
    package static let depthMax = 50
    /// The largest number in a quantifier.
    package static let repetitionMax = 1_000

    /// The expression as it was written.
    package let text: String
    let root: PatternNode
    private let program: PatternProgram

    /// - Throws: `PatternError` for what is malformed, not supported or too large.
    package init(_ text: String) throws(PatternError) {
        self.text = text
        root = try PatternParser.parse(text)
        program = try PatternProgram(root)
    }

    /// The number of the automaton's instructions: each scalar of a text costs at most that many steps.
    package var instructionCount: Int { program.instructions.count }

    /// True if the expression matches anywhere in `text`; nil if that took more than `steps`, which are used up.
    package func matches(_ text: some StringProtocol, steps: inout Int) -> Bool? {
        program.matches(text.unicodeScalars, steps: &steps)
    }

    /// True if the expression matches anywhere in `text`, however many steps it takes.
    package func matches(_ text: some StringProtocol) -> Bool {
        var steps = Int.max
        return matches(text, steps: &steps) ?? false
    }
}

/// Why an expression is refused, and at which of its scalars.
package struct PatternError: Error, Equatable, Sendable {
    package enum Reason: Equatable, Sendable {
        case unexpectedEnd
        case unbalancedParenthesis
        case nothingToRepeat
        case malformedQuantifier
        case malformedEscape
        case malformedClass
        case unknownProperty
        case backReference
        case lookaround
        case unknownGroup
        case tooLong
        case tooDeep
        case tooLarge
    }

    package let reason: Reason
    /// The number of scalars before the place.
    package let offset: Int

    init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// A phrase for the author of the expression.
    package var message: String {
        switch reason {
        case .unexpectedEnd: "the pattern ends too early"
        case .unbalancedParenthesis: "unbalanced parenthesis in the pattern at character \(offset)"
        case .nothingToRepeat: "nothing to repeat in the pattern at character \(offset)"
        case .malformedQuantifier: "malformed quantifier in the pattern at character \(offset)"
        case .malformedEscape: "malformed escape in the pattern at character \(offset)"
        case .malformedClass: "malformed character class in the pattern at character \(offset)"
        case .unknownProperty: "unknown property in the pattern at character \(offset)"
        case .backReference: "back-references are not supported in a pattern"
        case .lookaround: "lookahead and lookbehind are not supported in a pattern"
        case .unknownGroup: "unknown kind of group in the pattern at character \(offset)"
        case .tooLong: "the pattern has more than \(Pattern.scalarsMax) characters"
        case .tooDeep: "groups are nested too deeply in the pattern"
        case .tooLarge: "the pattern's repetitions are too large"
        }
    }
}

/// An expression as a tree.
indirect enum PatternNode: Sendable {
    case set(PatternSet)
    case assertion(PatternAssertion)
    case sequence([PatternNode])
    case choice([PatternNode])
    case repetition(PatternNode, min: Int, max: Int?)
}

/// What takes no scalar and holds at some places only.
enum PatternAssertion: Sendable {
    case start
    case end
    case wordBoundary
    case noWordBoundary

    func holds(between previous: Unicode.Scalar?, and next: Unicode.Scalar?) -> Bool {
        switch self {
        case .start: previous == nil
        case .end: next == nil
        case .wordBoundary: isWord(previous) != isWord(next)
        case .noWordBoundary: isWord(previous) == isWord(next)
        }
    }

    private func isWord(_ scalar: Unicode.Scalar?) -> Bool { scalar.map { PatternSet.word.contains($0) } ?? false }
}
