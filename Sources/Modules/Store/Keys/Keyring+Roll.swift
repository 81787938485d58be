// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Synchronization

// The roll, step by step, and what a crash behind each step leaves:
//
//     1  epoch.key.next is written                     a start destroys it: no tenant has moved
//     2  the keyring names the coming epoch            a start goes on from here
//     3  each tenant moves, in pieces:                 the same; both keys are there
//          without erasures  its key-encryption key is wrapped by the new epoch's
//          with erasures     it gets a new key-encryption key; the old one stays beside it, under the old epoch, until
//                            every surviving object has moved from one to the other, and is then deleted
//     4  the keyring names the new epoch as its own    a start does step 5
//     5  epoch.key.next takes the place of epoch.key, and the old file is overwritten
//
// New objects and tenants go to the new keys from step 2 on, so nothing stands still but for the length of one piece.

/// What a roll did.
struct RollReport: Sendable {
    /// The epoch in force now.
    var epoch = 0
    /// Tenants whose keys were wrapped anew.
    var tenants = 0
    /// Those of them with a new key-encryption key.
    var renewed = 0
    /// Object keys that moved to it.
    var objects = 0
    var duration = Duration.zero
}

extension Keyring {
    /// Begins a new epoch and destroys the old one: what was erased before cannot be read any more from any earlier copy of
    /// the files. Other work goes on between its pieces.
    ///
    /// - Throws: on a failure; what was done stays done, and the next call, or the next start, goes on from there.
    func roll() throws(KeyringFailure) -> RollReport {
        try maintenance.withLock { _ throws(KeyringFailure) in
            let start = Instant.now()
            try beginRoll()
            var report = try moveTenants()
            report.epoch = try endRoll()
            steps.reached("the keyring is at the new epoch")
            try installEpoch()
            report.duration = Instant.now() - start
            return report
        }
    }

    /// Steps 1 and 2; nothing where a roll is under way already.
    func beginRoll() throws(KeyringFailure) {
        let meta = try read { connection throws(KeyringFailure) in try self.meta(connection) }
        // Step 5 of the last roll may have failed. Until it is done, epoch.key.next is the only copy of the key in force.
        let epochs = try EpochRecovery(files: files, master: master, meta: meta).keys()
        material.withLock { $0.epochs = epochs }
        guard meta.nextEpoch == nil else { return }
        let next = EpochKey.random(number: meta.epoch + 1)
        try files.write(next, to: .next, master: master)
        // The writing thread finds it as soon as the row below names it.
        material.withLock { $0.epochs[next.number] = next }
        let commitment = next.commitment(keyring: id)
        try writer.run { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                // What is erased from here on counts for the roll after this one.
                try connection.execute(
                    "UPDATE keyring_meta SET next_epoch = ?, next_commitment = ?, erasures = 0", next.number, commitment
                )
            }
        }
        steps.reached("the keyring names the coming epoch")
    }

    /// Step 3.
    func moveTenants() throws(KeyringFailure) -> RollReport {
        var report = RollReport()
        var last = 0
        while true {
            let (epoch, rows) = try read { connection throws(KeyringFailure) in
                let meta = try meta(connection)
                let epoch = meta.nextEpoch ?? meta.epoch
                return (epoch, try TenantRow.unmoved(to: epoch, after: last, limit: 256, connection))
            }
            guard let final = rows.last else { return report }
            try rewrap(rows.filter { $0.erasures == 0 && $0.old == nil }.map(\.number), to: epoch)
            for row in rows where row.erasures > 0 || row.old != nil {
                report.objects += try move(row, to: epoch)
                report.renewed += 1
            }
            report.tenants += rows.count
            progress.withLock { $0.tenants += rows.count }
            steps.reached("\(rows.count) tenants have moved")
            last = final.number
        }
    }

    /// Step 4. The epoch that is in force now.
    func endRoll() throws(KeyringFailure) -> Int {
        try writer.run { [self] connection throws(KeyringFailure) in
            guard let next = try meta(connection).nextEpoch else { throw .refused("there is no roll to end") }
            // Whoever was made meanwhile is under the new epoch; were one not, its keys would be lost with the old.
            guard try TenantRow.unmoved(to: next, after: 0, limit: 1, connection).isEmpty else {
                throw .refused("a tenant has not moved to epoch \(next)")
            }
            try failing { () throws(SQLiteError) in
                try connection.execute(
                    """
                    UPDATE keyring_meta SET epoch = next_epoch, epoch_commitment = next_commitment, next_epoch = NULL,
                        next_commitment = NULL, rolled_at = ?
                    """, WallTime.now())
            }
            return next
        }
    }

    /// Step 5.
    func installEpoch() throws(KeyringFailure) {
        try files.install()
        material.withLock { material in
            guard let newest = material.epochs.keys.max() else { return }
            material.epochs = material.epochs.filter { $0.key == newest }
        }
    }

    /// Moves one tenant that has erased something, or whose last move was interrupted. The number of objects that moved.
    private func move(_ row: TenantRow, to epoch: Int) throws(KeyringFailure) -> Int {
        do throws(KeyringFailure) {
            var moved = 0
            if row.old != nil { moved += try renew(TenantID(row.id)) }
            // What was interrupted may have been a renewal of before this roll.
            if row.current.epoch < epoch { moved += try renew(TenantID(row.id)) }
            return moved
        } catch .unknownTenant {
            // Deleted meanwhile: nothing of it is left to move.
            return 0
        }
    }

    /// Wraps the key-encryption keys of tenants without erasures by another epoch. One that has erased something since is
    /// left for ``renew(_:)``, which the caller's next round finds.
    private func rewrap(_ numbers: [Int], to epoch: Int) throws(KeyringFailure) {
        guard !numbers.isEmpty else { return }
        try writer.run { [self] connection throws(KeyringFailure) in
            let epochs = material.withLock { $0.epochs }
            guard let target = epochs[epoch] else { throw .damaged(EpochFiles.name) }
            for number in numbers {
                guard let row = try TenantRow.find(number: number, connection) else { continue }
                let key = try row.open(row.current, epochs)
                let data = AssociatedData.tenant(row.id, generation: row.current.generation, epoch: epoch)
                try failing { () throws(SQLiteError) in
                    try connection.execute(
                        "UPDATE keyring_tenants SET kek = ?, kek_epoch = ? WHERE number = ?",
                        target.wrap.wrap(key, as: data), epoch, number)
                }
            }
        }
    }

    // MARK: A new key-encryption key

    /// The same at the operator's wish. The number of objects that moved.
    func rotateTenant(_ tenant: TenantID) throws(KeyringFailure) -> Int {
        try maintenance.withLock { _ throws(KeyringFailure) in try renew(tenant) }
    }

    /// Gives a tenant a new key-encryption key and moves every object's key to it; goes on where an earlier call was
    /// interrupted. The number of objects that moved.
    func renew(_ tenant: TenantID) throws(KeyringFailure) -> Int {
        let number = try writer.run { [self] connection throws(KeyringFailure) -> Int in
            guard let row = try TenantRow.find(tenant, connection) else { throw .unknownTenant }
            if row.old == nil { try beginRenewal(row, connection) }
            return row.number
        }
        tenants.withLock { $0.remove(tenant) }
        steps.reached("a tenant has a second key")
        var (moved, last) = (0, "")
        while true {
            let piece = try writer.run { [self, last] connection throws(KeyringFailure) in
                try movePiece(tenant, after: last, connection)
            }
            guard let piece else { break }
            moved += piece.count
            progress.withLock { $0.objects += piece.count }
            last = piece.last
            steps.reached("\(moved) objects have moved")
        }
        try writer.run { [self] connection throws(KeyringFailure) in try endRenewal(tenant, number, connection) }
        tenants.withLock { $0.remove(tenant) }
        steps.reached("the tenant's old key is deleted")
        return moved
    }

    /// The new key beside the old one; page keys and index key move at once, objects follow.
    private func beginRenewal(_ row: TenantRow, _ connection: SQLiteConnection) throws(KeyringFailure) {
        let epochs = material.withLock { $0.epochs }
        let old = KeyWrap(try row.open(row.current, epochs))
        let epoch = try newestEpoch(connection)
        let key = SecretBytes(randomCount: 32)
        let wrap = KeyWrap(key)
        let (from, to) = (row.current.generation, row.current.generation + 1)
        guard let indexKey = old.unwrapKey(row.indexKey, as: .index(row.id, kek: from)) else {
            throw .damaged("the index key of \(row.id)")
        }
        for page in try pageKeyRows(row.number, connection) {
            let was = AssociatedData.page(row.id, kek: from, generation: page.generation)
            guard let bytes = old.unwrapKey(page.wrapped, as: was) else { throw .damaged("a page key of \(row.id)") }
            let data = AssociatedData.page(row.id, kek: to, generation: page.generation)
            try failing { () throws(SQLiteError) in
                try connection.execute(
                    "UPDATE keyring_page_keys SET wrapped = ? WHERE tenant = ? AND generation = ?",
                    wrap.wrap(bytes, as: data), row.number, page.generation)
            }
        }
        try failing { () throws(SQLiteError) in
            try connection.execute(
                """
                UPDATE keyring_tenants SET old_generation = kek_generation, old_epoch = kek_epoch, old_kek = kek,
                    kek_generation = ?, kek_epoch = ?, kek = ?, index_key = ?, erasures = 0
                WHERE number = ?
                """, to, epoch.number,
                epoch.wrap.wrap(key, as: .tenant(row.id, generation: to, epoch: epoch.number)),
                wrap.wrap(indexKey, as: .index(row.id, kek: to)), row.number)
        }
    }

    /// Moves some objects' keys; `nil` when none is left behind `last`.
    private func movePiece(
        _ tenant: TenantID, after last: String, _ connection: SQLiteConnection
    ) throws(KeyringFailure) -> (count: Int, last: String)? {
        guard let row = try TenantRow.find(tenant, connection) else { throw .unknownTenant }
        guard let old = row.old else { return nil }
        let epochs = material.withLock { $0.epochs }
        let source = KeyWrap(try row.open(old, epochs))
        let target = KeyWrap(try row.open(row.current, epochs))
        let objects = try failing { () throws(SQLiteError) in
            try connection.query(
                """
                SELECT id, generation, kek, wrapped FROM keyring_objects WHERE tenant = ? AND id > ?
                ORDER BY id LIMIT ?
                """, row.number, last, Self.chunk
            ) { row throws(SQLiteError) in
                (id: try row.text(0), generation: try row.int(1), kek: try row.int(2), wrapped: try row.blob(3))
            }
        }
        guard var end = objects.last?.id else { return nil }
        // An id with several generations is not cut in two.
        if objects.count == Self.chunk, let whole = objects.last(where: { $0.id != end })?.id { end = whole }
        let nonces = Random.bytes(12 * objects.count)
        var count = 0
        for (index, object) in objects.enumerated() where object.id <= end && object.kek == old.generation {
            let was = AssociatedData.object(row.id, object.id, kek: old.generation, generation: object.generation)
            guard let key = source.unwrapKey(object.wrapped, as: was) else { throw .damaged("the key of \(object.id)") }
            let data = AssociatedData.object(
                row.id, object.id, kek: row.current.generation, generation: object.generation)
            let wrapped = target.wrap(key, nonce: nonces[12 * index..<12 * index + 12], as: data)
            try failing { () throws(SQLiteError) in
                try connection.execute(
                    "UPDATE keyring_objects SET kek = ?, wrapped = ? WHERE tenant = ? AND id = ? AND generation = ?",
                    row.current.generation, wrapped, row.number, object.id, object.generation)
            }
            count += 1
        }
        return (count, end)
    }

    private func endRenewal(_ tenant: TenantID, _ number: Int, _ connection: SQLiteConnection) throws(KeyringFailure) {
        guard let row = try TenantRow.find(tenant, connection), row.number == number, let old = row.old else { return }
        try failing { () throws(SQLiteError) in
            // Were one left, its content would be lost with the old key: better to stop here.
            let left = try connection.first(
                "SELECT 1 FROM keyring_objects WHERE tenant = ? AND kek <= ? LIMIT 1", number, old.generation
            ) { _ in true }
            guard left == nil else {
                throw SQLiteError(.mistake, message: "an object was left behind", subject: row.id)
            }
            try connection.execute(
                "UPDATE keyring_tenants SET old_generation = NULL, old_epoch = NULL, old_kek = NULL WHERE number = ?",
                number)
        }
    }
}
