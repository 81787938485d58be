// SPDX-License-Identifier: Apache-2.0

import Bytes

extension Masker {
    /// RFC 5321 §4.5.3.1: what is longer is no address. The local part's 64 are its own bytes, escapes not counted.
    private static let localBytesMax = 64
    private static let domainBytesMax = 255
    private static let authorityBytesMax = 512

    /// An e-mail address or a WhatsApp number, whose sign is at `index` in `width` bytes.
    func address(_ text: Span<UInt8>, at index: Int, width: Int, floor: Int) -> Outcome {
        let next = index + width
        let start = text.localStart(before: index, floor: floor, max: Self.localBytesMax)
        guard start < index else { return .none(next: next) }
        // An address in brackets (RFC 5321 §4.1.3).
        if text.peek(next) == UInt8(ascii: "[") {
            let end = text.end(of: { $0.hexDigitValue != nil || ".:IPv".utf8.contains($0) }, from: next + 1, max: 64)
            return end > next + 7 && text.peek(end) == UInt8(ascii: "]")
                ? .found(start..<end + 1, .email) : .none(next: next)
        }
        let end = text.domainEnd(from: next, max: Self.domainBytesMax)
        guard end > next else { return .none(next: next) }
        // A server's name at its sign: `git@github.com:owner/repository`.
        if text.has("git", at: start), index - start == 3, ":/".utf8.contains(text.peek(end)) {
            return .none(next: end)
        }
        let isNumber = text.end(of: { $0.isASCIIDigit || ":-_.+".utf8.contains($0) }, from: start, max: 64) >= index
        if isNumber, text.isMessenger(at: next) { return .found(start..<end, .phone) }
        return text.isMailDomain(next..<end) ? .found(start..<end, .email) : .none(next: end)
    }

    /// User and password in an URL, `https://user:password@host`, whose second stroke is at `index`.
    func userInformation(_ text: Span<UInt8>, at index: Int, floor: Int) -> Outcome {
        let start = index + 1
        guard text.peek(index - 2) == UInt8(ascii: ":"), index - 2 >= floor else { return .none(next: start) }
        let end = text.end(
            of: { $0 > 0x20 && $0 != 0x7F && !"/?#\"'<>\\".utf8.contains($0) }, from: start,
            max: Self.authorityBytesMax)
        var sign = end - 1
        while sign > start, text[sign] != UInt8(ascii: "@") { sign -= 1 }
        guard sign > start, !text.isMark(at: start) else { return .none(next: start) }
        // Without a password it is somebody's name, or a token.
        guard text.contains(":", in: start..<sign) || text.looksSecret(start..<sign, least: 8) else {
            return .none(next: start)
        }
        return .found(start..<sign, .secret)
    }
}

extension Span where Element == UInt8 {
    /// Where the local part begins that ends before `index`; `index` where there is none.
    fileprivate func localStart(before index: Int, floor: Int, max: Int) -> Int {
        if index > floor, self[index - 1] == UInt8(ascii: "\"") {
            // "anything"@example.org (RFC 5322 §3.4.1).
            var start = index - 2
            let least = Swift.max(floor, index - max)
            while start >= least, !"\"\n[]".utf8.contains(self[start]) { start -= 1 }
            return start >= least && start < index - 2 && self[start] == UInt8(ascii: "\"") ? start : index
        }
        var start = index
        while start > floor, index - start < max {
            let byte = self[start - 1]
            if byte >= 0x80 {
                let lead = characterStart(before: start, floor: floor)
                if isPunctuation(at: lead) { break }
                start = lead
            } else if byte.isMailLocal || "!#$&*^".utf8.contains(byte) {
                // The end of an escape is no part: `%20ana@…`, `\nana@…`.
                if let width = escapeWidth(endingBefore: start, floor: floor), width > 0 { break }
                start -= 1
            } else if byte == UInt8(ascii: ":"), isDevice(at: start, before: index) {
                start -= 1
            } else {
                break
            }
        }
        // It begins with a letter, a digit or a whole character beyond ASCII: quotes and signs before it stay.
        while start < index, !self[start].isWord, self[start] < 0xC0, self[start] != UInt8(ascii: "+") { start += 1 }
        return start
    }

    /// The first byte of the character that ends before `index`.
    private func characterStart(before index: Int, floor: Int) -> Int {
        var start = index - 1
        while start > floor, index - start < 4, (0x80..<0xC0).contains(self[start]) { start -= 1 }
        return start
    }

    /// Quotes, dashes and spaces beyond ASCII: U+0080 to U+00BF, U+2000 to U+207F, U+3000 to U+303F, and full-width forms.
    private func isPunctuation(at index: Int) -> Bool {
        switch (peek(index), peek(index + 1)) {
        case (0xC2, _), (0xE2, 0x80), (0xE2, 0x81), (0xE3, 0x80), (0xEF, 0xBC): true
        default: false
        }
    }

    /// `5511987654321:12@s.whatsapp.net`: a device behind the number.
    private func isDevice(at start: Int, before index: Int) -> Bool {
        start < index && end(of: \.isASCIIDigit, from: start, max: 4) == index && index > 1
            && (has("@s.whatsapp.net", at: index) || has("@lid", at: index))
            && start > 1 && self[start - 2].isASCIIDigit
    }

    /// Bytes of the escape that ends before `index`, zero where none does. An escaped plus or full stop is a part.
    private func escapeWidth(endingBefore index: Int, floor: Int) -> Int? {
        for width in [2, 3, 6] where index - width >= floor {
            if let escaped = escapedByte(at: index - width), escaped.width == width { return width }
        }
        return nil
    }

    /// Where the domain ends that begins at `index`: letters, digits, hyphens, points, and what is beyond ASCII.
    fileprivate func domainEnd(from index: Int, max: Int) -> Int {
        var end = index
        while end < count, end - index < max {
            let byte = self[end]
            guard byte.isASCIIAlphanumeric || byte >= 0x80 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "."),
                !isPunctuation(at: end)
            else { break }
            end += 1
        }
        while end > index, (0x80..<0xC0).contains(peek(end)) { end -= 1 }
        while end > index, self[end - 1] == UInt8(ascii: ".") || self[end - 1] == UInt8(ascii: "-") { end -= 1 }
        return end
    }

    /// True for the hosts of WhatsApp's addresses.
    fileprivate func isMessenger(at index: Int) -> Bool {
        let hosts: [StaticString] = ["s.whatsapp.net", "c.us", "g.us", "lid", "broadcast", "newsletter"]
        for host in hosts where has(host, at: index) && !peek(index + host.utf8CodeUnitCount).isWord { return true }
        return false
    }

    /// True for a name with a top-level domain, which is neither a version nor the name of a file.
    fileprivate func isMailDomain(_ range: Range<Int>) -> Bool {
        var start = range.lowerBound
        var labels = 0
        var areVersions = true
        for index in range.lowerBound...range.upperBound
        where index == range.upperBound || self[index] == UInt8(ascii: ".") {
            guard index > start else { return false }
            labels += 1
            if labels <= 2, !self[start].isASCIIDigit { areVersions = false }
            if index < range.upperBound { start = index + 1 }
        }
        let length = range.upperBound - start
        guard labels >= 2, length >= 2, !areVersions, !self[start].isASCIIDigit else { return false }
        if has("xn--", at: start) { return true }
        for index in start..<range.upperBound where !self[index].isASCIILetter && self[index] < 0x80 { return false }
        return !isFileName(start, length)
    }

    /// Ends of names that no registry gives: `icon@2x.png`, `user@1000.service`, `demo@main.yaml`.
    private func isFileName(_ start: Int, _ length: Int) -> Bool {
        let ends: [StaticString] = [
            "png", "jpg", "jpeg", "gif", "webp", "svg", "ico", "avif", "bmp", "js", "mjs", "cjs", "jsx", "tsx", "ts",
            "json", "yaml", "yml", "toml", "css", "scss", "html", "htm", "txt", "log", "xml", "lock", "tgz", "gz",
            "tar",
            "whl", "jar", "service", "socket", "timer", "mount", "slice", "swift", "kt", "go", "rb", "php", "pdf",
            "csv",
            "sql", "vue", "wasm", "dll", "exe", "deb", "rpm",
        ]
        for name in ends where name.utf8CodeUnitCount == length && has(name, at: start) { return true }
        return false
    }
}
