// SPDX-License-Identifier: Apache-2.0

/// A file as it goes into a tenant's store and comes out of it.
package struct StoredFile: Sendable, Equatable {
    /// What its uploader called it: any text.
    package var name: String
    package var mediaType: String?
    package var content: [UInt8]

    package init(name: String, mediaType: String?, content: [UInt8]) {
        (self.name, self.mediaType, self.content) = (name, mediaType, content)
    }
}

/// A tenant's files, kept sealed and only with its consent, for other modules. Played by Nodes.
///
/// Whoever calls must have the scope `files`, as on `/v1/files`.
package protocol TenantFiles: Sendable {
    /// - Throws: `not_found`, for one of another tenant's too; `payload_too_large` beyond `bytesMax`; `insufficient_scope`.
    func read(_ id: String, for exchange: Exchange, bytesMax: Int) async throws(Failure) -> StoredFile

    /// Refuses at once what `keep` would refuse: without consent, with a request that asks that nothing be kept.
    func admit(_ exchange: Exchange) async throws(Failure)

    /// Keeps a file, if the tenant has agreed to that.
    ///
    /// - Returns: its id.
    /// - Throws: `consent_required`, `insufficient_scope`, `payload_too_large`.
    func keep(_ file: StoredFile, for exchange: Exchange) async throws(Failure) -> String
}
