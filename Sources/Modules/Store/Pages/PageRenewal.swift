// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Synchronization

// A file gets another page key in four steps, while it is used:
//
//     1  the keyring     a fresh key beside the one there is
//     2  the file        seals with it from now on, and opens with both
//     3  the file        its pages are sealed anew, some at a time (PageRewriter)
//     4  the keyring     deletes the old key
//
// A file found with two keys is at step 3.

extension OpenStore {
    /// Gives control.db another page key. Blocks.
    func renewControlPages() throws(KeyringFailure) {
        if try keyring.controlKeys().pageKeys.count == 1 { _ = try keyring.addDataKey(Keyring.controlLabel) }
        guard let key = try keyring.controlKeys().pageKeys.first else { return }
        database.file.use(key)
        do throws(DatabaseFailure) {
            try database.rewritePages { [keyring] pages in keyring.progress.withLock { $0.pages += pages } }
        } catch {
            throw .refused("\(Self.control): \(Failure(error).cause ?? "\(error)")")
        }
        try keyring.retireDataKeys(Keyring.controlLabel, below: Int(key.generation))
        database.file.forgetRetired()
    }
}

extension TenantFile {
    /// One step on the way to another page key: how many pages it has changed, and whether it was the last, after which
    /// there is no key but the newest. Begins with a fresh key, or goes on with a change that was cut short.
    func renewPages() throws(SQLiteError) -> (pages: Int, isLast: Bool) {
        var step: PageRewriter
        if let rewriter {
            step = rewriter
        } else {
            if SealedFile.of(connection)?.keys.count == 1 { try plan.keys.renewPageKey(of: tenant) }
            step = try PageRewriter(connection)
        }
        let before = step.pagesDone
        let isLast = try step.step()
        rewriter = isLast ? nil : step
        if isLast { try plan.keys.retirePageKeys(of: tenant) }
        return (step.pagesDone - before, isLast)
    }
}

extension Tenants {
    /// Gives a tenant's file another page key. Blocks, on no store thread.
    ///
    /// - Parameter progress: told of each piece, with the pages it has changed.
    func renewPages(of tenant: TenantID, progress: @Sendable (Int) -> Void) throws(Failure) {
        var isDone = false
        while !isDone {
            let step = try upkeep(of: tenant) { file throws(SQLiteError) in try file.renewPages() }
            progress(step.pages)
            isDone = step.isLast
        }
    }
}

extension StartFailure {
    /// Why a database of the store cannot be read.
    init(_ failure: DatabaseFailure?, path: String) {
        let cause = failure.map { Failure($0) }.map { $0.cause ?? $0.message }
        self.init(
            "\(path) cannot be read: \(cause ?? "no reason is known")",
            hint: "put the file back from where it is kept; `gatehouse store accept-restored` takes an older copy")
    }

    /// Why a database of the store is not opened.
    init(_ error: SQLiteError, path: String) {
        if error.kind == .schema, error.message == SealedFile.plain {
            self.init(
                "\(path) is a plain database: it was made by a version that did not seal its files",
                hint: "such data is not read, and left as it is: give this version another `data`")
        } else if let damage = error.damage {
            self.init(
                "\(path) cannot be opened: \(damage)",
                hint: "put the file back from where it is kept; `gatehouse store accept-restored` takes an older copy")
        } else {
            self.init("the database \(path) cannot be opened: \(error)")
        }
    }
}
