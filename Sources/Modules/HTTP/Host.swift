// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The name a request is meant for: `uri-host [ ":" port ]` (RFC 9110 §7.2), without user information.
package struct Host: Hashable, Sendable {
    /// In lower case. A literal IPv6 address keeps its brackets.
    package let name: String
    /// Nil if none was given, or an empty one.
    package let port: Int?

    /// Nil unless the bytes are a registered name of letters, digits, `-`, `.`, `_`, or an address, and a port below
    /// 65,536. The other characters of RFC 3986's `reg-name` are in no name that resolves, and in many attacks.
    package init?(_ text: Span<UInt8>) {
        guard let (nameEnd, port) = Self.parts(text) else { return nil }
        self.port = port
        let written = String(decoding: text.extracting(0..<nameEnd))
        let isSmall = text.allWords { $0.asciiLowercased == $0 }
        name = isSmall ? written : written.asciiLowercased
    }

    /// Nil where `init(_: Span)` would say so.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(bytes.span)
    }

    /// How many bytes the name has; nil where `init(_: Span)` would say so.
    static func nameCount(_ text: Span<UInt8>) -> Int? { parts(text)?.nameEnd }

    @inline(__always)
    private static func parts(_ text: Span<UInt8>) -> (nameEnd: Int, port: Int?)? {
        guard let nameEnd = endOfName(text) else { return nil }
        guard nameEnd < text.count else { return (nameEnd, nil) }
        guard text[nameEnd] == Octet.colon else { return nil }
        let digits = text.extracting((nameEnd + 1)..<text.count)
        guard !digits.isEmpty else { return (nameEnd, nil) }
        guard digits.count <= 5, let port = digits.decimal, port <= 65_535 else { return nil }
        return (nameEnd, port)
    }

    /// The offset behind the name; nil if there is none.
    private static func endOfName(_ text: Span<UInt8>) -> Int? {
        guard !text.isEmpty, text.count <= 300 else { return nil }
        var index = 0
        if text[0] == UInt8(ascii: "[") {
            index = 1
            var colons = 0
            while index < text.count, CharacterSet128.ipLiteral.contains(text[index]) {
                if text[index] == Octet.colon { colons += 1 }
                index += 1
            }
            guard index < text.count, text[index] == UInt8(ascii: "]"), colons >= 2 else { return nil }
            return index + 1
        }
        while index < text.count, CharacterSet128.hostName.contains(text[index]) { index += 1 }
        return index > 0 ? index : nil
    }
}
