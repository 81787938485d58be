// SPDX-License-Identifier: Apache-2.0

import Platform

/// Why nothing could be recorded. Whoever asked is refused: what cannot be recorded does not happen.
enum AuditFailure: Error, Equatable, Sendable {
    /// No room for another segment.
    case full
    /// More exchanges are open than a segment has room for the ends of.
    case crowded
    /// A file of the log could not be written or flushed.
    case disk(String, Errno)
    /// A file of the log was taken away or replaced while it was in use.
    case replaced(String)
    /// A key could not be had, or a cipher failed.
    case keys(String)
}
