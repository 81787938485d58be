// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Groups of digits that stand together, as in `+55 (11) 98765-4321` or `4111 1111 1111 1111`: read once, then compared
/// with the shapes of numbers that belong to people. A whole line may be one cluster; its beginning is what is asked about.
struct NumberCluster {
    static let groupsMax = 12
    static let digitsMax = 40

    /// What stands between two groups.
    enum Separator: UInt8 {
        case none, space, dash, dot, slash
        /// `)`, with a space or a dash behind it or without.
        case close
        /// `(`, behind a space or not.
        case open
    }

    /// Where the cluster begins in the text: at its plus sign, parenthesis or first digit.
    let start: Int
    let hasPlus: Bool
    let hasParenthesis: Bool
    /// The digits of all groups, as values.
    private(set) var digits = [40 of UInt8](repeating: 0)
    private(set) var digitCount = 0
    private(set) var groupCount = 0
    /// The separator behind each group.
    private var separators = [12 of Separator](repeating: .none)
    /// The text's index behind each group.
    private var ends = [12 of Int](repeating: 0)
    /// How many digits there are up to the end of each group.
    private var sums = [12 of Int](repeating: 0)

    /// Reads the cluster at `start`, of which the digits begin at `first`. Where a group is longer than any number of
    /// a person's, the cluster has no groups.
    init(_ text: Span<UInt8>, at start: Int, digitsAt first: Int, hasPlus: Bool, hasParenthesis: Bool) {
        self.start = start
        self.hasPlus = hasPlus
        self.hasParenthesis = hasParenthesis
        var index = first
        while true {
            let end = text.end(of: \.isASCIIDigit, from: index)
            // What is too long ends the cluster before it, and is no end itself: `separators` keeps a dash there.
            guard end > index, digitCount + (end - index) <= Self.digitsMax else { return }
            while index < end {
                digits[digitCount] = text[index] - 48
                digitCount += 1
                index += 1
            }
            ends[groupCount] = end
            sums[groupCount] = digitCount
            groupCount += 1
            guard let (separator, next) = Self.separator(text, at: end) else { return }
            separators[groupCount - 1] = separator
            if groupCount == Self.groupsMax { return }
            index = next
        }
    }

    /// Digits of the first `groups` groups.
    func count(_ groups: Int) -> Int { sums[groups - 1] }

    /// Digits of one group.
    func length(_ group: Int) -> Int { sums[group] - (group == 0 ? 0 : sums[group - 1]) }

    /// The text's index behind the first `groups` groups.
    func end(_ groups: Int) -> Int { ends[groups - 1] }

    func separator(behind group: Int) -> Separator { separators[group] }

    /// True where a number may end with the first `groups` groups.
    func isEnd(_ groups: Int, in text: Span<UInt8>) -> Bool {
        switch separators[groups - 1] {
        case .dash, .dot: return false
        case .space, .slash, .close, .open: return true
        case .none: break
        }
        let end = ends[groups - 1]
        switch text.peek(end) {
        // An address is found as a whole, at its sign.
        case UInt8(ascii: "@"): return false
        case UInt8(ascii: "%"), UInt8(ascii: "\\"): return text.escapedByte(at: end)?.byte != UInt8(ascii: "@")
        // What stands behind may be masked: it is no end either way.
        case UInt8(ascii: "-"):
            let next = text.peek(end + 1 + text.blank(at: end + 1))
            return !next.isWord && next != UInt8(ascii: "[")
        case UInt8(ascii: "."): return text.peek(end + 1) != UInt8(ascii: "[")
        // A device's number, and then the sign.
        case UInt8(ascii: ":"):
            return text.peek(text.end(of: \.isASCIIDigit, from: end + 1, max: 4)) != UInt8(ascii: "@")
        default: return text.isEnd(end)
        }
    }

    /// Lengths and separators of the first `groups` groups as one number, or zero where there are too many.
    func shape(_ groups: Int) -> UInt64 {
        guard groups <= 8 else { return 0 }
        var shape: UInt64 = hasParenthesis ? 2 : 1
        for group in 0..<groups {
            let separator = group == groups - 1 ? Separator.none : separators[group]
            shape = shape << 7 | UInt64(min(length(group), 15)) << 3 | UInt64(separator.rawValue)
        }
        return shape
    }

    /// The digits as one number, for at most eighteen of them.
    func value(_ range: Range<Int>) -> Int { range.reduce(0) { $0 * 10 + Int(digits[$1]) } }

    /// The separator at `index`, and where the digit behind it stands.
    private static func separator(_ text: Span<UInt8>, at index: Int) -> (Separator, next: Int)? {
        // One space, or two.
        var blank = text.blank(at: index)
        if blank > 0 { blank += text.blank(at: index + blank) }
        var next = index + blank
        let separator: Separator
        if text.hyphen(at: next) > 0 {
            next += text.hyphen(at: next)
            // `5 -3` is two numbers.
            if blank > 0, text.blank(at: next) == 0 { return nil }
            next += text.blank(at: next)
            separator = .dash
        } else if text.peek(next) == UInt8(ascii: "(") {
            next += 1
            separator = .open
        } else if blank == 0, text.peek(next) == UInt8(ascii: ")") {
            next += 1
            let between = text.blank(at: next)
            next += between > 0 ? between : text.hyphen(at: next)
            separator = .close
        } else if text.peek(next) == UInt8(ascii: "/") {
            next += 1
            if blank > 0 { next += text.blank(at: next) }
            separator = .slash
        } else if blank == 0, text.peek(next) == UInt8(ascii: ".") {
            next += 1
            separator = .dot
        } else if blank > 0 {
            separator = .space
        } else {
            return nil
        }
        return text.peek(next).isASCIIDigit ? (separator, next) : nil
    }
}

extension Span where Element == UInt8 {
    /// Bytes of the space at `index`: plain, no-break, thin, or `%20`; zero where there is none.
    func blank(at index: Int) -> Int {
        switch peek(index) {
        case UInt8(ascii: " "): return 1
        case 0xC2: return peek(index + 1) == 0xA0 ? 2 : 0
        // U+2007, U+2009 and U+202F.
        case 0xE2: return peek(index + 1) == 0x80 && [0x87, 0x89, 0xAF].contains(peek(index + 2)) ? 3 : 0
        case UInt8(ascii: "%"): return escapedByte(at: index)?.byte == UInt8(ascii: " ") ? 3 : 0
        case UInt8(ascii: "\\"): return escapedByte(at: index)?.byte == 0xA0 ? 6 : 0
        default: return 0
        }
    }

    /// Bytes of the hyphen or dash at `index`, zero where there is none.
    func hyphen(at index: Int) -> Int {
        switch peek(index) {
        case UInt8(ascii: "-"): return 1
        // U+2010 to U+2013.
        case 0xE2: return peek(index + 1) == 0x80 && (0x90...0x93).contains(peek(index + 2)) ? 3 : 0
        default: return 0
        }
    }

    /// True where a UUID begins at `index`.
    func isUUID(at index: Int) -> Bool {
        guard index + 36 <= count else { return false }
        for offset in 0..<36 {
            let byte = self[index + offset]
            let isRight =
                [8, 13, 18, 23].contains(offset) ? byte == UInt8(ascii: "-") : byte.hexDigitValue != nil
            if !isRight { return false }
        }
        return isEnd(index + 36)
    }
}
