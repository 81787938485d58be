// SPDX-License-Identifier: Apache-2.0

/// The keyed digests by which the records of a tenant name its end users: 16 bytes, under a secret that lives as long as the
/// tenant. Played by Audit.
package protocol EndUserDigests: Sendable {
    /// `nil` where the tenant's secret has to be looked up first.
    func knownDigest(ofEndUser name: String, of tenant: TenantID) -> [UInt8]?

    /// The same, looked up where it has to be.
    func digest(ofEndUser name: String, of tenant: TenantID) async -> [UInt8]
}
