// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Synchronization

/// When each tenant's database is to be looked through next. A thousand tenants of whom nothing is due cost a look at a table
/// in memory, and no opened file.
final class SweepSchedule: Sendable {
    private struct Entry {
        /// When something may have outlived its time.
        var due: WallTime
        /// What held when that was worked out: under other limits it is worked out anew.
        var limits: TenantLimits
    }

    /// Guards the entries. A tenant without one has not been looked at since the start, and is due.
    private let entries = Mutex<[TenantID: Entry]>([:])

    /// Something of this tenant ends then. Any thread.
    func note(_ tenant: TenantID, due: WallTime) {
        entries.withLock { entries in
            guard let entry = entries[tenant], due < entry.due else { return }
            entries[tenant]?.due = due
        }
    }

    /// Something about this tenant's retention has changed: it is due at once. Any thread.
    func hasten(_ tenant: TenantID) {
        entries.withLock { _ = $0.removeValue(forKey: tenant) }
    }

    func isDue(_ tenant: TenantID, under limits: TenantLimits, at now: WallTime) -> Bool {
        entries.withLock { entries in
            guard let entry = entries[tenant] else { return true }
            return entry.due <= now || entry.limits != limits
        }
    }

    /// The limits under which this tenant was last swept, where they were others than these.
    func formerLimits(of tenant: TenantID, before limits: TenantLimits) -> TenantLimits? {
        entries.withLock { entries in
            guard let former = entries[tenant]?.limits, former != limits else { return nil }
            return former
        }
    }

    /// A sweep begins: from here on `note` counts, so that nothing that is written during it is overlooked.
    func begin(_ tenant: TenantID, under limits: TenantLimits) {
        entries.withLock { $0[tenant] = Entry(due: WallTime(milliseconds: .max), limits: limits) }
    }

    /// Forgets tenants that are no more.
    func keep(_ tenants: Set<TenantID>) {
        entries.withLock { entries in entries = entries.filter { tenants.contains($0.key) } }
    }
}
