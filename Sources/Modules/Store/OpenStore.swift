// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Log
import Platform
import SQLite
import Synchronization

/// What a started store holds.
final class OpenStore: Sendable {
    let keyring: Keyring
    let database: DatabaseThread
    /// For what blocks: the operator's work on keys.
    let worker: Worker
    let backups: Backups
    private let lock: DirectoryLock
    let log: Logger
    private let keeper = Mutex<KeyringKeeper?>(nil)
    private let marked: Mutex<Marked?>

    /// What control.db and the keyring had seen at the last mark.
    private struct Marked: Equatable {
        let changes: Int
        let generation: Int
    }

    /// The name of control.db among the marks.
    static let control = "control.db"

    /// Opens the keyring and control.db, which must fit each other.
    init(
        _ directory: DataDirectory, _ settings: StoreSettings, _ tenants: Tenants, _ log: Logger
    ) throws(StartFailure) {
        // Two servers on one directory would each believe their own keys and counters.
        lock = try directory.lock()
        self.log = log
        keyring = try KeyringOpening(
            directory: directory.path, unlock: settings.unlock, makesKeyFile: settings.createsRootKey
        ).open()
        marked = Mutex(nil)
        do {
            database = try Self.openControl(directory.path, keyring)
        } catch {
            keyring.close()
            throw error
        }
        do {
            worker = try Worker(name: "keys", queueMax: 64, threads: 2)
        } catch {
            database.stop()
            keyring.close()
            throw StartFailure("the keys' threads cannot be started: \(error)")
        }
        backups = Backups(
            place: BackupPlace(path: settings.backup), keyring: keyring, control: database, tenants: tenants, log: log)
    }

    private static func openControl(_ directory: String, _ keyring: Keyring) throws(StartFailure) -> DatabaseThread {
        let (file, isKnown) = try sealedControl(directory, keyring)
        // One that the keyring knows and that is gone was lost, and nothing is made in its place.
        let database = try DatabaseThread(file, mayCreate: !isKnown)
        do {
            try database.migrate(FileMark.migrations)
            let mark = try database.writeBlocking { connection throws(SQLiteError) in try FileMark.read(connection) }
            try keyring.check(mark, of: control)
            return database
        } catch let failure as KeyringFailure {
            database.stop()
            throw StartFailure(failure)
        } catch {
            database.stop()
            throw StartFailure(error as? DatabaseFailure, path: "\(directory)/\(control)")
        }
    }

    private static func sealedControl(
        _ directory: String, _ keyring: Keyring
    ) throws(StartFailure) -> (file: SealedFile, isKnown: Bool) {
        do throws(KeyringFailure) {
            let (keys, identity) = try keyring.controlKeys()
            let file = SealedFile(path: "\(directory)/\(control)", keys: keys, identity: identity)
            return (file, try keyring.knows(control))
        } catch {
            throw StartFailure(error)
        }
    }

    /// Starts the thread that minds the clock.
    ///
    /// - Parameters:
    ///   - rolled: told of a new epoch that nobody asked for.
    ///   - renewWorn: changes page keys that have sealed as much as they may.
    func keep(
        rollInterval: Duration, rolled: @escaping @Sendable (_ epoch: Int) -> Void,
        renewWorn: @escaping @Sendable () -> Void
    ) throws(StartFailure) {
        mark()
        do throws(Errno) {
            let keeper = try KeyringKeeper(chores: [
                { [weak self] in self?.mark() }, { [weak self] in self?.rollIfDue(rollInterval, rolled) }, renewWorn,
            ])
            self.keeper.withLock { $0 = keeper }
        } catch {
            throw StartFailure("the store's keeper cannot be started: \(error)")
        }
    }

    /// Stops in reverse order. Everything that uses tenants' files has stopped before.
    func stop() {
        keeper.withLock { $0 }?.stop()
        worker.stop()
        worker.join()
        mark()
        database.stop()
        keyring.close()
    }

    /// Brings up to date what stands elsewhere about the keyring: the mark in control.db, and the copy of the keys beside the
    /// backups. After each piece of work on keys, and every few seconds.
    func mark() {
        markControl()
        backups.refreshKeys()
    }

    /// Marks control.db, if it or the keyring has changed since the last mark.
    private func markControl() {
        do throws(KeyringFailure) {
            let before = Marked(changes: database.changes, generation: try keyring.generation())
            guard marked.withLock({ $0 != before }) else { return }
            try keyring.mark(Self.control) { mark throws(SQLiteError) in
                do throws(DatabaseFailure) {
                    try database.writeBlocking { connection throws(SQLiteError) in try mark.write(connection) }
                } catch {
                    throw SQLiteError(.unavailable, message: "\(error)", subject: Self.control)
                }
            }
            // The mark itself is a change of each by one.
            let after = Marked(changes: before.changes + 1, generation: before.generation + 1)
            marked.withLock { $0 = after }
        } catch {
            log.warning("\(Self.control) is not marked", ["cause": .string(error.description)])
        }
    }

    private func rollIfDue(_ interval: Duration, _ rolled: (_ epoch: Int) -> Void) {
        do throws(KeyringFailure) {
            guard try keyring.isRollDue(interval: interval, now: .now()) else { return }
            let roll = try keyring.roll()
            report(roll)
            rolled(roll.epoch)
            mark()
        } catch {
            log.error("erased data is not out of reach yet: the roll failed", ["cause": .string(error.description)])
        }
    }

    /// Says what a roll has done.
    func report(_ roll: RollReport) {
        log.notice(
            "rolled",
            [
                "epoch": .int(roll.epoch), "tenants": .int(roll.tenants), "renewed": .int(roll.renewed),
                "objects": .int(roll.objects),
            ])
    }
}
