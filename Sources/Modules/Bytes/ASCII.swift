// SPDX-License-Identifier: Apache-2.0

public import Glibc

// Bytes and short texts of protocols (header names, schemes, methods) are ASCII by definition; these helpers never look
// at Unicode, so they cannot be surprised by it (RFC 9110 §5.1, RFC 3986 §2.1).

extension UInt8 {
    /// `0`–`9`.
    @inlinable package var isASCIIDigit: Bool { self &- 0x30 < 10 }

    /// `A`–`Z` or `a`–`z`.
    @inlinable package var isASCIILetter: Bool { (self | 0x20) &- 0x61 < 26 }

    /// Space, tab, line feed or carriage return.
    @inlinable package var isASCIIWhitespace: Bool { self == 0x20 || self == 0x09 || self == 0x0A || self == 0x0D }

    /// A token character of RFC 9110 §5.6.2, of which header names and methods are made.
    @inlinable package var isHTTPToken: Bool {
        if isASCIIDigit || isASCIILetter { return true }
        switch self {
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            return true
        default: return false
        }
    }

    /// The byte with `A`–`Z` made small; every other byte unchanged.
    @inlinable package var asciiLowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }

    /// The byte with `a`–`z` made capital; every other byte unchanged.
    @inlinable package var asciiUppercased: UInt8 { self &- 0x61 < 26 ? self & 0xDF : self }

    /// 0…15 for a hexadecimal digit of either case, otherwise nil.
    @inlinable package var hexDigitValue: UInt8? {
        if isASCIIDigit { return self &- 0x30 }
        let letter = (self | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }
}

extension StringProtocol {
    /// The text with `A`–`Z` made small; all else unchanged, whatever the language.
    package var asciiLowercased: String {
        String(decoding: utf8.map(\.asciiLowercased), as: UTF8.self)
    }

    /// True if both texts are the same bytes. `==` also takes texts for equal that Unicode calls equivalent (é as one
    /// scalar and as two), which other programs do not.
    @inlinable package func isSameBytes(as other: some StringProtocol) -> Bool { utf8.elementsEqual(other.utf8) }

    /// True if both texts are the same bytes but for the case of `A`–`Z`.
    @inlinable package func equalsIgnoringASCIICase(_ other: some StringProtocol) -> Bool {
        utf8.elementsEqual(other.utf8) { $0.asciiLowercased == $1.asciiLowercased }
    }
}

extension Span where Element == UInt8 {
    /// True if both are the same bytes but for the case of `A`–`Z`.
    @inlinable package func equalsIgnoringASCIICase(_ other: Span<UInt8>) -> Bool {
        unsafe withUnsafeBytes { left in unsafe other.withUnsafeBytes { unsafe areEqualIgnoringASCIICase(left, $0) } }
    }

    /// True if the bytes are those of `text` but for the case of `A`–`Z`; allocates nothing.
    @inlinable package func equalsIgnoringASCIICase(_ text: StaticString) -> Bool {
        // A literal's memory lives as long as the program.
        let literal = unsafe UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        return unsafe withUnsafeBytes { unsafe areEqualIgnoringASCIICase($0, literal) }
    }

    /// The same for a text of small letters, digits and `-`, in a place where it is known when this is compiled.
    @inlinable @inline(__always)
    package func equalsIgnoringASCIICase(small text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard self.count == count else { return false }
        // A literal's memory lives as long as the program.
        let literal = unsafe UnsafeRawBufferPointer(start: text.utf8Start, count: count)
        return unsafe withUnsafeBytes { bytes in
            guard count >= 8 else {
                return unsafe count == 0 || ByteWord(upTo8: bytes).isSame(asSmall: ByteWord(upTo8: literal))
            }
            var start = 0
            while true {
                // SAFETY: `start` is eight bytes at least before the end of both, which are as long as each other.
                let word = unsafe ByteWord(bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
                let small = unsafe ByteWord(literal.loadUnaligned(fromByteOffset: start, as: UInt64.self))
                guard word.isSame(asSmall: small) else { return false }
                guard start < count &- 8 else { return true }
                start = Swift.min(start &+ 8, count &- 8)
            }
        }
    }

    /// True if the bytes are exactly those of `text`; allocates nothing.
    @inlinable package func equals(_ text: StaticString) -> Bool {
        // A literal's memory lives as long as the program.
        let literal = unsafe UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard count == literal.count else { return false }
        return unsafe withUnsafeBytes { bytes in
            // Both have as many bytes; an empty span may have no address.
            guard let base = bytes.baseAddress, let text = literal.baseAddress else { return true }
            return unsafe memcmp(base, text, literal.count) == 0
        }
    }

    /// True if the bytes are exactly the UTF-8 of `text`; allocates nothing.
    package func equals(_ text: String) -> Bool { equals(text.utf8.span) }

    /// True if both are the same bytes. memcmp(3)
    package func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        return unsafe withUnsafeBytes { left in
            unsafe other.withUnsafeBytes { right in
                // Both have as many bytes as the first; an empty one may have no address.
                guard let left = left.baseAddress, let right = right.baseAddress else { return true }
                return unsafe memcmp(left, right, other.count) == 0
            }
        }
    }
}

extension Array where Element == UInt8 {
    /// The bytes of a span.
    @inlinable package init(copying span: Span<UInt8>) {
        self = unsafe span.withUnsafeBytes { unsafe Self(copying: $0) }
    }

    /// The bytes of a buffer.
    @inlinable package init(copying bytes: UnsafeRawBufferPointer) {
        self = unsafe bytes.withMemoryRebound(to: UInt8.self) { unsafe Self($0) }
    }

    /// Appends the UTF-8 of `text`.
    @inlinable package mutating func append(utf8 text: String) { append(text.utf8.span) }

    /// Appends the bytes of a literal, without making a `String` of it.
    @inlinable package mutating func append(utf8 text: StaticString) {
        append(addingCapacity: text.utf8CodeUnitCount) { $0.append(utf8: text) }
    }

    /// Appends all bytes of a span.
    @inlinable package mutating func append(_ span: Span<UInt8>) {
        append(addingCapacity: span.count) { $0.append(span) }
    }
}

extension String {
    /// A text of these bytes, in which what is not UTF-8 has become U+FFFD.
    @inlinable package init(decoding span: Span<UInt8>) {
        // The pointer lives within the closure, and the string copies from it.
        self = unsafe span.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
}

extension OutputSpan where Element == UInt8 {
    /// Appends all bytes of a span; stops the process if there is no room for them.
    @inlinable @inline(__always)
    package mutating func append(_ span: Span<UInt8>) {
        unsafe span.withUnsafeBytes { unsafe append(copying: $0) }
    }

    /// Appends the bytes of a literal; stops the process if there is no room for them.
    @inlinable @inline(__always)
    package mutating func append(utf8 text: StaticString) {
        // A literal's memory lives as long as the program.
        unsafe append(copying: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inlinable @inline(__always)
    package mutating func append(copying source: UnsafeRawBufferPointer) {
        precondition(source.count <= freeCapacity, "bytes are appended where there is room for them")
        guard let bytes = source.baseAddress else { return }
        unsafe withUnsafeMutableBufferPointer { buffer, initialized in
            // SAFETY: the room behind what is initialised was compared with the source's count just now.
            if let target = buffer.baseAddress { unsafe memcpy(target + initialized, bytes, source.count) }
            initialized &+= source.count
        }
    }
}
