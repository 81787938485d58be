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
    func replaced(in text: [UInt8]) -> [UInt8] {
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
            while let candidate = firstCandidate(in: text, from: position) {
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

    /// The next place where an occurrence may begin: the only loop that sees every byte.
    private func firstCandidate(in text: Span<UInt8>, from start: Int) -> Int? {
        let last = text.count - 1
        guard start <= last else { return nil }
        // All reads are in bounds: `index + 1` is at most `last`, and a pair is below 65,536, of which the table has a bit
        // each. Both buffers live for the length of the closures.
        return unsafe text.withUnsafeBufferPointer { text in
            unsafe pairs.withUnsafeBufferPointer { pairs in
                var index = start
                while index < last {
                    let pair = unsafe Int(text[index]) &<< 8 | Int(text[index &+ 1])
                    if unsafe pairs[pair &>> 6] &>> UInt64(pair & 63) & 1 != 0 { return index }
                    index &+= 1
                }
                return unsafe firsts[Int(text[last])] ? last : nil
            }
        }
    }

    /// The longest occurrence at `position`. One that is cut off goes before a shorter whole one: it may become longer.
    private func longest(at position: Int, in text: Span<UInt8>, pool: Span<UInt8>, isLast: Bool) -> Match {
        var longest = 0
        for first in beginnings(at: position, in: text) {
            for index in buckets[Int(first)] {
                switch match(needles[index], at: position, in: text, pool: pool) {
                case .none: break
                case .whole(let count): longest = max(longest, count)
                case .cut(let matched, let count):
                    if !isLast { return .cut(needle: matched, text: count) }
                    if matched >= needles[index].enough { longest = max(longest, count) }
                }
            }
        }
        return longest == 0 ? .none : .whole(longest)
    }

    /// The characters that may be meant at `position`: the byte, and what it is an escape of. All of them where the escape is
    /// cut off.
    private func beginnings(at position: Int, in text: Span<UInt8>) -> [UInt8] {
        let byte = text[position]
        guard byte == UInt8(ascii: "%") || byte == UInt8(ascii: "\\") else { return [byte] }
        switch escape(at: position, in: text) {
        case .none: return [byte]
        case .cut: return Array(0...255)
        case .character(let character, _): return character == byte ? [byte] : [byte, character]
        }
    }

    private func match(_ needle: Needle, at position: Int, in text: Span<UInt8>, pool: Span<UInt8>) -> Match {
        var index = needle.range.lowerBound
        var end = position
        while index < needle.range.upperBound {
            let matched = index - needle.range.lowerBound
            switch unit(pool[index], at: end, in: text, ignoresCase: needle.ignoresCase) {
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
    private func unit(_ expected: UInt8, at position: Int, in text: Span<UInt8>, ignoresCase: Bool) -> Unit {
        guard position < text.count else { return .cut }
        func agrees(_ byte: UInt8) -> Bool {
            byte == expected || ignoresCase && byte.asciiLowercased == expected.asciiLowercased
        }
        let byte = text[position]
        // First as an escape: `%25` is a percent sign, and not one followed by 25.
        if byte == UInt8(ascii: "%") || byte == UInt8(ascii: "\\") {
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
        }
        return value <= 0xFF ? .character(UInt8(value), count: start + digits - position) : .none
    }
}
