// SPDX-License-Identifier: Apache-2.0

package import Platform
import Synchronization

/// Counts the connections of all loops together, in total and for each address, and says whether one more may be served.
package final class ConnectionAdmission: Sendable {
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
    private let counts = Mutex(Counts())

    package init(connectionsMax: Int, connectionsPerAddressMax: Int) {
        self.connectionsMax = connectionsMax
        self.connectionsPerAddressMax = connectionsPerAddressMax
    }

    /// The number of connections admitted and not yet released.
    package var count: Int { counts.withLock(\.total) }

    /// Counts a connection.
    ///
    /// - Parameter address: nil for a local socket, which counts in the total only.
    /// - Returns: false if there are too many; then it was not counted.
    package func admit(_ address: IPAddress?) -> Bool {
        counts.withLock { counts in
            guard counts.total < connectionsMax else { return false }
            if let address {
                let present = counts.perAddress[Key(address), default: 0]
                guard present < connectionsPerAddressMax else { return false }
                counts.perAddress[Key(address)] = present + 1
            }
            counts.total += 1
            return true
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
