// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Log
import Platform

/// What becomes of a key that others may have read: the keys `exposed_…` of `[auth]`.
struct ExposureSettings: Equatable, Sendable {
    enum Policy: String, CaseIterable, Sendable {
        /// It is shown as exposed, and goes on.
        case mark
        case revoke
    }

    /// Of one that came over plain HTTP.
    let inClear: Policy
    /// Of one that somebody found and reported.
    let reported: Policy

    init(_ section: Section) throws(ConfigurationError) {
        inClear = try section.takeEnum("exposed_in_clear", default: .mark)
        reported = try section.takeEnum("exposed_reported", default: .revoke)
    }
}

/// Does what the policy says.
struct Exposures: Sendable {
    let keys: Keys
    let settings: ExposureSettings
    let records: (any HouseRecords)?
    let log: Logger

    /// Whether a text is a key of this house that opens something; then it is dealt with. Whoever says so has the key, and
    /// could do worse with it than this.
    func meet(_ text: [UInt8], _ exposure: KeyExposure) async -> Bool {
        guard let (record, isFormer) = keys.index.owner(of: text.span), record.revokedAt == nil else { return false }
        let policy = exposure == .http ? settings.inClear : settings.reported
        // What was found once is not written again with each report.
        guard policy == .revoke || record.exposedAt == nil else { return true }
        do throws(Failure) {
            try await write(record, isFormer, exposure, policy)
            records?.note(
                policy == .revoke ? "keys.expose.revoke" : "keys.expose", of: record.tenant, object: record.id.text)
            log.warning(
                "a key was exposed",
                [
                    "key": .string(record.prefix), "where": .string(exposure.rawValue),
                    "policy": .string(policy.rawValue),
                ])
        } catch {
            log.error(
                "an exposed key could not be dealt with",
                ["key": .string(record.prefix), "cause": .string(error.cause ?? error.message)])
        }
        return true
    }

    private func write(
        _ record: KeyRecord, _ isFormer: Bool, _ exposure: KeyExposure, _ policy: ExposureSettings.Policy
    ) async throws(Failure) {
        let now = WallTime.now()
        if record.version == KeyRecord.unwritten {
            if policy == .revoke { _ = try await keys.revoke(record.id, of: nil, for: .exposed) }
            return
        }
        _ = try await keys.change(record.id, of: nil) { key throws(Failure) in
            guard key.revokedAt == nil else { return }
            if isFormer {
                // It was rotated away already, for this very reason perhaps: its successor is nobody else's.
                if policy == .revoke { key.former = nil }
                return
            }
            (key.exposedAt, key.exposure) = (key.exposedAt ?? now, key.exposure ?? exposure)
            if policy == .revoke { (key.revokedAt, key.end, key.former) = (now, .exposed, nil) }
        }
    }
}
