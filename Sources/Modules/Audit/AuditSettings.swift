// SPDX-License-Identifier: Apache-2.0

import Configuration

/// The keys of the section `[audit]`.
struct AuditSettings: Equatable {
    /// `sync`: when an exchange may go on, once the kernel has its record or once the disk has.
    let sync: AuditOffice.Sync
    /// `sync_interval`: how often the log is flushed with `sync = "interval"`.
    let syncInterval: Duration
    /// `retention`: how long records are kept.
    let retention: Duration
    /// `usage_detail`: for how long usage is told apart by hours and end users.
    let usageDetail: Duration
    /// `segment_bytes`: of one file of the log, allocated when it is made.
    let segmentBytes: Int
    /// `checkpoint_copy`: a second place for checkpoints.
    let checkpointCopy: String?
    /// `origin`: what the log is called in its checkpoints.
    let origin: String

    static let standardOrigin = "gatehouse/audit"

    init(_ section: Section) throws(ConfigurationError) {
        sync = try section.takeEnum("sync", default: .interval)
        syncInterval = try section.takeDuration(
            "sync_interval", in: .milliseconds(1)...(.seconds(10)), default: .milliseconds(100))
        retention = try section.takeDuration(
            "retention", in: .seconds(86_400)...(.seconds(20 * 366 * 86_400)), default: .seconds(400 * 86_400))
        usageDetail = try section.takeDuration(
            "usage_detail", in: .seconds(86_400)...(.seconds(20 * 366 * 86_400)), default: .seconds(90 * 86_400))
        segmentBytes = try section.takeSize("segment_bytes", in: (1 << 20)...(1 << 30), default: 16 << 20)
        checkpointCopy = try section.takeOptionalPath("checkpoint_copy")
        origin = try section.takeOptionalString("origin", bytes: 1...200) ?? Self.standardOrigin
        guard NoteKey.isName(origin) else {
            throw section.error(
                at: "origin", "an origin has neither blanks nor \"+\"", hint: "ai.example.org/audit, for example")
        }
    }
}
