// SPDX-License-Identifier: Apache-2.0

import Bytes

extension Masker {
    /// What begins with the two letters at `start`: a key by its prefix, a JSON Web Token, `Bearer …`, `Basic …`.
    func secret(_ text: Span<UInt8>, at start: Int, floor: Int) -> Outcome {
        let next = start + 2
        guard start >= floor else { return .none(next: next) }
        let first = Int(text[start])
        for index in prefixes.starts[first]..<prefixes.starts[first + 1] {
            let prefix = prefixes.entries[index]
            guard text.hasExactly(prefix.text, at: start) else { continue }
            let end = text.secretEnd(prefix, from: start + prefix.text.utf8CodeUnitCount)
            guard let end, prefix.isAnywhere || text.isStart(start, floor: floor) else { continue }
            return .found(start..<end, .secret)
        }
        guard text.isStart(start, floor: floor) else { return .none(next: next) }
        switch text[start] {
        case UInt8(ascii: "B"), UInt8(ascii: "b"): return scheme(text, at: start, floor: floor)
        case UInt8(ascii: "e"): return text.webToken(at: start)
        case UInt8(ascii: "M"), UInt8(ascii: "N"), UInt8(ascii: "O"): return text.dottedToken(at: start)
        default: return .none(next: next)
        }
    }

    /// `Bearer` and a token, `Basic` and what is a user with a password in base 64 (RFC 6750, RFC 7617).
    private func scheme(_ text: Span<UInt8>, at start: Int, floor: Int) -> Outcome {
        let isBearer = text.has("bearer", at: start)
        guard isBearer || text.has("basic", at: start) else { return .none(next: start + 2) }
        var token = start + (isBearer ? 6 : 5)
        let word = token
        while text.blank(at: token) > 0 { token += text.blank(at: token) }
        if token == word, text.peek(token) == UInt8(ascii: "+") { token += 1 }
        guard token > word else { return .none(next: word) }
        var end = text.end(of: { $0.isTokenByte || ".~+/=".utf8.contains($0) }, from: token)
        if !isBearer {
            end = text.end(of: { $0.isTokenByte || "+/".utf8.contains($0) }, from: token)
            end = text.end(of: { $0 == UInt8(ascii: "=") }, from: end, max: 2)
        }
        if text.peek(end) == UInt8(ascii: "%") || text[end - 1] == UInt8(ascii: ".") {
            end = text.end(of: { $0.isTokenByte || ".~+/=%".utf8.contains($0) }, from: token)
            while end > token, text[end - 1] == UInt8(ascii: ".") { end -= 1 }
        }
        // A challenge: `Bearer realm="…"`.
        guard end > token, !(text[end - 1] == UInt8(ascii: "=") && text.peek(end) == UInt8(ascii: "\"")) else {
            return .none(next: end)
        }
        let isSecret = isBearer ? text.looksSecret(token..<end, least: 6) : text.isUserAndPassword(token..<end)
        return isSecret ? .found(token..<end, .secret) : .none(next: token)
    }

    /// A private key in PEM (RFC 7468), of which the second hyphen is at `index`.
    func privateKey(_ text: Span<UInt8>, at index: Int, floor: Int, isInKey: inout Bool) -> Outcome {
        let start = index - 1
        let dashes = text.end(of: { $0 == UInt8(ascii: "-") }, from: index)
        guard start >= floor else { return .none(next: dashes) }
        if dashes - start == 2 { return option(text, at: start) }
        guard dashes - start >= 5, text.has("begin ", at: dashes) else { return .none(next: dashes) }
        let label = text.end(of: { $0.isASCIIAlphanumeric || $0 == 0x20 }, from: dashes, max: 64)
        guard text.has("-----", at: label), text.contains("private key", in: dashes..<label) else {
            return .none(next: label)
        }
        isInKey = true
        return .found(start..<text.privateKeyEnd(from: label + 5, isOpen: &isInKey), .secret)
    }
}

extension Span where Element == UInt8 {
    /// Where the private key ends that goes on at `start`: behind its last line, or where something stands that no key
    /// holds. `isOpen` stays true where the text ends first.
    func privateKeyEnd(from start: Int, isOpen: inout Bool) -> Int {
        var index = start
        while index < count {
            if self[index] == UInt8(ascii: "-"), has("-----end ", at: index) {
                isOpen = false
                let label = end(of: { $0.isASCIIAlphanumeric || $0 == 0x20 }, from: index + 5, max: 64)
                return end(of: { $0 == UInt8(ascii: "-") }, from: label)
            }
            guard self[index].isKeyText else {
                isOpen = false
                return index
            }
            index += 1
        }
        return index
    }

    /// True where `text` stands at `index`, byte for byte.
    func hasExactly(_ text: StaticString, at index: Int) -> Bool {
        guard index >= 0, index + text.utf8CodeUnitCount <= count else { return false }
        return text.withUTF8Buffer { wanted in
            // Both indices are below the counts compared above.
            for offset in 0..<wanted.count where unsafe self[index + offset] != wanted[offset] { return false }
            return true
        }
    }

    func contains(_ text: StaticString, in range: Range<Int>) -> Bool {
        for index in range where has(text, at: index) { return true }
        return false
    }

    /// Where a secret ends that goes on at `start` as its prefix says; nil where it is none.
    fileprivate func secretEnd(_ prefix: SecretPrefixes.Prefix, from start: Int) -> Int? {
        // The beginning decides; only what is found is read to its end, or a row of prefixes would be read again and again.
        let beginning = self.end(of: prefix.alphabet.contains, from: start, max: Self.decisiveBytesMax)
        guard beginning - start >= prefix.count.lowerBound else { return nil }
        switch prefix.alphabet {
        case .hex, .capital: break
        // A prefix that nothing else has says enough.
        default: guard prefix.isAnywhere || looksSecret(start..<beginning, least: 1) else { return nil }
        }
        var end = self.end(of: prefix.alphabet.contains, from: beginning)
        // The full stop of a sentence.
        while end > start, self[end - 1] == UInt8(ascii: ".") { end -= 1 }
        guard prefix.count.contains(end - start) else { return nil }
        switch prefix.alphabet {
        case .hex, .capital: return isEnd(end) ? end : nil
        default: return end
        }
    }

    /// Bytes of a token that tell whether it is one.
    private static var decisiveBytesMax: Int { 128 }

    /// True for what nobody writes as words: a digit or a capital within, or much in one piece.
    func looksSecret(_ range: Range<Int>, least: Int) -> Bool {
        guard range.count >= least, !isStopWord(range) else { return false }
        var piece = 0
        for index in range.prefix(Self.decisiveBytesMax) {
            let byte = self[index]
            if byte.isASCIIDigit || byte == UInt8(ascii: "+") { return true }
            let isCapital = byte.isASCIILetter && byte & 0x20 == 0
            if isCapital, index > range.lowerBound, self[index - 1].isASCIILetter, self[index - 1] & 0x20 != 0 {
                return true
            }
            piece = byte.isASCIILetter ? piece + 1 : 0
            if piece >= 20 { return true }
        }
        return false
    }

    /// Three pieces of base 64 with points between, the first of which is an object: a JSON Web Token (RFC 7519), signed
    /// or encrypted, or the two pieces that are left of one.
    fileprivate func webToken(at start: Int) -> Masker.Outcome {
        guard peek(start + 2) == UInt8(ascii: "J") else { return .none(next: start + 2) }
        let header = end(of: \.isTokenByte, from: start)
        // An encrypted one may have nothing in its second piece.
        let second = header + (peek(header + 1) == UInt8(ascii: ".") ? 2 : 1)
        guard header - start >= 10, peek(header) == UInt8(ascii: "."), peek(second).isTokenByte else {
            // Another beginning within these bytes ends where they end.
            return .none(next: header)
        }
        var end = self.end(of: { $0.isTokenByte || $0 == UInt8(ascii: ".") }, from: header)
        while self[end - 1] == UInt8(ascii: ".") { end -= 1 }
        return end - start >= 30 ? .found(start..<end, .secret) : .none(next: end)
    }

    /// A bot's token of Discord: three pieces of about 24, 6 and 27 to 38 characters.
    fileprivate func dottedToken(at start: Int) -> Masker.Outcome {
        let first = end(of: \.isTokenByte, from: start, max: 32)
        guard (23...30).contains(first - start), peek(first) == UInt8(ascii: ".") else { return .none(next: start + 2) }
        let second = end(of: \.isTokenByte, from: first + 1, max: 8)
        guard (5...7).contains(second - first - 1), peek(second) == UInt8(ascii: ".") else {
            return .none(next: second)
        }
        let third = end(of: \.isTokenByte, from: second + 1)
        return (27...60).contains(third - second - 1) ? .found(start..<third, .secret) : .none(next: third)
    }

    /// A bot's token of Telegram: its number, a colon and 35 characters.
    func botToken(at start: Int) -> Range<Int>? {
        let number = end(of: \.isASCIIDigit, from: start, max: 12)
        guard (8...11).contains(number - start), peek(number) == UInt8(ascii: ":") else { return nil }
        let end = self.end(of: \.isTokenByte, from: number + 1, max: 64)
        return end - number - 1 >= 34 ? start..<end : nil
    }

    /// True for base 64 that says `user:password`.
    fileprivate func isUserAndPassword(_ range: Range<Int>) -> Bool {
        guard range.count >= 6 else { return false }
        let piece = extracting(range.lowerBound..<Swift.min(range.upperBound, range.lowerBound + 128))
        var text = String(decoding: piece)
        while text.utf8.last == UInt8(ascii: "=") { text.removeLast() }
        guard
            let bytes = Base64.decode(text, alphabet: .standard, isPadded: false)
                ?? Base64.decode(text, alphabet: .url, isPadded: false)
        else { return false }
        return bytes.contains(UInt8(ascii: ":")) && bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }
}

extension UInt8 {
    /// What stands in a private key's lines, also as JSON escapes them.
    fileprivate var isKeyText: Bool {
        isASCIIAlphanumeric || self == 0x20 || (0x09...0x0D).contains(self) || "+/=\\-:,.".utf8.contains(self)
    }
}
