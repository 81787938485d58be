// SPDX-License-Identifier: Apache-2.0

package import Core

extension Audit: EndUserDigests {
    package func knownDigest(ofEndUser name: String, of tenant: TenantID) -> EndUserDigest? {
        endUsers.digest(of: name, tenant) ?? digests?.knownEndUser(name, of: tenant)
    }

    package func digest(ofEndUser name: String, of tenant: TenantID) async -> EndUserDigest {
        // Without the log nothing goes on anyway: the record's stage refuses.
        await digests?.endUser(name, of: tenant) ?? EndUserDigest(high: 0, low: 0)
    }
}
