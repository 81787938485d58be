// SPDX-License-Identifier: Apache-2.0

package import SQLite

/// What a tenant can agree to, each by itself.
package enum ConsentScope: String, CaseIterable, Sendable {
    /// Threads and their messages are kept.
    case threads
    /// What is said is remembered and brought back in later threads.
    case memory
    /// Uploaded files are kept.
    case files
    /// Prompts and answers are logged, to look into refusals.
    case logs
    /// Content is evaluated for the tenant's own statistics.
    case analytics
    /// Content may leave for the training of models.
    case training
}

/// What a tenant has agreed to. Played by Nodes.
///
/// Whoever keeps content asks in the transaction that keeps it: a withdrawal is in force for every transaction after its own.
package protocol Consents: Sendable {
    func isGranted(_ scope: ConsentScope, in transaction: any TenantTransaction) throws(SQLiteError) -> Bool
}
