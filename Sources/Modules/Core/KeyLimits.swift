// SPDX-License-Identifier: Apache-2.0

/// What single keys may ask for, beside what holds for every key. Played by the limiter.
package protocol KeyLimits: Sendable {
    /// What is wrong with limits as people write them (`100 requests/minute`, `5 concurrent`), as a sentence; `nil` where
    /// nothing is.
    func problem(with limits: [String]) -> String?

    /// What a key may ask for from now on, on every loop; empty for what every key may. What is wrong is passed over.
    func set(_ limits: [String], of key: KeyID, _ tenant: TenantID)
}
