// SPDX-License-Identifier: Apache-2.0

import Platform

/// Addresses of images and documents in a request. The provider fetches them, not this server; but a provider may stand
/// in the same network as this server (vLLM, llama.cpp), and would then fetch for a stranger what only it can reach. So
/// names and numbers of private, loopback, link-local and metadata addresses are refused here.
enum MediaAddress {
    static let bytesMax = 8_192

    /// Refuses what is neither `data:` nor an `http(s)` address of a public host.
    static func check(_ text: String) throws(Fault) {
        if hasPrefix(text, "data:") { return }
        let rest: Substring
        if hasPrefix(text, "https://") {
            rest = text.dropFirst(8)
        } else if hasPrefix(text, "http://") {
            rest = text.dropFirst(7)
        } else {
            throw .shape("must be an https, http or data URL")
        }
        guard text.utf8.count <= bytesMax else { throw .shape("is too long for a URL") }
        // What a fetcher may read as another host than we do is refused rather than interpreted.
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x5C }) else {
            throw .shape("must be a URL in ASCII without spaces or backslashes")
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !authority.contains("@") else { throw .shape("must not hold a user name") }
        guard let host = host(of: authority), isPublic(host.lowercased()) else {
            throw .shape("must be the URL of a public host")
        }
    }

    private static func hasPrefix(_ text: String, _ prefix: String) -> Bool {
        text.utf8.count >= prefix.utf8.count
            && zip(text.utf8, prefix.utf8).allSatisfy { $0 == $1 || ($0 | 0x20 == $1 && $1 >= 0x61 && $1 <= 0x7A) }
    }

    /// The host without port and brackets; nil where there is none or the port is no number.
    private static func host(of authority: Substring) -> Substring? {
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            return authority[authority.index(after: authority.startIndex)..<end]
        }
        let host = authority.prefix { $0 != ":" }
        guard !host.isEmpty, authority.dropFirst(host.count).dropFirst().allSatisfy(\.isNumber) else { return nil }
        return host
    }

    /// Whether a name or number is of the public internet. Takes lower case.
    static func isPublic(_ host: String) -> Bool {
        var name = Substring(host)
        if name.last == "." { name = name.dropLast() }
        if name.contains(":") { return IPAddress(name)?.reach == .global }
        // Percent-encoded hosts are decoded by some fetchers.
        guard !name.isEmpty, !name.contains("%") else { return false }
        if let address = address4(name) { return IPAddress.v4(address).reach == .global }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        // A name without a dot is of the local network; one that ends in a number is an address we could not read.
        guard labels.count > 1, let last = labels.last, let first = last.utf8.first, !(0x30...0x39).contains(first)
        else { return false }
        return !["localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "arpa"]
            .contains(String(last))
    }

    /// An IPv4 address in any of the notations `inet_aton` takes: 1 to 4 parts in decimal, octal or hexadecimal.
    private static func address4(_ name: Substring) -> UInt32? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 4 else { return nil }
        var numbers: [UInt32] = []
        for part in parts {
            let number: UInt32? =
                if part.hasPrefix("0x") {
                    UInt32(part.dropFirst(2), radix: 16)
                } else if part.count > 1 && part.hasPrefix("0") {
                    UInt32(part.dropFirst(), radix: 8)
                } else {
                    part.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt32(part) : nil
                }
            guard let number else { return nil }
            numbers.append(number)
        }
        guard let last = numbers.popLast(), numbers.allSatisfy({ $0 < 256 }) else { return nil }
        let high = numbers.enumerated().reduce(UInt32(0)) { $0 | $1.element << UInt32(24 - 8 * $1.offset) }
        guard numbers.isEmpty || UInt64(last) < UInt64(1) << UInt64(32 - 8 * numbers.count) else { return nil }
        return high | last
    }
}
