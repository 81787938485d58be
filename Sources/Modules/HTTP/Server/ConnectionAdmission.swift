// SPDX-License-Identifier: Apache-2.0

package import Platform

/// Counts the connections of all loops together, in total and for each address, and says whether one more may be served.
package final class ConnectionAdmission: Sendable {
    /// Whether a connection may be served.
    package enum Verdict: Sendable {
        case admitted
        /// There are as many as there may be.
        case full
        /// There are as many from this address as there may be from one.
        case addressFull
    }

    private struct Counts {
        var total = 0
        var perAddress: [Key: Int] = [:]
    }

    /// An IPv4 address, or the /64 of an IPv6 address, which is what one host is given.
    private struct Key: Hashable {
        let high: UInt64
        let isV6: Bool

        init(_ address: IPAddress) {
            switch address.unwrapped {
            case .v4(let number): (high, isV6) = (UInt64(number), false)
            case .v6(let high, _): (self.high, isV6) = (high, true)
            }
        }
    }

    private let connectionsMax: Int
    private let connectionsPerAddressMax: Int
    /// Guards the counts; taken twice in the life of a connection.
    private let counts = Monitor(Counts())

    package init(connectionsMax: Int, connectionsPerAddressMax: Int) {
        self.connectionsMax = connectionsMax
        self.connectionsPerAddressMax = connectionsPerAddressMax
    }

    /// The number of connections admitted and not yet released.
    package var count: Int { counts.withLock { $0.total } }

    /// Counts a connection, unless there are too many.
    ///
    /// - Parameter address: nil for a local socket, which counts in the total only.
    package func admit(_ address: IPAddress?) -> Verdict {
        counts.withLock { counts in
            let key = address.map(Key.init)
            let present = key.map { counts.perAddress[$0, default: 0] } ?? 0
            // First, so that nobody who has too many already makes room for another of his at somebody's cost.
            guard present < connectionsPerAddressMax || key == nil else { return .addressFull }
            guard counts.total < connectionsMax else { return .full }
            if let key { counts.perAddress[key] = present + 1 }
            counts.total += 1
            return .admitted
        }
    }

    /// Takes back what `admit` counted for the same address.
    package func release(_ address: IPAddress?) {
        counts.withLock { counts in
            counts.total -= 1
            guard let address, let present = counts.perAddress[Key(address)] else { return }
            counts.perAddress[Key(address)] = present > 1 ? present - 1 : nil
        }
    }
}
