// SPDX-License-Identifier: Apache-2.0

/// Reads an expression into a tree (ECMA-262 §22.2.1, with the leniency of annex B.1.2 for lone braces and brackets).
struct PatternParser {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0

    static func parse(_ text: String) throws(PatternError) -> PatternNode {
        var parser = PatternParser(scalars: Array(text.unicodeScalars.prefix(Pattern.scalarsMax + 1)))
        guard parser.scalars.count <= Pattern.scalarsMax else { throw PatternError(.tooLong, at: Pattern.scalarsMax) }
        let node = try parser.choice()
        guard parser.next == nil else { throw parser.fail(.unbalancedParenthesis) }
        return node
    }

    private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func take(_ text: String) -> Bool {
        guard scalars[position...].starts(with: text.unicodeScalars) else { return false }
        position += text.unicodeScalars.count
        return true
    }

    private func fail(_ reason: PatternError.Reason) -> PatternError { PatternError(reason, at: position) }

    private mutating func choice() throws(PatternError) -> PatternNode {
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence() throws(PatternError) -> PatternNode {
        var terms: [PatternNode] = []
        while let scalar = next, scalar != "|", scalar != ")" { terms.append(try term()) }
        return .sequence(terms)
    }

    private mutating func term() throws(PatternError) -> PatternNode {
        if take("^") { return try assertion(.start) }
        if take("$") { return try assertion(.end) }
        if take("\\b") { return try assertion(.wordBoundary) }
        if take("\\B") { return try assertion(.noWordBoundary) }
        let atom = try atom()
        guard let (least, most) = try quantifier() else { return atom }
        _ = take("?")
        if try quantifier() != nil { throw fail(.nothingToRepeat) }
        return .repetition(atom, min: least, max: most)
    }

    private mutating func assertion(_ assertion: PatternAssertion) throws(PatternError) -> PatternNode {
        if try quantifier() != nil { throw fail(.nothingToRepeat) }
        return .assertion(assertion)
    }

    private mutating func atom() throws(PatternError) -> PatternNode {
        guard let scalar = next else { throw fail(.unexpectedEnd) }
        switch scalar {
        case "(": return try group()
        case "[": return .set(try characterClass())
        case "\\": return .set(try escape(inClass: false))
        case ".":
            position += 1
            return .set(.notLineEnd)
        case "*", "+", "?": throw fail(.nothingToRepeat)
        case "{":
            if try quantifier() != nil { throw fail(.nothingToRepeat) }
            position += 1
            return .set(PatternSet("{"))
        default:
            position += 1
            return .set(PatternSet(scalar))
        }
    }

    private mutating func group() throws(PatternError) -> PatternNode {
        let start = position
        position += 1
        if take("?") {
            if take("=") || take("!") || take("<=") || take("<!") { throw PatternError(.lookaround, at: start) }
            if take("<") {
                while let scalar = next, scalar != ">" {
                    guard PatternSet.word.contains(scalar) || scalar == "$" else { throw fail(.unknownGroup) }
                    position += 1
                }
                guard take(">") else { throw fail(.unexpectedEnd) }
            } else if !take(":") {
                throw fail(.unknownGroup)
            }
        }
        guard depth < Pattern.depthMax else { throw fail(.tooDeep) }
        depth += 1
        defer { depth -= 1 }
        let node = try choice()
        guard take(")") else { throw PatternError(.unbalancedParenthesis, at: start) }
        return node
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`; nil, at the same place, if none stands here.
    private mutating func quantifier() throws(PatternError) -> (min: Int, max: Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        let start = position
        guard take("{"), let least = try number() else {
            position = start
            return nil
        }
        if take("}") { return (least, least) }
        guard take(",") else {
            position = start
            return nil
        }
        let most = try number()
        guard take("}") else {
            position = start
            return nil
        }
        if let most, most < least { throw PatternError(.malformedQuantifier, at: start) }
        return (least, most)
    }

    private mutating func number() throws(PatternError) -> Int? {
        let start = position
        var number = 0
        while let scalar = next, PatternSet.digit.contains(scalar) {
            number = number * 10 + Int(scalar.value - 0x30)
            guard number <= Pattern.repetitionMax else { throw PatternError(.tooLarge, at: start) }
            position += 1
        }
        return position > start ? number : nil
    }

    private mutating func characterClass() throws(PatternError) -> PatternSet {
        let start = position
        position += 1
        let isNegated = take("^")
        var ranges: [ClosedRange<UInt32>] = []
        var set = PatternSet()
        while !take("]") {
            guard next != nil else { throw PatternError(.malformedClass, at: start) }
            let first = try classItem()
            guard let low = first.single, scalars.count - position >= 2, next == "-", scalars[position + 1] != "]"
            else {
                if let single = first.single { ranges.append(single...single) } else { set.formUnion(first.set) }
                continue
            }
            position += 1
            let second = try classItem()
            if let high = second.single {
                guard low <= high else { throw PatternError(.malformedClass, at: start) }
                ranges.append(low...high)
            } else {
                // `[a-\d]`: the hyphen is one itself.
                ranges += [low...low, 0x2D...0x2D]
                set.formUnion(second.set)
            }
        }
        set.formUnion(PatternSet(ranges))
        set.isNegated = isNegated
        return set
    }

    private mutating func classItem() throws(PatternError) -> (single: UInt32?, set: PatternSet) {
        guard let scalar = next else { throw fail(.malformedClass) }
        guard scalar == "\\" else {
            position += 1
            return (scalar.value, PatternSet(scalar))
        }
        let set = try escape(inClass: true)
        guard !set.isNegated, set.ranges.count == 1, set.ranges[0].count == 1 else { return (nil, set) }
        return (set.ranges[0].lowerBound, set)
    }

    private mutating func escape(inClass: Bool) throws(PatternError) -> PatternSet {
        let start = position
        position += 1
        guard let scalar = next else { throw fail(.unexpectedEnd) }
        position += 1
        switch scalar {
        case "d", "D": return negated(.digit, scalar == "D")
        case "w", "W": return negated(.word, scalar == "W")
        case "s", "S": return negated(.space, scalar == "S")
        case "p", "P": return negated(try property(), scalar == "P")
        case "n": return PatternSet("\n")
        case "r": return PatternSet("\r")
        case "t": return PatternSet("\t")
        case "v": return PatternSet("\u{B}")
        case "f": return PatternSet("\u{C}")
        case "b" where inClass: return PatternSet("\u{8}")
        case "0":
            if let digit = next, PatternSet.digit.contains(digit) { throw PatternError(.malformedEscape, at: start) }
            return PatternSet("\u{0}")
        case "1"..."9", "k": throw PatternError(.backReference, at: start)
        case "c":
            guard let letter = next, letter.isASCII, letter.properties.isAlphabetic else { break }
            position += 1
            return PatternSet([letter.value & 31...letter.value & 31])
        case "x":
            guard let value = hexadecimal(2) else { break }
            return PatternSet([value...value])
        case "u":
            guard let value = codePoint() else { break }
            return PatternSet([value...value])
        default:
            // Any sign may be escaped, also where it need not be; letters and digits have meanings, known or not.
            guard scalar.isASCII, !PatternSet.word.contains(scalar) || scalar == "_" else { break }
            return PatternSet(scalar)
        }
        throw PatternError(.malformedEscape, at: start)
    }

    private func negated(_ set: PatternSet, _ isNegated: Bool) -> PatternSet {
        var set = set
        set.isNegated = isNegated
        return set
    }

    private mutating func property() throws(PatternError) -> PatternSet {
        let start = position
        guard take("{") else { throw fail(.unknownProperty) }
        var name = String.UnicodeScalarView()
        while let scalar = next, scalar != "}" {
            name.append(scalar)
            position += 1
        }
        guard take("}"), let set = PatternSet(property: String(name)) else {
            throw PatternError(.unknownProperty, at: start)
        }
        return set
    }

    /// Behind `\u`: four digits, two times four that are a surrogate pair, or digits in braces.
    private mutating func codePoint() -> UInt32? {
        if take("{") {
            var value: UInt32 = 0
            var digits = 0
            while let digit = next.flatMap({ Character($0).hexDigitValue }), value <= 0x10FFFF {
                value = value << 4 | UInt32(digit)
                digits += 1
                position += 1
            }
            return digits > 0 && value <= 0x10FFFF && take("}") ? value : nil
        }
        guard let first = hexadecimal(4) else { return nil }
        let place = position
        if 0xD800...0xDBFF ~= first, take("\\u"), let second = hexadecimal(4), 0xDC00...0xDFFF ~= second {
            return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
        }
        position = place
        return first
    }

    private mutating func hexadecimal(_ count: Int) -> UInt32? {
        guard scalars.count - position >= count else { return nil }
        var value: UInt32 = 0
        for scalar in scalars[position..<(position + count)] {
            guard scalar.isASCII, let digit = Character(scalar).hexDigitValue else { return nil }
            value = value << 4 | UInt32(digit)
        }
        position += count
        return value
    }
}
