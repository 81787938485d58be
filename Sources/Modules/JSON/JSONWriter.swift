// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Writes JSON text without white space. Commas come by themselves; that names and values alternate, and that what is
/// begun is ended, is the caller's business.
///
///     var writer = JSONWriter()
///     writer.object { writer in
///         writer.member("object", "list")
///         writer.array("data") { writer in writer.int(1) }
///     }
package struct JSONWriter: Sendable {
    /// What has been written so far.
    package private(set) var bytes: [UInt8]

    private var needsComma = false

    /// A writer whose text follows `prefix` (as `data: ` in an event stream).
    package init(after prefix: [UInt8] = [], reserving byteCount: Int = 256) {
        bytes = prefix
        bytes.reserveCapacity(prefix.count + byteCount)
    }

    package mutating func beginObject() { open(UInt8(ascii: "{")) }
    package mutating func endObject() { close(UInt8(ascii: "}")) }
    package mutating func beginArray() { open(UInt8(ascii: "[")) }
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    /// The name of the member whose value comes next.
    package mutating func name(_ name: String) {
        separate()
        quote(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func string(_ string: String) {
        separate()
        quote(string)
    }

    /// A string of bytes that are UTF-8; what is not becomes U+FFFD.
    package mutating func string(utf8 span: Span<UInt8>) {
        separate()
        guard span.isValidUTF8 else { return quote(String(decoding: span)) }
        quote(span)
    }

    package mutating func int(_ number: Int) {
        separate()
        bytes.append(decimal: number)
    }

    /// A number in the shortest text that reads back as it; null if it is infinite or NaN, which JSON does not have.
    package mutating func double(_ number: Double) {
        guard number.isFinite else { return null() }
        separate()
        bytes.append(utf8: number.description)
    }

    package mutating func number(_ number: JSONNumber) {
        separate()
        bytes.append(utf8: number.text)
    }

    package mutating func bool(_ bool: Bool) {
        separate()
        if bool { bytes.append(utf8: "true" as StaticString) } else { bytes.append(utf8: "false" as StaticString) }
    }

    package mutating func null() {
        separate()
        bytes.append(utf8: "null" as StaticString)
    }

    /// A value that is JSON text already, taken as it is.
    package mutating func raw(_ json: [UInt8]) { raw(json.span) }

    /// A value that is JSON text already, taken as it is.
    package mutating func raw(_ json: Span<UInt8>) {
        separate()
        bytes.append(json)
    }

    package mutating func value(_ value: JSONValue) { value.write(to: &self) }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    /// The comma before a name or value, where one is due; another one will be due behind it.
    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func quote(_ string: String) {
        var string = string
        string.makeContiguousUTF8()
        quote(string.utf8.span)
    }

    /// Only what must be escaped is (RFC 8259 §7), so a text stays one line and nearly its own length.
    private mutating func quote(_ text: Span<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        var plain = 0
        for index in 0..<text.count {
            let byte = text[index]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
            bytes.append(text.extracting(plain..<index))
            escape(byte)
            plain = index &+ 1
        }
        bytes.append(text.extracting(plain..<text.count))
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case 0x08: bytes.append(UInt8(ascii: "b"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0C: bytes.append(UInt8(ascii: "f"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        default:
            bytes.append(utf8: "u00" as StaticString)
            bytes.append(byte < 0x10 ? UInt8(ascii: "0") : UInt8(ascii: "1"))
            let low = byte & 15
            bytes.append(low < 10 ? UInt8(ascii: "0") &+ low : UInt8(ascii: "a") &+ low &- 10)
        }
    }
}

extension JSONWriter {
    package mutating func member(_ name: String, _ string: String) {
        self.name(name)
        self.string(string)
    }

    package mutating func member(_ name: String, _ number: Int) {
        self.name(name)
        int(number)
    }

    package mutating func member(_ name: String, _ number: Double) {
        self.name(name)
        double(number)
    }

    package mutating func member(_ name: String, _ bool: Bool) {
        self.name(name)
        self.bool(bool)
    }

    package mutating func member(_ name: String, _ value: JSONValue) {
        self.name(name)
        self.value(value)
    }

    /// A member whose value is JSON text already, taken as it is.
    package mutating func member(_ name: String, raw json: [UInt8]) {
        self.name(name)
        raw(json)
    }

    /// An object, with `body` between its braces.
    package mutating func object<Failure>(
        _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        beginObject()
        try body(&self)
        endObject()
    }

    /// A member that is an object, with `body` between its braces.
    package mutating func object<Failure>(
        _ name: String, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        self.name(name)
        try object(body)
    }

    /// An array, with `body` between its brackets.
    package mutating func array<Failure>(
        _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        beginArray()
        try body(&self)
        endArray()
    }

    /// A member that is an array, with `body` between its brackets.
    package mutating func array<Failure>(
        _ name: String, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        self.name(name)
        try array(body)
    }
}
