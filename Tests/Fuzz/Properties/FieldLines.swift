// SPDX-License-Identifier: Apache-2.0

import Bytes
import Platform

@testable import HTTP

extension Property {
    /// Fields, as lines `operation name:value`, against a plain list of names and values; nothing put in starts a line.
    package static let fieldLines = Property("FieldLines") { (bytes) throws(Broken) -> Bool in
        var fields = Fields()
        var list: [(name: String, value: String)] = []
        for line in bytes.split(separator: 0x0A, maxSplits: 16) {
            guard let operation = line.first else { continue }
            let parts = line.dropFirst().split(
                separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(decoding: parts.first ?? [], as: UTF8.self)
            let value = String(decoding: parts.last ?? [], as: UTF8.self)
            let isOne: (String) -> Bool = { $0.equalsIgnoringASCIICase(name) }
            switch operation {
            case UInt8(ascii: "-"):
                fields.remove(name)
                list.removeAll { isOne($0.name) }
            case UInt8(ascii: "="):
                let isTaken = fields.set(name, value)
                try demand(isTaken == isField(name, value), "set took what is no field, or refused one")
                guard isTaken else { continue }
                list.removeAll { isOne($0.name) }
                list.append((name, value))
            default:
                let isTaken = fields.append(name, value)
                try demand(isTaken == isField(name, value), "append took what is no field, or refused one")
                if isTaken { list.append((name, value)) }
            }
            let values = list.filter { isOne($0.name) }.map(\.value)
            try demand(fields[name] == values.first && fields.all(name) == values, "other values of \(name)")
            try demand(fields.count(of: name) == values.count, "another count of \(name)")
            let elements = values.flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }
                .map { Substring($0).trimmingPrefix { $0 == " " || $0 == "\t" } }
            let hasClose = elements.contains { element in
                Substring(String(element).trimmed).equalsIgnoringASCIICase("close")
            }
            try demand(fields.contains(token: "close", in: name) == hasClose, "another list in \(name)")
        }
        try demand(fields.elementsEqual(list, by: ==), "another list of fields")
        try checkWriting(fields)
        return !list.isEmpty
    }

    private static func isField(_ name: String, _ value: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy(\.isHTTPToken) && value.isOneLine
    }

    /// In an answer they are read again as they are, but for those that frame it and for white space at the ends.
    private static func checkWriting(_ fields: Fields) throws(Broken) {
        var output: [UInt8] = []
        MessageEncoder.appendHead(200, fields, .length(7), .implied, date: DateLine(WallTime(seconds: 0)), to: &output)
        guard let head = try? ResponseHead(parsing: output, method: .get) else {
            throw Broken("written, the head is refused")
        }
        try demand(head.framing == .length(7), "written, it is framed otherwise")
        let ours = [
            "te", "date", "host", "trailer", "upgrade", "connection", "keep-alive", "content-length",
            "proxy-connection", "transfer-encoding",
        ]
        let sent = fields.filter { field in !ours.contains { $0.equalsIgnoringASCIICase(field.name) } }
        let read = head.fields.filter { field in !ours.contains { $0.equalsIgnoringASCIICase(field.name) } }
        let isSame = sent.elementsEqual(read) { $0.name == $1.name && $0.value.trimmed == $1.value }
        try demand(isSame, "written, the fields differ")
        for name in ours {
            let count = head.fields.count(of: name)
            try demand(count == (name == "date" || name == "content-length" ? 1 : 0), "a second \(name)")
        }
    }
}
