// SPDX-License-Identifier: Apache-2.0

/// The most of everything.
package enum NodesLimits {
    /// Nodes of one tenant.
    static let nodesMax = 1_000
    /// Versions of one node that are kept; older ones go as new ones come.
    static let versionsMax = 100
    static let aliasBytesMax = 64
    static let modelBytesMax = 200
    static let systemPromptBytesMax = 64 << 10
    static let toolsMax = 64
    static let toolBytesMax = 32 << 10
    /// The body of a node's creation or change.
    static let nodeBodyBytesMax = 1 << 20

    static let titleBytesMax = 512
    static let nameBytesMax = 128
    static let correlationBytesMax = 256
    static let clientIDBytesMax = 128
    /// The text of one message.
    static let messageBytesMax = 1 << 20
    /// The same as JSON, where an escape may have six bytes for one.
    static let messageBodyBytesMax = 6 * messageBytesMax + (64 << 10)
    /// Messages that one thread can ever have: their places share 63 bits with the thread's number.
    static let sequenceMax = 1 << 24 - 1

    static let filenameBytesMax = 512
    static let mediaTypeBytesMax = 128
    /// Chunks of one file; with 64 KiB each that is a terabyte, beyond every setting.
    static let chunksMax = 1 << 24
    /// Uploads under way at once, each of which holds a megabyte or two in memory.
    static let uploadsMax = 256
    static let uploadsPerTenantMax = 16

    static let idempotencyKeyBytesMax = 255
    /// For how long a repeated creation is recognised.
    static let idempotencySeconds = 86_400

    /// Bodies of a few members.
    static let smallBodyBytesMax = 16 << 10
    static let reasonBytesMax = 1_000
    /// Past consents that are shown.
    static let consentHistoryMax = 100
    /// Threads that one request deletes; its answer says whether there are more.
    static let deletedThreadsMax = 1_000
}
