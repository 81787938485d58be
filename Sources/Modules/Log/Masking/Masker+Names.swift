// SPDX-License-Identifier: Apache-2.0

import Bytes

/// What a name says of the value behind it.
private enum SecretName {
    /// A password: any value is one, but for the words of an error's text.
    case password
    /// A token or key: what looks like one.
    case token
    /// A header's value: a scheme and what follows, or pairs, to its end.
    case authorization, cookie
}

extension Masker {
    /// The value behind a name like `password`, whose `=` or `:` is at `index` in `width` bytes.
    func namedSecret(_ text: Span<UInt8>, at index: Int, width: Int, floor: Int) -> Outcome {
        let next = index + width
        guard let (name, backslashes) = text.secretName(before: index, floor: floor) else { return .none(next: next) }
        let isAssigned = text[index] == UInt8(ascii: "=") || text.escapedByte(at: index)?.byte == UInt8(ascii: "=")
        var value = next
        if text.peek(value) == UInt8(ascii: ">") { value += 1 }
        value = text.end(of: { $0 == 0x20 || $0 == 0x09 }, from: value, max: 4)
        // A comparison is no assignment.
        guard text.peek(value) != UInt8(ascii: "=") else { return .none(next: value) }
        let (start, quote) = text.openQuote(at: value, backslashes: backslashes)
        guard !text.isMark(at: start) else { return .none(next: start) }
        switch name {
        case .authorization:
            return authorization(text, from: start, quote: quote)
        case .cookie:
            // Pairs, not words about cookies.
            let name = text.end(of: \.isTokenByte, from: start, max: 128)
            guard name > start, text.peek(name) == UInt8(ascii: "=") else { return .none(next: start) }
            return .found(start..<text.valueEnd(from: start, quote: quote, isHeader: true), .secret)
        case .password, .token:
            let end = text.valueEnd(from: start, quote: quote, isHeader: false)
            guard end > start, text.isSecretValue(start..<end, isPassword: name == .password, isAssigned, quote != nil)
            else { return .none(next: start) }
            return .found(start..<end, .secret)
        }
    }

    /// A command line's `--password …`, whose hyphens begin at `start`.
    func option(_ text: Span<UInt8>, at start: Int) -> Outcome {
        let end = text.end(of: \.isTokenByte, from: start + 2, max: 48)
        guard end > start + 2, text.peek(end) == 0x20, text.peek(end + 1) != UInt8(ascii: "-"),
            let (name, _) = text.secretName(before: end, floor: start + 2), name == .password || name == .token
        else { return .none(next: end) }
        let (value, quote) = text.openQuote(at: end + 1, backslashes: 0)
        let valueEnd = text.valueEnd(from: value, quote: quote, isHeader: false)
        guard valueEnd > value, !text.isMark(at: value),
            text.isSecretValue(value..<valueEnd, isPassword: false, quote != nil, false)
                || text.looksSecret(value..<valueEnd, least: 4)
        else { return .none(next: end) }
        return .found(value..<valueEnd, .secret)
    }

    /// `Authorization: Bearer …`: what stands behind the scheme, or all where there is no scheme.
    private func authorization(_ text: Span<UInt8>, from start: Int, quote: Quote?) -> Outcome {
        let scheme = text.end(of: { $0.isTokenByte }, from: start, max: 32)
        var value = scheme
        while value - scheme < 8, text.blank(at: value) > 0 { value += text.blank(at: value) }
        // In a form a plus sign is a space.
        if text.peek(scheme) == UInt8(ascii: "+"), text.has("bearer", at: start) || text.has("basic", at: start) {
            value = scheme + 1
        }
        if value > scheme {
            // Words about the header are no credential: `authorization: Bearer is missing`. The first of them decides, so
            // that the rest is read only where it is found.
            let word = text.end(of: { $0 > 0x20 && !"\"'`]})<\\".utf8.contains($0) }, from: value, max: 256)
            guard word > value, !"[(".utf8.contains(text[value]), !text.isStopWord(value..<word) else {
                return .none(next: value)
            }
            if text.peek(word) == 0x20, !text.looksSecret(value..<word, least: 6) { return .none(next: value) }
            return .found(value..<text.valueEnd(from: value, quote: quote, isHeader: true), .secret)
        }
        guard scheme > start, text.peek(scheme) != UInt8(ascii: ","), !text.isStopWord(start..<scheme) else {
            return .none(next: start)
        }
        return .found(start..<text.valueEnd(from: start, quote: quote, isHeader: true), .secret)
    }
}

/// The quote that opens a value, and how many backslashes stand before it: a value in JSON within JSON ends at `\"`.
struct Quote {
    let byte: UInt8
    let backslashes: Int
}

extension Span where Element == UInt8 {
    private static var nameBytesMax: Int { 48 }

    /// What the name before `index` says, and how many backslashes stand before its quote.
    fileprivate func secretName(before index: Int, floor: Int) -> (SecretName, backslashes: Int)? {
        var end = index
        while end > floor, index - end < 2, self[end - 1] == 0x20 { end -= 1 }
        var backslashes = 0
        if end > floor, "\"'`".utf8.contains(self[end - 1]) {
            end -= 1
            while end > floor, self[end - 1] == UInt8(ascii: "\\"), backslashes < 8 {
                end -= 1
                backslashes += 1
            }
        } else if end > floor, self[end - 1] == UInt8(ascii: "]") {
            // A form's field: `user[password]=`.
            end -= 1
        }
        // Most names end here: with a letter that ends no name of a secret.
        guard end > floor + 1, Self.mayEndName(self[end - 2].asciiLowercased, self[end - 1].asciiLowercased) else {
            return nil
        }
        var name = [48 of UInt8](repeating: 0)
        var count = 0
        var start = end
        // From its end to its beginning, small, without what joins words.
        while start > floor, count < Self.nameBytesMax {
            let byte = self[start - 1]
            guard byte.isWord || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte >= 0x80 else { break }
            if byte != UInt8(ascii: "_"), byte != UInt8(ascii: "-"), byte != UInt8(ascii: ".") {
                name[count] = byte.asciiLowercased
                count += 1
            }
            start -= 1
        }
        let kind = Self.kind(of: name.span.extracting(0..<count))
        return kind.map { ($0, backslashes) }
    }

    /// The last two letters of the names below.
    private static func mayEndName(_ first: UInt8, _ second: UInt8) -> Bool {
        let pairs: StaticString = "rdwdsedehanartetsssevethonieallswtidreigtpeneyts"
        return pairs.withUTF8Buffer { pairs in
            // Pairs of bytes: `index + 1` is below the count.
            for index in stride(from: 0, to: pairs.count - 1, by: 2)
            where unsafe pairs[index] == first && pairs[index + 1] == second {
                return true
            }
            // `contraseña`.
            return first == 0xB1 && second == UInt8(ascii: "a")
        }
    }

    /// - Parameter name: in small letters, from its last to its first.
    private static func kind(of name: Span<UInt8>) -> SecretName? {
        func ends(with list: [StaticString]) -> Bool {
            for entry in list where entry.utf8CodeUnitCount <= name.count && isReversed(entry, of: name) { return true }
            return false
        }
        func isOne(of list: [StaticString]) -> Bool {
            for entry in list where entry.utf8CodeUnitCount == name.count && isReversed(entry, of: name) { return true }
            return false
        }
        if ends(with: [
            "password", "passwd", "passphrase", "passcode", "senha", "contrasena", "contrase\u{F1}a", "passwort",
        ])
            || ends(with: ["secret", "secretkey", "secretaccesskey", "privatekey", "kennwort", "motdepasse"])
            || isOne(of: ["pwd", "pass", "clave", "dbpass", "smtppass", "userpass", "mysqlpwd"])
        {
            return .password
        }
        if isOne(of: ["authorization", "proxyauthorization", "xauthorization", "auth"]) { return .authorization }
        if isOne(of: ["cookie", "setcookie"]) { return .cookie }
        if ends(with: ["apikey", "accesskey", "accountkey", "signingkey", "encryptionkey", "masterkey"])
            || ends(with: ["subscriptionkey", "authkey", "sharedaccesskey", "credential", "credentials", "jwt"])
            || ends(with: ["sessionid", "sessionkey", "xamzsignature", "xgoogsignature", "appkey", "sastoken"])
            || isOne(of: ["sig", "otp", "totp", "sid", "phpsessid", "jsessionid", "apitoken", "authtoken", "secrets"])
        {
            return .token
        }
        guard ends(with: ["token"]) else { return nil }
        // Of a page, or what one costs.
        return ends(with: [
            "pagetoken", "nexttoken", "continuationtoken", "pertoken", "synctoken", "eostoken", "bostoken",
        ])
            || ends(with: ["padtoken", "stoptoken", "firsttoken", "lasttoken", "synctoken"]) ? nil : .token
    }

    private static func isReversed(_ text: StaticString, of name: Span<UInt8>) -> Bool {
        text.withUTF8Buffer { text in
            // `name` is at least as long, which the callers compared.
            for index in 0..<text.count where unsafe name[text.count - 1 - index] != text[index] { return false }
            return true
        }
    }

    /// Where a value begins, and the quote before it.
    fileprivate func openQuote(at index: Int, backslashes: Int) -> (start: Int, Quote?) {
        var start = index
        while peek(start) == UInt8(ascii: "\\"), start - index < 8 { start += 1 }
        guard "\"'`".utf8.contains(peek(start)) else { return (index, nil) }
        return (start + 1, Quote(byte: self[start], backslashes: start - index))
    }

    /// Where the value ends that begins at `start`: at its quote, or at what divides values.
    fileprivate func valueEnd(from start: Int, quote: Quote?, isHeader: Bool) -> Int {
        guard let quote else {
            if isHeader { return headerEnd(from: start) }
            return end(of: { $0 > 0x20 && $0 != 0x7F && !"&;,\"'<>)]}|`".utf8.contains($0) }, from: start)
        }
        var index = start
        var backslashes = 0
        while index < count, self[index] != UInt8(ascii: "\n") {
            if self[index] == UInt8(ascii: "\\") {
                backslashes += 1
            } else {
                if self[index] == quote.byte, backslashes <= quote.backslashes { return index - backslashes }
                backslashes = 0
            }
            index += 1
        }
        return index
    }

    /// To the line's end, a quote, or a header's next neighbour in a list.
    private func headerEnd(from start: Int) -> Int {
        var index = start
        while index < count, self[index] >= 0x20, !"\"'`]})<".utf8.contains(self[index]) {
            if self[index] == UInt8(ascii: "\\"), escapedByte(at: index) != nil || peek(index + 1) == UInt8(ascii: "\"")
            {
                break
            }
            index += 1
        }
        return index
    }

    /// True for what may be a secret behind a name that says so.
    fileprivate func isSecretValue(
        _ range: Range<Int>, isPassword: Bool, _ isAssigned: Bool, _ isQuoted: Bool
    ) -> Bool {
        if isStopWord(range) { return false }
        // `$TOKEN`, `${TOKEN}`, `%TOKEN%`, `<token>`, `***`: where one would stand.
        if "$<*{[(".utf8.contains(self[range.lowerBound]) { return false }
        if isPassword { return isAssigned || isQuoted || !isProse(range) }
        if isAssigned || isQuoted {
            // A number of a token, or of tokens.
            return range.count >= 4
                && end(of: { $0.isASCIIDigit || $0 == UInt8(ascii: ".") }, from: range.lowerBound)
                    < range.upperBound
                || range.count >= 16
        }
        return looksSecret(range, least: 6)
    }

    /// True for a word of a sentence: small letters, and another word behind.
    private func isProse(_ range: Range<Int>) -> Bool {
        let isWord = end(of: { $0.isASCIILetter || $0 >= 0x80 }, from: range.lowerBound) >= range.upperBound
        let next = peek(range.upperBound + 1)
        return isWord && peek(range.upperBound) == 0x20 && (next.isASCIILetter || next == UInt8(ascii: "["))
    }

    /// True where a mark stands: masked already.
    func isMark(at index: Int) -> Bool { has("[redacted]", at: index) }

    /// True for the words that stand where a secret would.
    func isStopWord(_ range: Range<Int>) -> Bool {
        let words: [StaticString] = [
            "null", "nil", "none", "undefined", "true", "false", "string", "str", "text", "bool", "int", "bytes", "any",
            "required", "missing", "invalid", "expired", "empty", "incorrect", "wrong", "must", "is", "was", "not",
            "and",
            "or", "the", "too", "given", "unset", "set", "hidden", "redacted", "unknown", "revoked", "rejected",
            "denied",
            "ok", "yes", "no", "enabled", "disabled", "optional", "bearer", "basic", "token", "tokens",
            "authentication",
            "requerido", "requerida", "incorrecta", "incorrecto", "inv\u{E1}lida", "obrigat\u{F3}ria", "incorreta",
            "length",
            "needed", "changed", "reset", "updated", "file", "keyring", "env", "data", "object", "number", "realm",
        ]
        for word in words where word.utf8CodeUnitCount == range.count && has(word, at: range.lowerBound) { return true }
        return false
    }
}
