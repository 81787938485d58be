// SPDX-License-Identifier: Apache-2.0

extension TOMLParser {
    /// A key of one or more parts with dots between them, and the blanks after it.
    mutating func readKey() throws(TOMLError) -> [TOMLKeyPart] {
        var parts: [TOMLKeyPart] = []
        repeat {
            skipBlanks()
            parts.append(try readKeyPart())
            guard parts.count <= TOMLLimits.depthMax else { throw error(.tooDeep) }
            skipBlanks()
        } while skip(UInt8(ascii: "."))
        return parts
    }

    private mutating func readKeyPart() throws(TOMLError) -> TOMLKeyPart {
        let start = position
        switch peek() {
        case UInt8(ascii: "\"")?, UInt8(ascii: "'")?:
            let quote = bytes[index]
            guard peek(1) != quote || peek(2) != quote else { throw error(.keyOverLines) }
            let name = quote == UInt8(ascii: "'") ? try readLiteralString() : try readBasicString()
            return TOMLKeyPart(name: name, bytes: Array(name.utf8), position: start)
        default:
            while let byte = peek(), Self.isBare(byte) { advance() }
            guard start.offset < index else {
                if let byte = peek(), Self.isControl(byte), byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "\r") {
                    throw error(.controlCharacter(byte))
                }
                throw error(.keyExpected)
            }
            let name = Array(bytes[start.offset..<index])
            return TOMLKeyPart(name: String(decoding: name, as: UTF8.self), bytes: name, position: start)
        }
    }

    /// Letters and digits of ASCII, `_` and `-`.
    private static func isBare(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
