// SPDX-License-Identifier: Apache-2.0

import HTTP
import Platform
import Synchronization

/// From where a key may be used. A key that may be used from anywhere has none of these, so that asking costs nothing.
package final class CallPlaces: Sendable {
    /// Empty for every address.
    let addresses: [AddressRange]
    /// Web origins, compared exactly. A key that has some is used by browsers on these pages and by nothing else.
    let origins: Set<String>

    /// `nil` for anywhere.
    package init?(addresses: [AddressRange], origins: some Sequence<String>) {
        (self.addresses, self.origins) = (addresses, Set(origins))
        guard !self.addresses.isEmpty || !self.origins.isEmpty else { return nil }
    }

    /// Lets a request from one of these places go on, and its page read the answer.
    ///
    /// - Throws: `ip_not_allowed`, `origin_not_allowed`.
    package func admit(_ exchange: Exchange) throws(Failure) {
        if !addresses.isEmpty {
            // The admin socket is no address: nobody sends a key there.
            guard case .address(let peer) = exchange.request.peer, let address = peer.ip,
                addresses.contains(where: { $0.contains(address) })
            else { throw Failure(.addressNotAllowed, "this key may not be used from this address") }
        }
        guard !origins.isEmpty else { return }
        let fields = exchange.request.head.fields
        // A browser always says where a page's request comes from (Fetch, "HTTP-network-or-cache fetch"); whoever does not is
        // none, and a key that stands in a page for everybody to read is for browsers alone.
        guard fields.count(of: .origin) == 1, let origin = fields[.origin], origins.contains(origin) else {
            throw Failure(.originNotAllowed, "this key may not be used from this origin")
        }
        exchange.allow(origin: origin)
    }
}

/// The origins of all keys that are meant for pages: a preflight carries no credential, so it is answered to any of them, and
/// the request behind it then only to its own key's.
package final class OriginBook: Sendable {
    // Guards the counts.
    private let counts = Mutex<[String: Int]>([:])
    private let isUsed = Atomic(false)

    package init() {}

    /// Whether there is any.
    var isEmpty: Bool { !isUsed.load(ordering: .relaxed) }

    func contains(_ origin: String) -> Bool { !isEmpty && counts.withLock { $0[origin] != nil } }

    package func add(_ origins: [String]) {
        change(origins, by: 1)
    }

    package func remove(_ origins: [String]) {
        change(origins, by: -1)
    }

    private func change(_ origins: [String], by step: Int) {
        guard !origins.isEmpty else { return }
        counts.withLock { counts in
            for origin in origins {
                let count = counts[origin, default: 0] + step
                counts[origin] = count > 0 ? count : nil
            }
            isUsed.store(!counts.isEmpty, ordering: .relaxed)
        }
    }
}
