// SPDX-License-Identifier: Apache-2.0

import JSON
import Platform

/// What a running server says of itself, as its operator's routes answer, and what the doctor makes of it. A route that is
/// not there (its module is off) is nil.
struct ServerFacts {
    var status: JSONValue?
    var store: JSONValue?
    var slots: [JSONValue]?
    var backups: JSONValue?
    var keys: [JSONValue]?
    var providers: [JSONValue]?
    var now = WallTime.now()

    /// A key that nobody has changed for so long is probably in more places than anybody knows.
    static let keyDaysMax = 365
    /// What is lost when the disk is lost.
    static let backupDaysMax = 7

    var findings: [Finding] {
        guard let status else {
            return [
                Finding(
                    "server.running", .note, "no server runs, so only its files were looked at", mend: "gatehouse serve"
                )
            ]
        }
        var found = [Finding("server.running", "version \(status["version"]?.string ?? "?") runs")]
        if let slots { found.append(slotFinding(slots)) }
        if let store { found += storeFindings(store) }
        if let backups { found.append(backupFinding(backups)) }
        if let keys { found.append(keyFinding(keys)) }
        if let providers { found += providerFindings(providers) }
        return found
    }

    private static func time(_ value: JSONValue?) -> WallTime? {
        value?.string.flatMap { WallTime(rfc3339: $0) }
    }

    private func slotFinding(_ slots: [JSONValue]) -> Finding {
        slots.count > 1
            ? Finding("store.slots", "\(slots.count) ways to unlock the store")
            : Finding(
                "store.slots", .warning, "there is one way to unlock the store: if that is lost, everything is",
                mend: "gatehouse store slots add --recovery --name safe, and keep what it prints somewhere else")
    }

    private func storeFindings(_ store: JSONValue) -> [Finding] {
        guard let rolled = Self.time(store["rolled_at"]),
            let interval = store["roll_interval_seconds"]?.int
        else {
            return [Finding("store.roll", .warning, "the store does not say when its epoch key was changed", mend: nil)]
        }
        let waiting = store["erasures_before_roll"]?.int ?? 0
        let late = now - rolled > .seconds(2 * interval)
        var found = [
            waiting > 0 && late
                ? Finding(
                    "store.roll", .fault,
                    "\(waiting) erasures wait since \(rolled.rfc3339) for a new epoch key, so that earlier copies still open",
                    mend: "see the log for what stands in the way")
                : Finding("store.roll", "no erasure waits longer than it may")
        ]
        if let failure = store["work"]?["failure"]?.string {
            found.append(
                Finding(
                    "store.work", .fault, "the last work on the keys failed: \(failure)",
                    mend: "gatehouse store status"
                ))
        }
        return found
    }

    private func backupFinding(_ backups: JSONValue) -> Finding {
        let times = (backups["data"]?.array ?? []).compactMap {
            Self.time($0["created_at"])
        }
        guard let newest = times.max() else {
            return Finding(
                "backup.age", .warning, "there is no backup",
                mend: "gatehouse backup create, each day, and a copy elsewhere")
        }
        guard now - newest <= .seconds(Self.backupDaysMax * 86_400) else {
            return Finding(
                "backup.age", .warning, "the newest backup is of \(newest.rfc3339)", mend: "gatehouse backup create")
        }
        return Finding("backup.age", "the newest backup is of \(newest.rfc3339)")
    }

    private func keyFinding(_ keys: [JSONValue]) -> Finding {
        let old = keys.filter { key in
            guard key["revoked_at"]?.isNull ?? true,
                let made = Self.time(key["rotated_at"]) ?? Self.time(key["created_at"])
            else { return false }
            return now - made > .seconds(Self.keyDaysMax * 86_400)
        }
        guard let first = old.first else {
            return Finding("key.age", "\(keys.count) API keys, none older than \(Self.keyDaysMax) days")
        }
        return Finding(
            "key.age", .warning,
            "\(old.count) API keys are older than \(Self.keyDaysMax) days, \(first["id"]?.string ?? "?") among them",
            mend: "gatehouse key rotate \(first["id"]?.string ?? "ID")")
    }

    private func providerFindings(_ providers: [JSONValue]) -> [Finding] {
        var found: [Finding] = []
        for provider in providers {
            let name = provider["name"]?.string ?? "?"
            let failing = (provider["models"]?.array ?? []).filter { $0["state"]?.string == "open" }
            if provider["key_state"]?.string == "missing" {
                found.append(
                    Finding(
                        "provider.key", .fault, "\(name) has no key", mend: "gatehouse provider set-key \(name)"))
            }
            for model in failing {
                found.append(
                    Finding(
                        "provider.circuit", .warning,
                        "\(model["name"]?.string ?? "?") of \(name) has been failing, and is not asked for a while",
                        mend: "gatehouse provider list, and the provider's own status page"))
            }
        }
        return found.isEmpty ? [Finding("provider.circuit", "\(providers.count) providers, none failing")] : found
    }
}
