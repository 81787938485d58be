// SPDX-License-Identifier: Apache-2.0

import Bytes
import Platform

/// What a search found.
struct SecretFindings {
    /// Occurrences, ascending, apart from each other.
    var ranges: [Range<Int>] = []
    /// Where an occurrence begins that the end of the text cuts off; the text's count where there is none.
    var heldFrom: Int

    static let replacement = Array("[redacted]".utf8)

    /// `text` up to `heldFrom`, with every occurrence replaced. The same array where nothing changes.
    func replaced(in text: consuming [UInt8]) -> [UInt8] {
        if ranges.isEmpty { return heldFrom == text.count ? text : Array(text[..<heldFrom]) }
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        var copied = 0
        for range in ranges {
            output += text[copied..<range.lowerBound]
            output += SecretFindings.replacement
            copied = range.upperBound
        }
        output += text[copied..<heldFrom]
        return output
    }
}

extension SecretNeedles {
    /// How many backslashes may stand before an escaped character: JSON in JSON in JSON has seven.
    static let backslashesMax = 8

    /// What stands at a place where a needle was tried.
    private enum Match {
        case none
        /// This many bytes of the text.
        case whole(Int)
        /// The text ended before the needle did; this many of its bytes, and of the text's, agree.
        case cut(needle: Int, text: Int)

        static func longer(_ one: Match, _ other: Match) -> Match {
            switch (one, other) {
            case (.cut, _), (_, .none): one
            case (_, .cut), (.none, _): other
            case (.whole(let left), .whole(let right)): .whole(max(left, right))
            }
        }
    }

    /// What stands where one character of a needle was expected.
    private enum Unit {
        case none
        case character(Int)
        case cut
    }

    /// Finds all occurrences. Where `isLast` is false, more text follows, and an occurrence that the end cuts off is held.
    func find(in text: Span<UInt8>, isLast: Bool) -> SecretFindings {
        var findings = SecretFindings(heldFrom: text.count)
        pool.withBytes { pool in
            var position = 0
            var escapes = EscapeSigns()
            while let candidate = firstCandidate(in: text, from: position, &escapes) {
                switch longest(at: candidate, in: text, pool: pool, isLast: isLast) {
                case .none:
                    position = candidate + 1
                case .whole(let count):
                    findings.ranges.append(candidate..<candidate + count)
                    position = candidate + count
                case .cut:
                    findings.heldFrom = candidate
                    return
                }
            }
        }
        return findings
    }

    /// True where nothing in `bytes` is a secret or may be the beginning of one.
    package func mayPass(_ bytes: [UInt8]) -> Bool { mayPass(bytes.span) }

    /// The same for a part of a text.
    package func mayPass(_ bytes: Span<UInt8>) -> Bool {
        let findings = find(in: bytes, isLast: false)
        return findings.ranges.isEmpty && findings.heldFrom == bytes.count
    }

    /// The next place where an occurrence may begin.
    ///
    /// Eight places are judged at a time, by every eighth pair of bytes: where no character is escaped, one of these pairs
    /// lies within the first nine characters of an occurrence, wherever it begins. Only around a pair that some needle has
    /// there, and among escapes, each byte is looked at.
    private func firstCandidate(in span: Span<UInt8>, from start: Int, _ escapes: inout EscapeSigns) -> Int? {
        let last = span.count - 1
        guard start <= last else { return nil }
        // All reads are in bounds: a block ends before the text does, and a pair is below 65,536, of which the tables have a
        // bit each. The buffers live for the length of the closures.
        return unsafe span.withUnsafeBytes { text in
            unsafe pairs.withUnsafeBufferPointer { pairs in
                unsafe innerPairs.withUnsafeBufferPointer { inner in
                    // Before it nothing begins.
                    var place = start
                    while place &+ Self.blockBytes <= text.count {
                        // The last place of a block in front of the next sign.
                        let last = escapes.next(from: place, in: span) &- Self.blockBytes
                        while place <= last {
                            // Covers the place of the pair and the seven before it.
                            if unsafe Self.isMarked(inner, text, place &+ 7) {
                                let found = unsafe firstCandidate(text, pairs, from: place, to: place &+ 8)
                                if let found { return found }
                            }
                            place &+= 8
                        }
                        guard place &+ Self.blockBytes <= text.count else { break }
                        let found = unsafe firstCandidate(text, pairs, from: place, to: place &+ 8)
                        if let found { return found }
                        place &+= 8
                    }
                    if let found = unsafe firstCandidate(text, pairs, from: place, to: last) { return found }
                    return unsafe firsts[Int(text[last])] ? last : nil
                }
            }
        }
    }

    /// What must be there for eight places to be judged at once: they, and the eight characters behind the last of them.
    private static let blockBytes = 16

    /// Where the next bytes stand that may begin an escape. Each of the two is looked for behind the one found before and
    /// nowhere twice, so that no text takes more than one passage for each, whatever it holds.
    private struct EscapeSigns {
        private var percent = -1
        private var backslash = -1

        /// Where the first of either stands at `place` or behind it; the text's count where there is none. Asked for places in
        /// their order.
        @inline(__always)
        mutating func next(from place: Int, in text: Span<UInt8>) -> Int {
            if percent < place { percent = Self.first(UInt8(ascii: "%"), in: text, from: place) }
            if backslash < place { backslash = Self.first(UInt8(ascii: "\\"), in: text, from: place) }
            return min(percent, backslash)
        }

        @inline(never)
        private static func first(_ sign: UInt8, in text: Span<UInt8>, from start: Int) -> Int {
            text.firstIndex(of: sign, from: start) ?? text.count
        }
    }

    /// The same, byte by byte, for the places from `start` to below `end`, which is the last byte's at most.
    // Not in line: seldom asked for, it would take the registers of the loop around it.
    @inline(never)
    private func firstCandidate(
        _ text: UnsafeRawBufferPointer, _ pairs: UnsafeBufferPointer<UInt64>, from start: Int, to end: Int
    ) -> Int? {
        var index = start
        while index < end {
            if unsafe Self.isMarked(pairs, text, index) && !isWideEscape(text, index) { return index }
            index &+= 1
        }
        return nil
    }

    /// Whether a table has the pair of bytes at `place`.
    @inline(__always)
    private static func isMarked(
        _ pairs: UnsafeBufferPointer<UInt64>, _ text: UnsafeRawBufferPointer, _ place: Int
    ) -> Bool {
        let pair = unsafe Int(UInt16(littleEndian: text.loadUnaligned(fromByteOffset: place, as: UInt16.self)))
        return unsafe pairs[pair &>> 6] &>> UInt64(pair & 63) & 1 != 0
    }

    /// True for `\u` with a number beyond 255, as in most of a text that JSON escapes: no secret begins so. Such texts are
    /// full of them, so they are told apart without the cost of a try.
    @inline(__always)
    private func isWideEscape(_ text: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        guard index &+ 3 < text.count else { return false }
        let zero = UInt8(ascii: "0")
        return unsafe text[index] == UInt8(ascii: "\\") && text[index &+ 1] == UInt8(ascii: "u")
            && (text[index &+ 2] != zero || text[index &+ 3] != zero)
    }

    /// The longest occurrence at `position`. One that is cut off goes before a shorter whole one: it may become longer.
    private func longest(at position: Int, in text: Span<UInt8>, pool: Span<UInt8>, isLast: Bool) -> Match {
        let byte = text[position]
        var best = longest(of: byte, at: position, in: text, pool: pool, isLast: isLast)
        if byte == UInt8(ascii: "%") || byte == UInt8(ascii: "\\") {
            // It may be the beginning of an escape, and so of what is meant by it.
            switch escape(at: position, in: text) {
            case .none: break
            case .cut: if !isLast { return .cut(needle: 0, text: text.count - position) }
            case .character(let meant, _) where meant == byte: break
            case .character(let meant, _):
                let other = longest(of: meant, at: position, in: text, pool: pool, isLast: isLast)
                best = Match.longer(best, other)
            }
        }
        return best
    }

    /// The longest of the needles that begin with `first`.
    private func longest(
        of first: UInt8, at position: Int, in text: Span<UInt8>, pool: Span<UInt8>, isLast: Bool
    ) -> Match {
        var longest = Match.none
        for index in starts[Int(first)]..<starts[Int(first) + 1] {
            let needle = needles[sorted[index]]
            var found = match(needle, at: position, in: text, pool: pool)
            if needle.looksEscaped {
                // Two backslashes are two of its own, or one that was escaped: each reading of the text is tried.
                found = Match.longer(found, match(needle, at: position, in: text, pool: pool, asItIs: true))
            }
            switch found {
            case .none: break
            case .whole(let count): longest = Match.longer(longest, .whole(count))
            case .cut(let matched, let count):
                if !isLast { return .cut(needle: matched, text: count) }
                if matched >= needle.enough { longest = Match.longer(longest, .whole(count)) }
            }
        }
        return longest
    }

    /// - Parameter asItIs: takes nothing for an escape.
    private func match(
        _ needle: Needle, at position: Int, in text: Span<UInt8>, pool: Span<UInt8>, asItIs: Bool = false
    ) -> Match {
        var index = needle.range.lowerBound
        var end = position
        while index < needle.range.upperBound {
            let matched = index - needle.range.lowerBound
            switch unit(pool[index], at: end, in: text, ignoresCase: needle.ignoresCase, asItIs: asItIs) {
            case .character(let count):
                index += 1
                end += count
            case .cut:
                return .cut(needle: matched, text: end - position)
            case .none:
                return matched >= needle.enough ? .whole(end - position) : .none
            }
        }
        return .whole(end - position)
    }

    /// Whether `expected` stands at `position`, and in how many bytes.
    private func unit(
        _ expected: UInt8, at position: Int, in text: Span<UInt8>, ignoresCase: Bool, asItIs: Bool
    ) -> Unit {
        guard position < text.count else { return .cut }
        func agrees(_ byte: UInt8) -> Bool {
            byte == expected || ignoresCase && byte.asciiLowercased == expected.asciiLowercased
        }
        let byte = text[position]
        // First as an escape: `%25` is a percent sign, and not one followed by 25.
        if !asItIs, byte == UInt8(ascii: "%") || byte == UInt8(ascii: "\\") {
            switch escape(at: position, in: text) {
            case .character(let character, let count) where agrees(character): return .character(count)
            case .cut: return .cut
            case .character, .none: break
            }
        }
        return agrees(byte) ? .character(1) : .none
    }

    private enum Escape {
        case none
        case character(UInt8, count: Int)
        case cut
    }

    /// The escape that begins with the percent sign or backslash at `position`.
    private func escape(at position: Int, in text: Span<UInt8>) -> Escape {
        if text[position] == UInt8(ascii: "%") {
            return hexadecimal(at: position + 1, digits: 2, from: position, in: text)
        }
        var next = position
        while next < text.count, text[next] == UInt8(ascii: "\\"), next - position < SecretNeedles.backslashesMax {
            next += 1
        }
        guard next < text.count else { return .cut }
        switch text[next] {
        case UInt8(ascii: "u"): return hexadecimal(at: next + 1, digits: 4, from: position, in: text)
        case UInt8(ascii: "/"), UInt8(ascii: "\""), UInt8(ascii: "'"):
            return .character(text[next], count: next + 1 - position)
        // Two backslashes are one.
        default: return next - position >= 2 ? .character(UInt8(ascii: "\\"), count: 2) : .none
        }
    }

    /// Hexadecimal digits that make a byte.
    private func hexadecimal(at start: Int, digits: Int, from position: Int, in text: Span<UInt8>) -> Escape {
        var value = 0
        for index in start..<start + digits {
            guard index < text.count else { return .cut }
            guard let digit = text[index].hexDigitValue else { return .none }
            value = value << 4 | Int(digit)
            // Beyond a byte, as most of what JSON escapes is: known at the first digits. Four digits begin with two zeros.
            if value > 0, index < start + digits - 2 { return .none }
        }
        return .character(UInt8(truncatingIfNeeded: value), count: start + digits - position)
    }
}
