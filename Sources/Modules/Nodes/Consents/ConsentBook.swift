// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// The consents of a tenant, in its own database. Each grant and each withdrawal is a row that is never changed.
struct ConsentBook: Consents {
    func isGranted(_ scope: ConsentScope, in transaction: any TenantTransaction) throws(SQLiteError) -> Bool {
        try last(scope, in: transaction)?.isGranted ?? false
    }

    /// What holds for every scope about which something was said.
    func current(in transaction: any TenantTransaction) throws(SQLiteError) -> [Consent] {
        var consents: [Consent] = []
        for scope in ConsentScope.allCases {
            if let consent = try history(of: scope, in: transaction, max: 1).first { consents.append(consent) }
        }
        return consents
    }

    /// Every consent that was given for a scope, the newest first.
    func history(
        of scope: ConsentScope, in transaction: any TenantTransaction, max: Int
    ) throws(SQLiteError) -> [Consent] {
        let entries = try transaction.connection.query(
            """
            SELECT is_granted, text_version, actor, at FROM nodes_consents WHERE scope = ?
            ORDER BY number DESC LIMIT ?
            """, scope.rawValue, 2 * max
        ) { row throws(SQLiteError) in
            Entry(isGranted: try row.bool(0), text: try row.text(1), actor: try row.text(2), at: try row.time(3))
        }
        var consents: [Consent] = []
        var withdrawal: Entry?
        for entry in entries {
            guard entry.isGranted else {
                withdrawal = entry
                continue
            }
            consents.append(
                Consent(
                    scope: scope, textVersion: entry.text, grantedBy: entry.actor, grantedAt: entry.at,
                    withdrawnBy: withdrawal?.actor, withdrawnAt: withdrawal?.at))
            withdrawal = nil
        }
        return Array(consents.prefix(max))
    }

    /// Gives a consent. Does nothing where it is given already, for the same text.
    func grant(
        _ scope: ConsentScope, text: String, by actor: String, at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        let last = try last(scope, in: transaction)
        if let last, last.isGranted {
            guard last.text != text else { return }
            // A consent for another text is another consent: the old one ends where the new one begins.
            try add(scope, Entry(isGranted: false, text: last.text, actor: actor, at: now), in: transaction)
        }
        try add(scope, Entry(isGranted: true, text: text, actor: actor, at: now), in: transaction)
    }

    /// Takes a consent back, from this transaction on. Does nothing where there is none.
    func withdraw(
        _ scope: ConsentScope, by actor: String, at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        guard let last = try last(scope, in: transaction), last.isGranted else { return }
        try add(scope, Entry(isGranted: false, text: last.text, actor: actor, at: now), in: transaction)
    }

    private struct Entry {
        let isGranted: Bool
        let text: String
        let actor: String
        let at: WallTime
    }

    private func last(_ scope: ConsentScope, in transaction: any TenantTransaction) throws(SQLiteError) -> Entry? {
        try transaction.connection.first(
            """
            SELECT is_granted, text_version, actor, at FROM nodes_consents WHERE scope = ?
            ORDER BY number DESC LIMIT 1
            """, scope.rawValue
        ) { row throws(SQLiteError) in
            Entry(isGranted: try row.bool(0), text: try row.text(1), actor: try row.text(2), at: try row.time(3))
        }
    }

    private func add(_ scope: ConsentScope, _ entry: Entry, in transaction: any TenantTransaction) throws(SQLiteError) {
        try transaction.connection.execute(
            "INSERT INTO nodes_consents (scope, is_granted, text_version, actor, at) VALUES (?, ?, ?, ?, ?)",
            scope.rawValue, entry.isGranted, entry.text, entry.actor, entry.at)
    }
}
