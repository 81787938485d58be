// SPDX-License-Identifier: Apache-2.0

/// Hears of credentials that others may have read. Played by Auth.
package protocol ExposureWatch: Sendable {
    /// A text that came over plain HTTP where a credential would stand.
    func sawInClear(_ text: [UInt8]) async
}

/// Writes down what the house does by itself, where the tenant it concerns can read it. Played by Audit.
package protocol HouseRecords: Sendable {
    /// - Parameters:
    ///   - action: as the records call it (`keys.expose`).
    ///   - object: an id that says nothing of anybody.
    func note(_ action: String, of tenant: TenantID, object: String)
}
