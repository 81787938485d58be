// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A field value with parameters (RFC 9110 §5.6.6): `form-data; name="file"; filename="a.txt"`.
package struct HeaderParameters: Sendable {
    /// What stands before the first semicolon, in lower case.
    package let value: String
    private let parameters: [(name: String, value: String)]

    /// The most parameters that are read; a value with more is refused.
    static let parametersMax = 16

    /// Nil for what does not follow the grammar, and for a parameter that is there twice: two readers could take two values.
    package init?(_ text: String) {
        var reader = Reader(Array(text.utf8))
        guard let value = reader.value() else { return nil }
        var parameters: [(name: String, value: String)] = []
        while let separator = reader.separator() {
            guard separator, parameters.count < Self.parametersMax, let parameter = reader.parameter(),
                !parameters.contains(where: { $0.name == parameter.name })
            else { return nil }
            parameters.append(parameter)
        }
        self.value = value
        self.parameters = parameters
    }

    /// The parameter of a name in lower case.
    package subscript(_ name: String) -> String? {
        parameters.first { $0.name == name }?.value
    }

    private struct Reader {
        private let bytes: [UInt8]
        private var index = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        mutating func value() -> String? {
            skipBlanks()
            let start = index
            while index < bytes.count, bytes[index] != UInt8(ascii: ";"), !isBlank(bytes[index]) { index += 1 }
            guard index > start else { return nil }
            return String(decoding: bytes[start..<index], as: UTF8.self).asciiLowercased
        }

        /// True behind a semicolon, false where something else stands, nil at the end.
        mutating func separator() -> Bool? {
            skipBlanks()
            guard index < bytes.count else { return nil }
            guard bytes[index] == UInt8(ascii: ";") else { return false }
            index += 1
            skipBlanks()
            return true
        }

        mutating func parameter() -> (name: String, value: String)? {
            guard let name = token(), index < bytes.count, bytes[index] == UInt8(ascii: "=") else { return nil }
            index += 1
            let isQuoted = index < bytes.count && bytes[index] == UInt8(ascii: "\"")
            guard let value = isQuoted ? quoted() : token() else { return nil }
            return (name.asciiLowercased, value)
        }

        private mutating func token() -> String? {
            let start = index
            while index < bytes.count, CharacterSet128.token.contains(bytes[index]) { index += 1 }
            return index > start ? String(decoding: bytes[start..<index], as: UTF8.self) : nil
        }

        /// A backslash stands for the quote or backslash behind it and is itself elsewhere: some browsers send file names
        /// with backslashes as they are.
        private mutating func quoted() -> String? {
            index += 1
            var text: [UInt8] = []
            while index < bytes.count {
                let byte = bytes[index]
                index += 1
                if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
                let next = index < bytes.count ? bytes[index] : 0
                if byte == UInt8(ascii: "\\"), next == UInt8(ascii: "\"") || next == UInt8(ascii: "\\") {
                    text.append(next)
                    index += 1
                } else {
                    text.append(byte)
                }
            }
            return nil
        }

        private mutating func skipBlanks() {
            while index < bytes.count, isBlank(bytes[index]) { index += 1 }
        }

        private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    }
}
