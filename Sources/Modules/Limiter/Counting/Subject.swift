// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
package import Platform

/// Whom or what something is counted for.
package enum SubjectKind: String, CaseIterable, Sendable {
    case key, tenant, node, user, address
    /// The whole server.
    case instance

    /// Its own bit in a set of kinds.
    var bit: Int {
        switch self {
        case .key: 1
        case .tenant: 2
        case .node: 4
        case .user: 8
        case .address: 16
        case .instance: 32
        }
    }
}

/// One of them.
enum Subject: Hashable, Sendable {
    case key(KeyID)
    case tenant(TenantID)
    case node(NodeID)
    case user(EndUser)
    case address(AddressBlock)
    case instance

    func hash(into hasher: inout Hasher) {
        // Without its kind: an id is of one kind only, and a digest or an address looks like none but by chance.
        switch self {
        case .key(let id): hasher.combine(id)
        case .tenant(let id): hasher.combine(id)
        case .node(let id): hasher.combine(id)
        case .user(let user): hasher.combine(user)
        case .address(let block): hasher.combine(block)
        case .instance: break
        }
    }

    var kind: SubjectKind {
        switch self {
        case .key: .key
        case .tenant: .tenant
        case .node: .node
        case .user: .user
        case .address: .address
        case .instance: .instance
        }
    }
}

/// The id of a node (`node_` and a ULID).
package struct NodeID: Hashable, Sendable {
    let text: String

    package init(_ text: String) { self.text = text }

    package func hash(into hasher: inout Hasher) {
        // The last eight bytes, which are random: a text's own hash costs five times as much.
        let bytes = text.utf8.span
        hasher.combine(bytes.count >= 8 ? bytes.word(at: bytes.count - 8) : UInt64(bytes.count))
    }
}

/// A person behind a key, by the keyed digest that stands in the records. Equal names under two tenants differ.
package struct EndUser: Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    init(_ digest: EndUserDigest) { (high, low) = (digest.high, digest.low) }

    /// - Parameter digest: 16 bytes; more are cut off and fewer are filled up.
    package init(digest: [UInt8]) {
        let missing = max(0, EndUserDigest.byteCount - digest.count)
        self.init(
            missing == 0
                ? EndUserDigest(digest.span) : EndUserDigest((digest + Array(repeating: 0, count: missing)).span))
    }

    package func hash(into hasher: inout Hasher) {
        // Half of it, which is as random as all.
        hasher.combine(high)
    }

    /// The digest again.
    var digest: [UInt8] { EndUserDigest(high: high, low: low).bytes }
}

/// What one customer of an Internet provider is given: an IPv4 address, or an IPv6 network of 64 bits. Whoever has such a
/// network has 2^64 addresses, so counting those one by one would count nothing.
package struct AddressBlock: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64

    package init(_ address: IPAddress) {
        switch address.unwrapped {
        case .v4(let number): (high, low) = (0, 0xFFFF_0000_0000 | UInt64(number))
        case .v6(let high, _): (self.high, low) = (high, 0)
        }
    }

    package func hash(into hasher: inout Hasher) {
        // Of the two words one is the same in all addresses of a kind.
        hasher.combine(high ^ low)
    }

    /// An address of it: the first of a network.
    var address: IPAddress {
        high == 0 && low >> 32 == 0xFFFF ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high: high, low: 0)
    }

    /// 4 or 16 bytes, as they are written down.
    var bytes: [UInt8] { address.bytes }

    /// - Parameter bytes: nil for other than 4 or 16.
    init?(bytes: [UInt8]) {
        func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: self.init(.v4(UInt32(truncatingIfNeeded: word(bytes[...]))))
        case 16: self.init(.v6(high: word(bytes[..<8]), low: word(bytes[8...])))
        default: return nil
        }
    }
}
