// SPDX-License-Identifier: Apache-2.0

import Bytes

/// What stands in a text instead of what was found there.
enum MaskKind: UInt8, CaseIterable, Sendable {
    case email, phone, card, iban, cpf, cnpj, cuit, nif, ssn
    /// Keys, tokens, passwords: the same mark as for the secrets this process holds.
    case secret
    /// More of a secret whose mark stands in an earlier line.
    case continued

    /// In brackets, which no rule takes for a part of anything: so masking what is masked changes nothing.
    var mark: StaticString {
        switch self {
        case .email: "[email]"
        case .phone: "[phone]"
        case .card: "[card]"
        case .iban: "[iban]"
        case .cpf: "[cpf]"
        case .cnpj: "[cnpj]"
        case .cuit: "[cuit]"
        case .nif: "[nif]"
        case .ssn: "[ssn]"
        case .secret: "[redacted]"
        case .continued: ""
        }
    }
}

/// One piece of a text that is not shown.
struct MaskFinding: Equatable, Sendable {
    var range: Range<Int>
    var kind: MaskKind
}

/// Finds personal data and secrets by their shape, in any text: what the sink does to every line besides taking out the
/// secrets that this process holds (`SecretNeedles`).
///
/// Personal data: e-mail addresses, telephone numbers, cards (Luhn and the issuers' ranges), IBANs (mod 97), CPF, CNPJ,
/// CUIT, NIF and NIE (their check digits), SSN. Secrets: our keys, keys of the common vendors, JSON Web Tokens, private
/// keys in PEM, what follows `Bearer`, `password=` and their like, credentials in URLs.
///
/// Numbers are everywhere in a log, so a bare one counts only if a checksum, a country's plan of numbers or the word
/// before it says so. Not found: names and postal addresses, numbers written in words or in other scripts' digits, and
/// what is compressed, encrypted or in base64.
///
/// One loop sees every byte, and asks a table of pairs whether something may begin there; the rest looks only around
/// such places. Each rule looks at a bounded number of bytes or at bytes that are then passed over, so that the work is
/// linear in the text, whatever it holds. Nothing is found across a line's end but a private key.
final class Masker: Sendable {
    static let shared = Masker()

    /// A bit for each pair of bytes whose second one may begin, or tell, something.
    private let pairs: [UInt64]
    let prefixes = SecretPrefixes()
    let shapes = NumberShapes()

    /// Where a rule leads.
    enum Outcome {
        /// Nothing here, nor before this place.
        case none(next: Int)
        case found(Range<Int>, MaskKind)
    }

    private init() {
        var pairs = [UInt64](repeating: 0, count: 1024)
        for first in UInt8.min...UInt8.max {
            for second in UInt8.min...UInt8.max where Masker.isCandidate(first, second) {
                let pair = Int(first) << 8 | Int(second)
                pairs[pair >> 6] |= 1 << UInt64(pair & 63)
            }
        }
        for pair in prefixes.pairs { pairs[pair >> 6] |= 1 << UInt64(pair & 63) }
        self.pairs = pairs
    }

    private static func isCandidate(_ first: UInt8, _ second: UInt8) -> Bool {
        switch second {
        // A number, a telephone number, or (behind a letter) an IBAN, a NIE, a number behind an escape.
        case UInt8(ascii: "0")...UInt8(ascii: "9"): !first.isASCIIDigit
        case UInt8(ascii: "+"), UInt8(ascii: "("): true
        case UInt8(ascii: "@"): first.isMailLocal || first == UInt8(ascii: "\"")
        // Escapes, of which a few stand for a character above.
        case UInt8(ascii: "%"), UInt8(ascii: "\\"): true
        // An URL's authority, or a CNPJ with letters.
        case UInt8(ascii: "/"): first == UInt8(ascii: "/") || first.isASCIIAlphanumeric
        case UInt8(ascii: "="), UInt8(ascii: ":"):
            first.isASCIIAlphanumeric || first >= 0x80 || "\"'] ".utf8.contains(first)
        case UInt8(ascii: "-"): first == UInt8(ascii: "-")
        default: false
        }
    }

    /// What is not to be shown of `text`, ascending and apart from each other.
    ///
    /// - Parameter isInKey: whether `text` begins within a private key of which earlier lines were passed; tells the same
    ///   of what comes next.
    func find(in text: Span<UInt8>, isInKey: inout Bool) -> [MaskFinding] {
        var findings: [MaskFinding] = []
        var position = 0
        if isInKey {
            let end = text.privateKeyEnd(from: 0, isOpen: &isInKey)
            if end > 0 { findings.append(MaskFinding(range: 0..<end, kind: .continued)) }
            position = end
        }
        // No rule looks back over what was found: its mark will stand there.
        var floor = position
        while let candidate = nextCandidate(in: text, from: position) {
            switch examine(text, at: candidate, floor: floor, isInKey: &isInKey) {
            case .none(let next):
                position = max(next, candidate + 1)
            case .found(let range, let kind):
                findings.append(MaskFinding(range: range, kind: kind))
                position = range.upperBound
                floor = position
            }
        }
        return findings
    }

    /// What is not to be shown of a whole text.
    func find(in text: Span<UInt8>) -> [MaskFinding] {
        var isInKey = false
        return find(in: text, isInKey: &isInKey)
    }

    /// `bytes` without what was found; the same array where nothing was.
    func masked(_ bytes: [UInt8], isInKey: inout Bool) -> [UInt8] {
        let findings = find(in: bytes.span, isInKey: &isInKey)
        if findings.isEmpty { return bytes }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var copied = 0
        for finding in findings {
            output += bytes[copied..<finding.range.lowerBound]
            output.append(utf8: finding.kind.mark)
            copied = finding.range.upperBound
        }
        output += bytes[copied...]
        return output
    }

    /// The next place that a rule must look at: the only loop that sees every byte.
    private func nextCandidate(in text: Span<UInt8>, from start: Int) -> Int? {
        let count = text.count
        guard start < count else { return nil }
        // In bounds: `index` is below the count, and a pair below 65,536, of which the table has a bit each. Both buffers
        // live for the length of the closures.
        return unsafe text.withUnsafeBufferPointer { text in
            unsafe pairs.withUnsafeBufferPointer { pairs in
                var index = start
                // A text's first byte stands as behind a space.
                var pair = unsafe index == 0 ? 0x20 : Int(text[index &- 1])
                while index < count {
                    pair = unsafe (pair &<< 8 | Int(text[index])) & 0xFFFF
                    if unsafe pairs[pair &>> 6] &>> UInt64(pair & 63) & 1 != 0 { return index }
                    index &+= 1
                }
                return nil
            }
        }
    }

    private func examine(_ text: Span<UInt8>, at index: Int, floor: Int, isInKey: inout Bool) -> Outcome {
        let previous = text.peek(index - 1)
        switch text[index] {
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            if previous.isASCIILetter, index > floor { return behindLetter(text, at: index, floor: floor) }
            // The digits of an escape belong to it, not to what follows.
            if index > floor, previous == UInt8(ascii: "%"), text.escapedByte(at: index - 1) != nil {
                return .none(next: index + 1)
            }
            return number(text, at: index, floor: floor)
        case UInt8(ascii: "+"), UInt8(ascii: "("):
            return number(text, at: index, floor: floor)
        case UInt8(ascii: "@"):
            return address(text, at: index, width: 1, floor: floor)
        case UInt8(ascii: "%"), UInt8(ascii: "\\"):
            return escape(text, at: index, floor: floor)
        case UInt8(ascii: "/"):
            if previous == UInt8(ascii: "/") { return userInformation(text, at: index, floor: floor) }
            return companyNumber(text, at: index, floor: floor)
        case UInt8(ascii: "="), UInt8(ascii: ":"):
            return namedSecret(text, at: index, width: 1, floor: floor)
        case UInt8(ascii: "-"):
            return privateKey(text, at: index, floor: floor, isInKey: &isInKey)
        default:
            return secret(text, at: index - 1, floor: floor)
        }
    }

    /// A digit behind a letter: of an IBAN, of a NIE, of a key; or of a number behind an escape that ends with a letter.
    private func behindLetter(_ text: Span<UInt8>, at index: Int, floor: Int) -> Outcome {
        let isBehindEscape =
            text.peek(index - 2) == UInt8(ascii: "\\") || text.peek(index - 3) == UInt8(ascii: "%")
            || text.peek(index - 6) == UInt8(ascii: "\\")
        if isBehindEscape, text.isStart(index, floor: floor) { return number(text, at: index, floor: floor) }
        // Identifiers are full of digits behind letters. What is looked for has another digit; of the prefixes, one has
        // a digit second.
        guard text.peek(index + 1).isASCIIDigit else {
            return text[index - 1] == UInt8(ascii: "r")
                ? secret(text, at: index - 1, floor: floor) : .none(next: index + 1)
        }
        if let found = text.accountNumber(at: index - 2, floor: floor) { return .found(found, .iban) }
        if let found = text.lettersAndNumber(at: index, floor: floor) { return .found(found, .nif) }
        return .none(next: index + 1)
    }

    /// An escape: `%40`, `\u0040` and the like may stand for a character that a rule wants.
    private func escape(_ text: Span<UInt8>, at index: Int, floor: Int) -> Outcome {
        guard let (byte, width) = text.escapedByte(at: index) else { return .none(next: index + 1) }
        switch byte {
        case UInt8(ascii: "@"): return address(text, at: index, width: width, floor: floor)
        case UInt8(ascii: "="), UInt8(ascii: ":"): return namedSecret(text, at: index, width: width, floor: floor)
        case UInt8(ascii: "+"): return number(text, at: index, floor: floor)
        default:
            // What begins behind the escape begins there, though the pair before it has a letter or a digit.
            let next = index + width
            let first = text.peek(next)
            if first.isASCIIDigit || first == UInt8(ascii: "+") || first == UInt8(ascii: "(") {
                return number(text, at: next, floor: floor)
            }
            return .none(next: next)
        }
    }
}

extension UInt8 {
    @inline(__always) var isASCIIAlphanumeric: Bool { isASCIIDigit || isASCIILetter }

    /// A letter, digit or underscore, or a part of a letter beyond ASCII.
    @inline(__always) var isWord: Bool { isASCIIAlphanumeric || self == UInt8(ascii: "_") }

    /// What the local part of an address is made of, as people write them.
    @inline(__always) var isMailLocal: Bool {
        isWord || self >= 0x80 || self == UInt8(ascii: ".") || self == UInt8(ascii: "+") || self == UInt8(ascii: "-")
            || self == UInt8(ascii: "'") || self == UInt8(ascii: "~")
    }

    /// Base 64 for URLs: what tokens are made of.
    @inline(__always) var isTokenByte: Bool { isWord || self == UInt8(ascii: "-") }
}

extension Span where Element == UInt8 {
    /// The byte at `index`, or zero outside the text: no rule takes a zero for anything.
    @inline(__always) func peek(_ index: Int) -> UInt8 {
        index >= 0 && index < count ? self[index] : 0
    }

    /// True where `text`, in small letters, stands at `index`, in any case.
    func has(_ text: StaticString, at index: Int) -> Bool {
        guard index >= 0, index + text.utf8CodeUnitCount <= count else { return false }
        return text.withUTF8Buffer { wanted in
            // Both indices are below the counts compared above.
            for offset in 0..<wanted.count where unsafe self[index + offset].asciiLowercased != wanted[offset] {
                return false
            }
            return true
        }
    }

    /// The first index from `start` at which a byte is not one of a class, at most `max` bytes on.
    @inline(__always)
    func end(of isMember: (UInt8) -> Bool, from start: Int, max: Int = .max) -> Int {
        let limit = max < count - Swift.min(start, count) ? start + max : count
        var index = start
        while index < limit, isMember(self[index]) { index += 1 }
        return index
    }

    /// The ASCII character that is written at `index` as `%40` or `\u0040`, and in how many bytes.
    func escapedByte(at index: Int) -> (byte: UInt8, width: Int)? {
        let digits: Int
        switch peek(index) {
        case UInt8(ascii: "%"): digits = index + 1
        case UInt8(ascii: "\\"):
            guard peek(index + 1) == UInt8(ascii: "u"), peek(index + 2) == UInt8(ascii: "0"),
                peek(index + 3) == UInt8(ascii: "0")
            else {
                // `\n` and its like end what stands before.
                return "nrt".utf8.contains(peek(index + 1)) ? (UInt8(ascii: " "), 2) : nil
            }
            digits = index + 4
        default: return nil
        }
        guard let high = peek(digits).hexDigitValue, let low = peek(digits + 1).hexDigitValue else { return nil }
        return (high << 4 | low, digits + 2 - index)
    }

    /// True where a word may begin at `index`: behind no letter, digit or underscore but those of an escape.
    func isStart(_ index: Int, floor: Int) -> Bool {
        guard index > floor, peek(index - 1).isWord else { return true }
        for width in [2, 3, 6] where index - width >= floor {
            if let escaped = escapedByte(at: index - width), escaped.width == width, !escaped.byte.isWord {
                return true
            }
        }
        return false
    }

    /// True where a word or number may end before `index`. A mark counts as the letters that it stands for, so that what is
    /// masked again stays the same.
    func isEnd(_ index: Int) -> Bool { !peek(index).isWord && !isMark(at: index) }
}
