// SPDX-License-Identifier: Apache-2.0

/// The most of everything that a conversation with a node takes.
enum ChatLimits {
    /// Earlier messages of a thread that a model is told, and their bytes; the oldest are left out first. The node's prompt
    /// and the new message are not among them: both have bounds of their own.
    static let contextMessagesMax = 200
    static let contextBytesMax = 1 << 20
    /// Bytes of one answer. A longer one is broken off and counts as failed: half an answer is not kept for a whole one.
    static let answerBytesMax = 1 << 20
    /// Bytes of an end user's name.
    static let userBytesMax = 512

    /// Threads that are in memory only, from their last turn on.
    static let heldThreads = ShelfBounds(
        entriesPerTenant: 1_000, bytesPerTenant: 16 << 20, entriesMax: 20_000, bytesMax: 128 << 20,
        time: .seconds(3_600))
    /// Results of asynchronous runs that are in memory only, from their end on.
    static let heldResults = ShelfBounds(
        entriesPerTenant: 1_000, bytesPerTenant: 16 << 20, entriesMax: 20_000, bytesMax: 64 << 20,
        time: .seconds(3_600))

    /// Asynchronous runs under way at once: of one tenant, and of all.
    static let runsPerTenantMax = 16
    static let runsMax = 256
    /// How long one may take.
    static let runTime: Duration = .seconds(600)
    /// How long its receipt is kept.
    static let receiptSeconds = 86_400
    /// Receipts that one step of the sweeper deletes.
    static let receiptsPerStep = 500
}
