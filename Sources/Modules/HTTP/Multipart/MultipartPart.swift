// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The head of one part of a form (RFC 7578 §4).
package struct MultipartPart: Sendable, Equatable {
    /// The name of the form's field.
    package let name: String
    /// The name of a file; nil for a field that is none.
    package let filename: String?
    /// Its media type as the sender says, unchecked; nil where it says none.
    package let contentType: String?

    /// Nil for a head that is none of a form.
    ///
    /// `filename*` must not be used in forms (§4.2), and a transfer encoding is deprecated (§4.7): readers that know them
    /// would see another name or other bytes than readers that do not.
    init?(head: [UInt8]) {
        guard head.span.isValidUTF8 else { return nil }
        var fields = Fields()
        for line in String(decoding: head, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false) {
            guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            // By bytes: the character `:` would take a combining mark behind it along.
            let value = Self.trimmed(line.utf8[line.utf8.index(after: colon)...])
            guard fields.append(String(line[..<colon]), String(value)) else { return nil }
        }
        guard fields.count(of: "content-disposition") == 1, fields.count(of: "content-type") <= 1,
            let disposition = fields["content-disposition"].flatMap(HeaderParameters.init),
            disposition.value == "form-data", let name = disposition["name"], disposition["filename*"] == nil,
            ["binary", "8bit", "7bit", nil].contains(fields["content-transfer-encoding"]?.asciiLowercased)
        else { return nil }
        self.name = Self.decoded(name)
        filename = disposition["filename"].map(Self.decoded)
        contentType = fields["content-type"]
    }

    /// The three escapes that browsers write in names of forms (the URL standard, "multipart/form-data encoding algorithm").
    private static func decoded(_ name: String) -> String {
        guard name.utf8.contains(UInt8(ascii: "%")) else { return name }
        var text: [UInt8] = []
        var rest = Array(name.utf8)[...]
        while let byte = rest.first {
            let escape = String(decoding: rest.prefix(3), as: UTF8.self).asciiLowercased
            let plain: UInt8? = ["%22": 0x22, "%0d": 0x0D, "%0a": 0x0A][escape]
            text.append(plain ?? byte)
            rest = rest.dropFirst(plain == nil ? 1 : 3)
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func trimmed(_ value: Substring.UTF8View) -> Substring {
        var value = value
        while let first = value.first, first == 0x20 || first == 0x09 { value.removeFirst() }
        while let last = value.last, last == 0x20 || last == 0x09 { value.removeLast() }
        return Substring(value)
    }
}
