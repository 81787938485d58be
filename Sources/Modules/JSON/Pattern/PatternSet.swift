// SPDX-License-Identifier: Apache-2.0

/// A set of Unicode scalars: ranges and general categories, or all but those.
struct PatternSet: Sendable {
    /// Sorted, and none touches the next.
    private(set) var ranges: [ClosedRange<UInt32>]
    /// One bit for each general category.
    private var categories: UInt32
    var isNegated: Bool

    init(_ ranges: [ClosedRange<UInt32>] = [], categories: UInt32 = 0, isNegated: Bool = false) {
        self.ranges = PatternSet.merged(ranges)
        self.categories = categories
        self.isNegated = isNegated
    }

    init(_ scalar: Unicode.Scalar) { self.init([scalar.value...scalar.value]) }

    static let digit = PatternSet([0x30...0x39])
    static let word = PatternSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    /// WhiteSpace and LineTerminator of ECMA-262 §12.2 and §12.3.
    static let space = PatternSet([
        0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F,
        0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
    ])
    /// What `.` stands for: all but line terminators.
    static let notLineEnd = PatternSet([0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029], isNegated: true)

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        var isFound = containsInRanges(scalar.value)
        if !isFound, categories != 0 {
            isFound = categories & PatternSet.bit(of: scalar.properties.generalCategory) != 0
        }
        return isFound != isNegated
    }

    /// The union, for items of a class; either may be negated.
    mutating func formUnion(_ other: PatternSet) {
        let (mine, theirs) = (positive, other.positive)
        self = PatternSet(mine.ranges + theirs.ranges, categories: mine.categories | theirs.categories)
    }

    /// The same set without negation. A negated set has ranges or categories, never both: it is a class escape.
    private var positive: PatternSet {
        guard isNegated else { return self }
        if categories != 0 { return PatternSet([], categories: ~categories) }
        var rest: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { rest.append(next...(range.lowerBound - 1)) }
            next = range.upperBound + 1
        }
        if next <= 0x10FFFF { rest.append(next...0x10FFFF) }
        return PatternSet(rest)
    }

    private func containsInRanges(_ value: UInt32) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= value
    }

    private static func merged(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var merged: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound &+ 1 {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }
}

extension PatternSet {
    /// Unicode 15 §4.5, table 4-4.
    private static let categoryNames: [(name: String, category: Unicode.GeneralCategory)] = [
        ("Lu", .uppercaseLetter), ("Ll", .lowercaseLetter), ("Lt", .titlecaseLetter), ("Lm", .modifierLetter),
        ("Lo", .otherLetter), ("Mn", .nonspacingMark), ("Mc", .spacingMark), ("Me", .enclosingMark),
        ("Nd", .decimalNumber), ("Nl", .letterNumber), ("No", .otherNumber), ("Pc", .connectorPunctuation),
        ("Pd", .dashPunctuation), ("Ps", .openPunctuation), ("Pe", .closePunctuation), ("Pi", .initialPunctuation),
        ("Pf", .finalPunctuation), ("Po", .otherPunctuation), ("Sm", .mathSymbol), ("Sc", .currencySymbol),
        ("Sk", .modifierSymbol), ("So", .otherSymbol), ("Zs", .spaceSeparator), ("Zl", .lineSeparator),
        ("Zp", .paragraphSeparator), ("Cc", .control), ("Cf", .format), ("Cs", .surrogate), ("Co", .privateUse),
        ("Cn", .unassigned),
    ]

    private static let bits: [Unicode.GeneralCategory: UInt32] = Dictionary(
        uniqueKeysWithValues: categoryNames.enumerated().map { ($1.category, 1 << UInt32($0)) })

    private static let longNames = [
        "Letter": "L", "Mark": "M", "Number": "N", "Punctuation": "P", "Symbol": "S", "Separator": "Z", "Other": "C",
        "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Decimal_Number": "Nd", "Space_Separator": "Zs",
    ]

    private static func bit(of category: Unicode.GeneralCategory) -> UInt32 { bits[category] ?? 0 }

    /// The set of a general category: `L`, `Lu`, `Letter`, `General_Category=L`, `gc=L`; nil for an unknown name.
    init?(property: String) {
        var name = property
        for prefix in ["General_Category=", "gc="] where name.hasPrefix(prefix) { name.removeFirst(prefix.count) }
        name = PatternSet.longNames[name] ?? name
        guard (1...2).contains(name.utf8.count) else { return nil }
        let categories = PatternSet.categoryNames.filter { $0.name.hasPrefix(name) }
        guard !categories.isEmpty else { return nil }
        self.init(categories: categories.reduce(0) { $0 | PatternSet.bit(of: $1.category) })
    }
}
