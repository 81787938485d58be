// SPDX-License-Identifier: Apache-2.0

import Bytes

/// What stands for an end user where their name must not be read: the first 16 bytes of a keyed digest. No object, so that a
/// call that names somebody carries it without counting references.
package struct EndUserDigest: Hashable, Sendable, BitwiseCopyable {
    package static let byteCount = 16

    /// Its bytes, eight each, the first of them highest.
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// - Precondition: there are ``byteCount`` or more; what is more is cut off.
    package init(_ bytes: Span<UInt8>) {
        (high, low) = (bytes.word(at: 0).byteSwapped, bytes.word(at: 8).byteSwapped)
    }

    /// Lends the bytes for the length of `body`.
    package func withBytes<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        let words: [2 of UInt64] = [high.bigEndian, low.bigEndian]
        // Two words of 8 bytes, alive in a local until `body` has returned.
        return unsafe body(Span(_bytes: words.span.bytes))
    }

    package var bytes: [UInt8] { withBytes { Array(copying: $0) } }
}

/// The keyed digests by which the records of a tenant name its end users, under a secret that lives as long as the tenant.
/// Played by Audit.
package protocol EndUserDigests: Sendable {
    /// `nil` where the tenant's secret has to be looked up first.
    func knownDigest(ofEndUser name: String, of tenant: TenantID) -> EndUserDigest?

    /// The same, looked up where it has to be.
    func digest(ofEndUser name: String, of tenant: TenantID) async -> EndUserDigest
}
