// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
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

extension Tenants {
    /// How long a step waits for whoever reads the file, and how often.
    private static let (patience, tries) = (useconds_t(50_000), 200)

    /// Gives a tenant's file another page key. Blocks, on no store thread.
    ///
    /// - Parameter progress: told of each piece, with the pages it has changed.
    func renewPages(of tenant: TenantID, progress: @Sendable (Int) -> Void) throws(Failure) {
        guard index[tenant] != nil else { throw Failure(.notFound, "there is no tenant of that id") }
        let thread = try running().thread(of: tenant)
        var tries = Self.tries
        while true {
            do throws(DatabaseFailure) {
                let step = try thread.runBlocking(for: tenant) { file throws(SQLiteError) in try file.renewPages() }
                progress(step.pages)
                tries = Self.tries
                if step.isLast { return }
            } catch .busy where tries > 0 {
                // Somebody reads an old state of the file, and its log must wait.
                tries -= 1
                usleep(Self.patience)
            } catch {
                throw Failure(error)
            }
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
