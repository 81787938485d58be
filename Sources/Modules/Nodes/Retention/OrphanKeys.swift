// SPDX-License-Identifier: Apache-2.0

import Core
import Log
import Platform
import SQLite
import Synchronization

/// Keys whose object never came to be. A key is in the keyring before the row it belongs to is committed, so a crash between
/// the two, or a write that fails, leaves one behind. It opens nothing, and takes room and time at every roll.
///
/// A tenant's keys are looked through some at a time, and again a day after that is done.
enum OrphanKeys {
    /// Keys that one step looks at.
    static let perStep = 512
    /// Younger ones are left alone: they may be of work that is under way, or their rows in a backup that is about to be
    /// put back.
    static let age = Duration.seconds(7 * 86_400)

    /// Looks at the next keys behind `object`.
    ///
    /// - Returns: those without an object, and where to go on; `nil` at the end.
    static func find(
        after object: ObjectID?, at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> (orphans: [ObjectID], next: ObjectID?) {
        let objects = try transaction.objects(after: object, limit: perStep)
        var orphans: [ObjectID] = []
        for object in objects where try isOrphan(object, at: now, in: transaction) { orphans.append(object) }
        return (orphans, objects.count == perStep ? objects.last : nil)
    }

    /// Erases them, where they still have no object. The number of those.
    static func erase(
        _ orphans: [ObjectID], at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Int {
        var count = 0
        for object in orphans where try isOrphan(object, at: now, in: transaction) {
            try transaction.erase(object)
            count += 1
        }
        return count
    }

    /// Objects of this module only: what another one made, it has to know.
    private static func isOrphan(
        _ object: ObjectID, at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Bool {
        let kinds: [(prefix: StaticString, table: StaticString)] = [
            (ThreadRecord.prefix, "nodes_threads"), (FileRecord.prefix, "nodes_files"),
            (NodeRecord.prefix, "nodes_nodes"),
        ]
        guard let kind = kinds.first(where: { ULID.isValid(object.text, prefix: $0.prefix) }) else { return false }
        // Ids of one kind are in the order of their making.
        guard object.text < ULID.make(prefix: kind.prefix, at: now - age) else { return false }
        return try transaction.connection.first("SELECT 1 FROM \(kind.table) WHERE id = ?", object.text) { _ in true }
            == nil
    }
}

/// How far the search for keys without an object is, by tenant.
final class KeyRounds: Sendable {
    static let interval = Duration.seconds(86_400)

    private struct Round {
        var last: ObjectID?
        var due: WallTime
    }

    /// Guards the rounds. A tenant without one has not been looked through since the start, and is due.
    private let rounds = Mutex<[TenantID: Round]>([:])

    /// Behind which object to go on; `nil` where nothing is to be done now.
    func next(of tenant: TenantID, at now: WallTime) -> ObjectID?? {
        rounds.withLock { rounds in
            guard let round = rounds[tenant] else { return .some(nil) }
            return round.due <= now ? .some(round.last) : nil
        }
    }

    /// A step has come to `last`; `nil` is the end.
    func note(_ tenant: TenantID, last: ObjectID?, at now: WallTime) {
        rounds.withLock { $0[tenant] = Round(last: last, due: last == nil ? now + Self.interval : now) }
    }

    /// Forgets tenants that are no more.
    func keep(_ tenants: Set<TenantID>) {
        rounds.withLock { rounds in rounds = rounds.filter { tenants.contains($0.key) } }
    }
}

extension Sweeper {
    /// One step of the search in one tenant, if it is due.
    func sweepKeys(of database: any TenantDatabase) async throws(Failure) {
        let now = context.now()
        guard let after = context.keyRounds.next(of: database.tenant, at: now) else { return }
        let found = try await database.look { transaction throws(SQLiteError) in
            .success(try OrphanKeys.find(after: after, at: now, in: transaction))
        }
        if !found.orphans.isEmpty {
            let count = try await database.change { transaction throws(SQLiteError) in
                .success(try OrphanKeys.erase(found.orphans, at: now, in: transaction))
            }
            context.log.notice(
                "keys without an object are erased", ["tenant": .string(database.tenant.text), "keys": .int(count)])
        }
        context.keyRounds.note(database.tenant, last: found.next, at: now)
    }
}
