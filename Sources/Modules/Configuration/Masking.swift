// SPDX-License-Identifier: Apache-2.0

import Bytes
import TOML

/// What must not be shown when a line of the configuration is.
///
/// People paste keys where a reference belongs, or on a line with a typing mistake, and then paste the error into a
/// ticket. So every shown line passes here, whatever its error is about, and rather too much is hidden than too little:
///
/// 1. the value of a key whose name says that it is a secret, unless it is a reference or a path;
/// 2. any word that looks like a credential: one of the well-known prefixes, a URL with a user, or sixteen letters and
///    digits in a row;
/// 3. what the caller knows to be one.
enum Masking {
    // MARK: What a secret is

    private static let secretiveWords: Set<String> = [
        "key", "keys", "secret", "secrets", "password", "passwd", "passphrase", "token", "pepper", "credential",
        "credentials", "authorization", "bearer",
    ]

    private static let prefixes = ["sk-", "sk_", "pk_", "ghk_", "ghp_", "gsk_", "hf_", "xai-", "akia", "aiza", "eyj"]

    /// Whether the last word of a key's name is one of those that stand for secrets: `key`, `api_key`, `auth-token`.
    static func isSecretive(_ key: String) -> Bool {
        let words = key.asciiLowercased.split { $0 == "_" || $0 == "-" || $0 == "." || $0 == " " }
        return words.last.map { secretiveWords.contains(String($0)) } ?? false
    }

    /// Whether text under a secretive key may be shown: it only says where the secret is.
    private static func isReference(_ text: String) -> Bool {
        if case .environment(let name)? = SecretReference(text) {
            // A key written behind `env:` by mistake is not in capitals.
            return name.utf8.allSatisfy { !(UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
        }
        return SecretReference(text) != nil || isPath(text)
    }

    /// A path in small letters; base64 that begins with a slash has capitals.
    private static func isPath(_ text: String) -> Bool {
        guard text.hasPrefix("/") || text.hasPrefix("./") else { return false }
        return text.utf8.allSatisfy { byte in
            !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) && byte != UInt8(ascii: "+")
        }
    }

    /// Whether a word, under any key, looks like a credential.
    static func looksSecret(_ word: String) -> Bool {
        let lowered = word.asciiLowercased
        if lowered.utf8.count >= 8, prefixes.contains(where: lowered.hasPrefix) { return true }
        // A URL with a user has a password more often than not.
        if lowered.contains("://"), lowered.contains("@") { return true }
        if isPath(word) { return false }
        return word.utf8.split(whereSeparator: { !isDense($0) }).contains { part in
            part.count >= 16 && part.contains(where: \.isASCIIDigit) && part.contains(where: \.isASCIILetter)
        }
    }

    /// A key's name as messages have it: in a damaged text, what is taken for a key may be a secret.
    static func name(_ key: String) -> String {
        looksSecret(key) ? "…" : key.printable()
    }

    private static func isDense(_ byte: UInt8) -> Bool {
        byte.isASCIIDigit || byte.isASCIILetter || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
    }

    // MARK: Where secrets are

    /// The bytes of the document that are values of secretive keys.
    static func secrets(in table: TOMLTable) -> [Range<Int>] {
        table.members.flatMap { secrets(in: $0.value, isSecretive: isSecretive($0.key)) }
    }

    private static func secrets(in value: TOMLValue, isSecretive: Bool) -> [Range<Int>] {
        switch value.content {
        case .table(let table): secrets(in: table)
        case .array(let elements): elements.flatMap { secrets(in: $0, isSecretive: isSecretive) }
        case .string(let text): isSecretive && !isReference(text) ? [value.range] : []
        case .boolean: []
        default: isSecretive ? [value.range] : []
        }
    }

    /// The bytes of one line, which need not be TOML, that look like secrets.
    static func secrets(inLine line: [UInt8]) -> [Range<Int>] {
        var secrets: [Range<Int>] = []
        var lastWord = 0..<0
        var index = 0
        while index < line.count {
            if isWord(line[index]) {
                let start = index
                while index < line.count, isWord(line[index]) { index += 1 }
                lastWord = start..<index
                if looksSecret(String(decoding: line[lastWord], as: UTF8.self)) { secrets.append(lastWord) }
            } else {
                let isAssignment = line[index] == UInt8(ascii: "=")
                index += 1
                if isAssignment, isSecretive(String(decoding: line[lastWord], as: UTF8.self)) {
                    secrets += secretAssigned(line, from: &index)
                }
            }
        }
        return secrets
    }

    /// What is behind the `=` of a secretive key: a string to its quote, or else the rest of the line.
    private static func secretAssigned(_ line: [UInt8], from index: inout Int) -> [Range<Int>] {
        while index < line.count, line[index].isASCIIWhitespace { index += 1 }
        guard index < line.count else { return [] }
        let start = index
        let quote = line[index]
        if quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'"),
            let end = line[(index + 1)...].firstIndex(of: quote), end > start + 1, !line[start..<end].contains(0x5C)
        {
            index = end + 1
            return isReference(String(decoding: line[start + 1..<end], as: UTF8.self)) ? [] : [start..<index]
        }
        index = line.count
        return [start..<line.count]
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        if byte.isASCIIDigit || byte.isASCIILetter || byte >= 0x80 { return true }
        return "+-./:@_~".utf8.contains(byte)
    }

    // MARK: Hiding

    /// The line with one `…` for each hidden range, and where the caret at byte `caret` is then. Bytes that are not
    /// UTF-8 are shown as U+FFFD.
    static func apply(
        _ hidden: [Range<Int>], to line: [UInt8], caret: Int
    ) -> (scalars: [Unicode.Scalar], caret: Int) {
        let ranges = joined(hidden)
        // Inside something hidden, the caret stands at its beginning.
        let caret = ranges.first { $0.lowerBound < caret && caret < $0.upperBound }?.lowerBound ?? caret
        let before = shown(line[..<caret], ranges)
        return (before + shown(line[caret...], ranges), before.count)
    }

    private static func shown(_ part: ArraySlice<UInt8>, _ hidden: [Range<Int>]) -> [Unicode.Scalar] {
        var scalars: [Unicode.Scalar] = []
        var offset = part.startIndex
        for range in hidden where part.indices.contains(range.lowerBound) {
            scalars += String(decoding: part[offset..<range.lowerBound], as: UTF8.self).unicodeScalars
            scalars.append("…")
            offset = range.upperBound
        }
        return scalars + String(decoding: part[offset...], as: UTF8.self).unicodeScalars
    }

    private static func joined(_ ranges: [Range<Int>]) -> [Range<Int>] {
        var joined: [Range<Int>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, range.lowerBound <= last.upperBound {
                joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        return joined
    }
}
