// SPDX-License-Identifier: Apache-2.0

package import Core

extension Audit: EndUserDigests {
    package func knownDigest(ofEndUser name: String, of tenant: TenantID) -> [UInt8]? {
        digests?.cached(tenant)?.endUser(name)
    }

    package func digest(ofEndUser name: String, of tenant: TenantID) async -> [UInt8] {
        // Without the log nothing goes on anyway: the record's stage refuses.
        await digests?.digester(of: tenant).endUser(name) ?? []
    }
}
