// SPDX-License-Identifier: Apache-2.0

package import Platform

/// Which addresses a request may go to, beside those of the Internet.
///
/// It is asked about the address that a name resolved to, and the connection is made to that very address, so a name
/// that answers differently the second time (DNS rebinding) gains nothing.
package struct AddressPolicy: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// This machine.
    package static let loopback = AddressPolicy(rawValue: 1)
    /// One's own network: RFC 1918, RFC 4193 and their like.
    package static let privateUse = AddressPolicy(rawValue: 2)
    /// For an address that a client has named: hosts of the Internet and no others.
    package static let publicOnly: AddressPolicy = []
    /// For an address that the operator wrote into the configuration: also this machine and one's own network.
    package static let configured: AddressPolicy = [.loopback, .privateUse]

    /// True if a connection to `address` may be made. Link-local addresses, the metadata services of clouds and what is
    /// no host at all are refused under every policy.
    package func allows(_ address: IPAddress) -> Bool {
        switch address.reach {
        case .global: true
        case .loopback: contains(.loopback)
        case .privateUse: contains(.privateUse)
        case .linkLocal, .metadata, .unspecified, .multicast, .reserved: false
        }
    }
}
