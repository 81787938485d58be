// SPDX-License-Identifier: Apache-2.0

import Bytes
import Platform

@testable import HTTP

extension Property {
    /// URLs, origins, hosts, addresses, request targets and their escapes: each has one meaning, and keeps it when written.
    package static let target = Property("Target") { (bytes) throws(Broken) -> Bool in
        let text = String(decoding: bytes, as: UTF8.self)
        let isOrigin = try checkOrigin(text)
        try checkAddress(text)
        try checkPercent(bytes)
        try checkTexts(bytes, text)
        return try checkTarget(bytes) || isOrigin
    }

    private static func checkOrigin(_ text: String) throws(Broken) -> Bool {
        if let host = Host(text) {
            try demand(host.name.utf8.allSatisfy { $0 == $0.asciiLowercased && $0 > 0x20 && $0 < 0x7F }, "an odd host")
            try demand(host.port.map { (0...65_535).contains($0) } ?? true, "a port out of range")
            try demand(!host.name.utf8.contains(UInt8(ascii: "@")), "user information in a host")
            let written = host.port.map { "\(host.name):\($0)" } ?? host.name
            try demand(Host(written) == host, "written, it is another host")
        }
        guard let origin = Origin(text) else { return false }
        try demand((1...65_535).contains(origin.port), "a port out of range")
        try demand(Origin(origin.description) == origin, "written, it is another origin")
        try demand(Host(origin.authority) != nil, "an authority that is no host")
        return true
    }

    private static func checkAddress(_ text: String) throws(Broken) {
        if let address = IPAddress(text) {
            try demand(IPAddress(address.description) == address, "written, it is another address")
            try demand(address.bytes.count == (address.isV6 ? 16 : 4), "an address of \(address.bytes.count) bytes")
            _ = address.reach
        }
        if let address = SocketAddress(text) {
            try demand(SocketAddress(address.description) == address, "written, it is another socket")
        }
    }

    private static func checkPercent(_ bytes: [UInt8]) throws(Broken) {
        let text = String(decoding: bytes, as: UTF8.self)
        let encoded = Percent.encode(text)
        try demand(encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") }, "an odd escape")
        try demand(Percent.decode(encoded)?.isSameBytes(as: text) == true, "encoded and decoded, it differs")
        for plusIsSpace in [false, true] {
            guard let decoded = Percent.decode(bytes.span, plusIsSpace: plusIsSpace) else { continue }
            try demand(decoded.count <= bytes.count, "decoding made more of it")
            let percents = bytes.count { $0 == UInt8(ascii: "%") }
            try demand(decoded.count == bytes.count - 2 * percents, "\(percents) escapes, other bytes")
        }
    }

    private static func checkTexts(_ bytes: [UInt8], _ text: String) throws(Broken) {
        try demand(bytes.span.isValidUTF8 == (String(validating: bytes, as: UTF8.self) != nil), "UTF-8 or not")
        for alphabet in [Base64.Alphabet.standard, .url] {
            let written = Base64.encode(bytes, alphabet: alphabet)
            try demand(Base64.decode(written, alphabet: alphabet) == bytes, "base 64 and back, it differs")
            guard let decoded = Base64.decode(text, alphabet: alphabet) else { continue }
            try demand(Base64.encode(decoded, alphabet: alphabet) == text, "one value in two texts of base 64")
        }
        try demand(Hex.decode(Hex.encode(bytes)) == bytes, "hexadecimal and back, it differs")
        if case .amount(let amount) = Quantity.milliseconds(text) {
            try demand(Quantity.milliseconds(Quantity.write(milliseconds: amount)) == .amount(amount), "another time")
        }
        if case .amount(let amount) = Quantity.bytes(text) {
            try demand(Quantity.bytes(Quantity.write(bytes: amount)) == .amount(amount), "another size")
        }
        try demand(text.printable().unicodeScalars.allSatisfy(\.isPrintable), "a mark that a terminal obeys")
    }

    private static func checkTarget(_ bytes: [UInt8]) throws(Broken) -> Bool {
        guard
            let head = try? RequestHead(
                parsing: Array("GET ".utf8) + bytes + Array(" HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
        else { return false }
        // The input may hold a whole head; what follows it is then another request's.
        guard head.target.utf8.elementsEqual(bytes) else { return true }
        let query = bytes.firstIndex(of: UInt8(ascii: "?")).map { String(decoding: bytes[($0 + 1)...], as: UTF8.self) }
        try demand(head.query == query, "another query")
        // By bytes: a slash and a mark that combines with it are one character.
        let segments = head.path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { Percent.encode(String(decoding: $0, as: UTF8.self)) }
        let again = try? RequestHead(
            parsing: Array("GET \(segments.joined(separator: "/")) HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
        let isLong = head.path.utf8.count > 1_000
        try demand(isLong || again?.path == head.path, "written, it is another path")
        let items = query?.split(separator: "&").count ?? 0
        try demand(head.queryItems.count == items, "\(head.queryItems.count) query items of \(items)")
        return true
    }
}
