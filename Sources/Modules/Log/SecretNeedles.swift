// SPDX-License-Identifier: Apache-2.0

import Bytes
package import Platform

/// The forms in which secrets may stand in a text, and the tables to find them quickly.
///
/// Of every secret: the bytes themselves; hex; base64 and base64url at each of the three alignments (so also inside the
/// base64 of `Bearer …` or `user:…`; the characters at either end that depend on the neighbours are not part of the form).
/// Each form is found however its characters are written: as they are, as `%XX`, as `\u00XX`, or after backslashes, as in
/// JSON and in JSON within JSON. What is found is replaced by `[redacted]`.
///
/// An occurrence that breaks off counts once it holds 16 bytes of the secret and half of it: upstreams cut what they echo.
///
/// Not found: a secret encrypted, compressed, reversed, percent-encoded twice, or dealt out over several JSON strings.
package final class SecretNeedles: Sendable {
    /// The shortest secret that is looked for, in bytes.
    package static let secretBytesMin = 8
    /// The longest.
    package static let secretBytesMax = 8192

    /// One form of one secret.
    struct Needle: Sendable {
        /// Its bytes in the pool.
        let range: Range<Int>
        /// True for hex.
        let ignoresCase: Bool
        /// Matched bytes after which an occurrence that breaks off counts.
        let enough: Int
        /// True where it holds a backslash or a percent sign, so that it may stand as it is and look escaped.
        let looksEscaped: Bool
    }

    /// All forms, one behind the other; wiped when the tables go.
    let pool: SecretBytes
    let needles: [Needle]
    /// Indices of needles by their first byte; those of byte `b` are `sorted[starts[b]..<starts[b + 1]]`.
    let sorted: [Int]
    let starts: [Int]
    /// A bit for each pair of bytes, the second above the first as two bytes of a text are read at once, that may begin an
    /// occurrence: 8 KiB.
    let pairs: [UInt64]
    /// The same for pairs within the first nine characters of a needle.
    let innerPairs: [UInt64]
    /// The same for a last byte, whose neighbour is not known yet.
    let firsts: [Bool]

    package init(_ secrets: [SecretBytes]) {
        var builder = Builder()
        for secret in secrets { secret.withBytes { builder.add($0) } }
        needles = builder.needles
        sorted = Array(builder.buckets.joined())
        starts = builder.buckets.reduce(into: [0]) { starts, bucket in starts.append((starts.last ?? 0) + bucket.count)
        }
        pairs = builder.pairs
        innerPairs = builder.innerPairs
        firsts = builder.firsts
        pool = SecretBytes(taking: &builder.pool)
    }

    package var isEmpty: Bool { needles.isEmpty }

    /// `text` without secrets.
    package func scrubbed(_ text: String) -> String {
        if isEmpty { return text }
        let bytes = Array(text.utf8)
        let findings = find(in: bytes.span, isLast: true)
        return findings.ranges.isEmpty ? text : String(decoding: findings.replaced(in: bytes), as: UTF8.self)
    }

    /// `bytes` without secrets; the same array where there are none.
    package func scrubbed(_ bytes: consuming [UInt8]) -> [UInt8] {
        if isEmpty { return bytes }
        let findings = find(in: bytes.span, isLast: true)
        return findings.replaced(in: bytes)
    }
}

/// Makes the tables.
private struct Builder {
    var pool: [UInt8] = []
    var needles: [SecretNeedles.Needle] = []
    var buckets = [[Int]](repeating: [], count: 256)
    var pairs = [UInt64](repeating: 0, count: 1024)
    var innerPairs = [UInt64](repeating: 0, count: 1024)
    var firsts = [Bool](repeating: false, count: 256)
    private var known: Set<[UInt8]> = []

    mutating func add(_ secret: Span<UInt8>) {
        var raw: [UInt8] = []
        raw.append(secret)
        add(raw, bytesPerByte: 1)
        add(Array(Hex.encode(secret).utf8), bytesPerByte: 2, ignoresCase: true)
        for alphabet in [Base64.Alphabet.standard, .url] {
            for offset in 0...2 {
                let text = Array(Base64.encode([UInt8](repeating: 0, count: offset) + raw, alphabet: alphabet).utf8)
                // Six bits a character: without those that hold bits of what stands before or behind.
                let core = (offset * 8 + 5) / 6..<(offset + raw.count) * 8 / 6
                add(Array(text[core]), bytesPerByte: 4.0 / 3)
            }
        }
        SecretBytes.wipe(&raw)
    }

    /// Adds one form, in which a byte of the secret takes `bytesPerByte`.
    private mutating func add(_ form: [UInt8], bytesPerByte: Double, ignoresCase: Bool = false) {
        // Two alphabets or two secrets may have a form in common.
        guard known.insert(form + [ignoresCase ? 1 : 0]).inserted else { return }
        let start = pool.count
        pool += form
        let enough = max(Int(16 * bytesPerByte), form.count / 2)
        let needle = SecretNeedles.Needle(
            range: start..<pool.count, ignoresCase: ignoresCase, enough: min(enough, form.count),
            looksEscaped: form.contains { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "%") })
        for first in Builder.cases(of: form[0], ignoresCase) {
            buckets[Int(first)].append(needles.count)
            mark(first, before: Builder.cases(of: form[1], ignoresCase) + Array("%\\".utf8))
            // Written with an escape the first character begins with a percent sign or a backslash.
            let digit = Array("0123456789abcdef".utf8)[Int(first >> 4)]
            mark(UInt8(ascii: "%"), before: [digit, digit.asciiUppercased])
            mark(UInt8(ascii: "\\"), before: [UInt8(ascii: "u"), UInt8(ascii: "\\"), first])
        }
        needles.append(needle)
        for index in 0..<8 {
            // Behind the shortest secret stands anything.
            let seconds =
                index + 1 < form.count ? Builder.cases(of: form[index + 1], ignoresCase) : Array(UInt8.min...UInt8.max)
            for first in Builder.cases(of: form[index], ignoresCase) {
                Builder.mark(first, before: seconds, in: &innerPairs)
            }
        }
    }

    private mutating func mark(_ first: UInt8, before seconds: [UInt8]) {
        firsts[Int(first)] = true
        Builder.mark(first, before: seconds, in: &pairs)
    }

    private static func mark(_ first: UInt8, before seconds: [UInt8], in pairs: inout [UInt64]) {
        for second in seconds {
            let pair = Int(second) << 8 | Int(first)
            pairs[pair >> 6] |= 1 << UInt64(pair & 63)
        }
    }

    private static func cases(of byte: UInt8, _ ignoresCase: Bool) -> [UInt8] {
        ignoresCase ? [byte.asciiLowercased, byte.asciiUppercased] : [byte]
    }
}
