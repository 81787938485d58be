// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// How the intents of keys begin that called lately: the fields that say who calls and from where. They are the same bytes with
/// each request, and one of them is a keyed digest, which costs as much as all the others. Confined to a loop.
struct CallerHeads {
    private static let placesMax = 64

    private struct Head {
        /// Kept, so that no other takes its place in memory while it is told by that.
        var principal: Principal?
        var address = IPAddress.v4(0)
        var bytes: [UInt8] = []
    }

    private var heads: [Head] = []

    /// The fields up to the address, if these called lately. What a key calls with is one object until something of it changes.
    ///
    /// Changes nothing; but what is only read in an object is copied out of it first, with a reference counted.
    mutating func head(of principal: Principal, at address: IPAddress) -> [UInt8]? {
        guard !heads.isEmpty else { return nil }
        let place = Self.place(of: principal, address)
        guard heads[place].principal === principal, heads[place].address == address else { return nil }
        return heads[place].bytes
    }

    /// Lends them to `body`, which asks for no other; nil without calling it if these did not call lately.
    @inline(__always)
    mutating func lend<Result>(
        headOf principal: Principal, at address: IPAddress, _ body: (Span<UInt8>) -> Result
    ) -> Result? {
        guard !heads.isEmpty else { return nil }
        let place = Self.place(of: principal, address)
        guard heads[place].principal === principal, heads[place].address == address else { return nil }
        return heads[place].bytes.lend(body)
    }

    mutating func keep(_ bytes: [UInt8], of principal: Principal, at address: IPAddress) {
        guard case .key = principal.kind, principal.tenant != nil else { return }
        if heads.isEmpty { heads = Array(repeating: Head(), count: Self.placesMax) }
        heads[Self.place(of: principal, address)] = Head(principal: principal, address: address, bytes: bytes)
    }

    private static func place(of principal: Principal, _ address: IPAddress) -> Int {
        var word = UInt64(UInt(bitPattern: ObjectIdentifier(principal))) >> 4
        switch address {
        case .v4(let number): word ^= UInt64(number) << 16
        case .v6(let high, let low): word ^= high ^ low
        }
        return Int(truncatingIfNeeded: (word &* 0x9E37_79B9_7F4A_7C15) >> 58)
    }
}

extension [UInt8] {
    /// Lends its bytes to `body`. It changes nothing: an array that is read out of an object by what does not say so is counted as
    /// held meanwhile.
    @inline(__always)
    mutating func lend<Result>(_ body: (Span<UInt8>) -> Result) -> Result { body(span) }
}
