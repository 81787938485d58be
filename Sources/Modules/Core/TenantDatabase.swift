// SPDX-License-Identifier: Apache-2.0

package import SQLite

/// The database of one tenant. It may be kept; each call opens the file if it is not open.
///
/// Work waits in a mailbox of bounded length, a tenant's own and the store's; where either is full it is refused with `busy`.
package protocol TenantDatabase: Sendable {
    var tenant: TenantID { get }

    /// Runs `body` on one consistent snapshot; it writes nothing, and is refused where it tries.
    ///
    /// - Throws: `failed` with what `body` threw, or why nothing was read.
    func read<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R
    ) async throws(DatabaseFailure) -> R

    /// Runs `body` in a transaction of its own meaning: when this returns, what it wrote is on the disk and what it erased
    /// is gone; when it throws, nothing of it was written. Several share one commit, so that none pays for it alone; `body`
    /// runs at most once.
    func write<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R
    ) async throws(DatabaseFailure) -> R
}

/// What work on a tenant's database is given. Valid inside the body only, on the tenant's store thread.
///
/// Content is sealed with the key of the erasable object it belongs to, so that deleting the object's key makes every copy
/// unreadable, backups included.
package protocol TenantTransaction {
    var tenant: TenantID { get }
    /// For SQL. Transactions, savepoints, PRAGMA and ATTACH are the store's own business.
    var connection: SQLiteConnection { get }

    /// Makes a new object's key. It is in the keyring before this transaction commits; that of a transaction that never
    /// commits seals nothing and is swept.
    func createKey(of object: ObjectID) throws(SQLiteError)

    /// Seals content with the object's key for one place.
    ///
    /// - Throws: `erased` where the object has no key, or has none any more.
    func seal(_ plain: [UInt8], in cell: Cell, of object: ObjectID) throws(SQLiteError) -> [UInt8]

    /// The content that `seal` was given for the same place.
    ///
    /// - Throws: `erased` as above; `corrupt` for what was changed, or sealed for another place, object or tenant.
    func open(_ sealed: Span<UInt8>, in cell: Cell, of object: ObjectID) throws(SQLiteError) -> [UInt8]

    /// Makes the object's content unreadable for good, once the write returns. The object's rows are the caller's to
    /// delete, in the same write. Erasing twice is harmless.
    func erase(_ object: ObjectID) throws(SQLiteError)

    /// Whether the object has no key, or none any more.
    func isErased(_ object: ObjectID) throws(SQLiteError) -> Bool

    /// Objects that have a key, in the order of their ids, behind `object`, at most `limit`: those of work that was never
    /// committed among them.
    func objects(after object: ObjectID?, limit: Int) throws(SQLiteError) -> [ObjectID]

    /// A keyed digest (16 bytes, under a key of this tenant) by which something sealed can be found again: a correlation
    /// id, an alias. Equal texts under one label have equal digests.
    func digest(_ label: StaticString, _ text: String) -> [UInt8]
}

extension TenantTransaction {
    /// The same for what stands in a column, where it stands.
    package func open(
        _ column: Int, of row: borrowing SQLiteRow, in cell: Cell, of object: ObjectID
    ) throws(SQLiteError) -> [UInt8] {
        try row.blob(column) { sealed throws(SQLiteError) in try open(sealed, in: cell, of: object) }
    }

    /// The same for bytes that were read before.
    package func open(_ sealed: [UInt8], in cell: Cell, of object: ObjectID) throws(SQLiteError) -> [UInt8] {
        try open(sealed.span, in: cell, of: object)
    }
}

/// What comes of work in a transaction: a result, or a refusal.
///
/// A refusal is a value and rolls nothing back: work looks first, and writes when nothing can be refused any more.
package typealias Verdict<Success> = Result<Success, Failure>

extension TenantDatabase {
    /// A write that may refuse.
    package func change<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> Verdict<R>
    ) async throws(Failure) -> R {
        let verdict: Verdict<R>
        do throws(DatabaseFailure) {
            verdict = try await write(body)
        } catch {
            throw Failure(work: error)
        }
        return try verdict.get()
    }

    /// A look that may refuse.
    package func look<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> Verdict<R>
    ) async throws(Failure) -> R {
        let verdict: Verdict<R>
        do throws(DatabaseFailure) {
            verdict = try await read(body)
        } catch {
            throw Failure(work: error)
        }
        return try verdict.get()
    }
}

extension Failure {
    /// An id that nothing has, or somebody else's thing: the same answer, to the byte.
    package static var absent: Failure { Failure(.notFound, "there is nothing of that id") }

    /// What is sealed under an erased key was deleted while it was being read.
    fileprivate init(work failure: DatabaseFailure) {
        if case .failed(let error) = failure, error.kind == .erased {
            self = .absent
        } else {
            self.init(failure)
        }
    }
}
