// SPDX-License-Identifier: Apache-2.0

import Bytes
import JSON
import Support

extension Property {
    /// A JSON text is read alike by the index, by the tree and by a plain parser, and written so that it reads the same.
    package static let json = Property("JSON") { (bytes) throws(Broken) -> Bool in
        var value: JSONValue?
        switch Result(catching: { () throws(JSONError) in try JSONDocument(parsing: bytes) }) {
        case .success(let document):
            value = document.root.value
            try JSONTexts.checkAgreement(of: document, bytes)
        case .failure(let error): try demand((0...bytes.count).contains(error.offset), "a mistake outside of the text")
        }
        try demand(value == ReferenceParser.parse(bytes), "a plain parser reads it otherwise")
        let loose = try? JSONValue(parsing: bytes, strictness: .rfc8259)
        try demand(value == nil || loose == value, "less strictly it is another value")
        if let loose {
            try demand(
                (try? JSONValue(parsing: loose.serialized(), strictness: .rfc8259)) == loose, "written, it differs")
        }
        try JSONTexts.checkLimits(bytes, loose)
        return value != nil
    }
}

enum JSONTexts {
    static func checkAgreement(of document: JSONDocument, _ bytes: [UInt8]) throws(Broken) {
        let value = document.root.value
        try demand(document.bytes == bytes, "the document holds other bytes")
        try demand(agree(document.root, value), "the index and the tree differ")
        let written = value.serialized()
        try demand((try? JSONValue(parsing: written)) == value, "written, it differs")
        try demand(written.count <= bytes.count * 6, "written, it is too long")
    }

    /// The document, asked value by value, says what the tree says.
    static func agree(_ node: JSONNode, _ value: JSONValue) -> Bool {
        guard node.kind == value.kind, node.range.upperBound > node.range.lowerBound else { return false }
        switch value {
        case .null: return node.isNull
        case .bool(let bool): return node.bool == bool
        case .number(let number):
            return node.int == number.int && node.double == number.double && node.rawText == number.text
        case .string(let string):
            return node.string == string && node.stringByteCount == string.utf8.count && node.stringEquals(string)
        case .array(let elements):
            return node.count == elements.count
                && zip(node.elements, elements).allSatisfy { agree($0, $1) }
        case .object(let object):
            return node.count == object.count
                && zip(node.members, object.members).allSatisfy { member, wanted in
                    member.name.isSameBytes(as: wanted.name) && member.nameEquals(wanted.name)
                        && member.nameByteCount == wanted.name.utf8.count
                        && agree(member.value, wanted.value)
                        && (object.count > 50 || node[wanted.name]?.range == member.value.range)
                }
        }
    }

    /// What passes small limits keeps to them, and is what large ones read.
    static func checkLimits(_ bytes: [UInt8], _ large: JSONValue?) throws(Broken) {
        let limits = JSONLimits(bytesMax: 100, depthMax: 3, numberBytesMax: 4, valuesMax: 8)
        let strictness = JSONStrictness.refuseLongNumbers
        guard let value = try? JSONValue(parsing: bytes, limits: limits, strictness: strictness) else { return }
        let size = Size(value, depth: 0)
        try demand(bytes.count <= 100 && size.depth <= 3 && size.numberBytes <= 4, "larger than its limits")
        try demand(size.values <= 8, "\(size.values) values of 8")
        try demand(value == large, "with other limits, another value")
    }

    private struct Size {
        var depth = 0
        var numberBytes = 0
        var values = 1

        init(_ value: JSONValue, depth: Int) {
            self.depth = depth
            switch value {
            case .number(let number): numberBytes = number.text.utf8.count
            case .array(let elements):
                self.depth += 1
                for element in elements { add(Size(element, depth: depth + 1)) }
            case .object(let object):
                self.depth += 1
                values += object.count
                for member in object.members { add(Size(member.value, depth: depth + 1)) }
            default: break
            }
        }

        private mutating func add(_ inner: Size) {
            depth = max(depth, inner.depth)
            numberBytes = max(numberBytes, inner.numberBytes)
            values += inner.values
        }
    }
}
