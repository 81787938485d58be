// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// How the intents of keys begin that called lately: the fields that say who calls and from where. They are the same bytes with
/// each request, and one of them is a keyed digest, which costs as much as all the others. Confined to a loop.
struct CallerHeads {
    private static let placesMax = 64

    private struct Head {
        let tenant: TenantID
        let key: KeyID
        let prefix: String
        let address: IPAddress
        let bytes: [UInt8]
    }

    private var heads: [Head?] = []

    /// The fields up to the address, if these called lately.
    func head(of principal: Principal, at address: IPAddress) -> [UInt8]? {
        guard case .key(let key, let prefix) = principal.kind, !heads.isEmpty,
            let head = heads[Self.place(of: key, address)], head.key == key, head.address == address,
            head.prefix == prefix, head.tenant == principal.tenant
        else { return nil }
        return head.bytes
    }

    mutating func keep(_ bytes: [UInt8], of principal: Principal, at address: IPAddress) {
        guard case .key(let key, let prefix) = principal.kind, let tenant = principal.tenant else { return }
        if heads.isEmpty { heads = Array(repeating: nil, count: Self.placesMax) }
        heads[Self.place(of: key, address)] = Head(
            tenant: tenant, key: key, prefix: prefix, address: address, bytes: bytes)
    }

    private static func place(of key: KeyID, _ address: IPAddress) -> Int {
        // Ids end in what tells them apart.
        var word: UInt64 = 0
        for byte in key.text.utf8.suffix(4) { word = word << 8 | UInt64(byte) }
        switch address {
        case .v4(let number): word ^= UInt64(number) << 16
        case .v6(let high, let low): word ^= high ^ low
        }
        return Int(truncatingIfNeeded: (word &* 0x9E37_79B9_7F4A_7C15) >> 58)
    }
}
