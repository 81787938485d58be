// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
import Crypto
import EventLoop
package import Log
package import Platform
package import SQLite
import Synchronization

/// The section `[store]`: the data directory, the keyring, the appliance's own database and the tenants'.
package final class Store: Module {
    /// Work that may wait for the database's thread; beyond it a caller hears `overloaded`.
    static let queueMax = 1024

    /// Plays the roles `TenantStore` and `TenantDirectory`.
    package let tenants: Tenants

    private let settings: StoreSettings
    private let directory: DataDirectory
    private let log: Logger
    private let state = Mutex(State.made)

    private enum State {
        case made
        case open(Keyring, DatabaseThread, DirectoryLock)
        case stopped
    }

    package init(_ section: Section, settings house: HouseSettings, log: Logger) throws(ConfigurationError) {
        settings = try StoreSettings(section, mode: house.mode, dataDirectory: house.dataDirectory)
        directory = DataDirectory(path: house.dataDirectory)
        self.log = log
        tenants = Tenants(settings: settings, log: log)
    }

    package func start() throws(StartFailure) {
        try directory.prepare()
        // Two servers on one directory would each believe their own keys and counters.
        let lock = try directory.lock()
        let keyring = try KeyringOpening(
            directory: directory.path, unlock: settings.unlock, makesKeyFile: settings.createsRootKey
        ).open()
        let database: DatabaseThread
        do throws(StartFailure) {
            database = try DatabaseThread(path: directory.path + "/control.db")
        } catch {
            keyring.close()
            throw error
        }
        do throws(StartFailure) {
            try tenants.start(database: database, keys: KeyringOfTenants(keyring), data: directory.path)
        } catch {
            database.stop()
            keyring.close()
            throw error
        }
        state.withLock { $0 = .open(keyring, database, lock) }
        log.debug("store open", ["data": .string(directory.path)])
    }

    package var routes: [Route] { TenantRoutes(tenants: tenants).all + PlanRoutes(tenants: tenants).all }

    package func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport {
        let new = try StoreSettings(section, mode: settings.mode, dataDirectory: directory.path)
        return ReloadReport(needsRestart: new == settings ? [] : ["store"])
    }

    package func stop(by deadline: Instant) {
        tenants.stop()
        let old = state.withLock { state in
            defer { state = .stopped }
            return state
        }
        if case .open(let keyring, let database, _) = old {
            database.stop()
            keyring.close()
        }
    }

    private func database() throws(DatabaseFailure) -> DatabaseThread {
        guard case .open(_, let database, _) = state.withLock({ $0 }) else { throw .busy }
        return database
    }
}

extension Store: Database {
    package func write<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) async throws(DatabaseFailure) -> Result {
        try await database().write(body)
    }

    package func writeBlocking<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) throws(DatabaseFailure) -> Result {
        try database().writeBlocking(body)
    }

    package func migrate(_ migrations: SQLiteMigrations) throws(DatabaseFailure) {
        try database().migrate(migrations)
    }
}

extension Store: SecretVault {
    package func deriveKey(label: String) throws(StartFailure) -> SecretBytes {
        guard case .open(let keyring, _, _) = state.withLock({ $0 }) else {
            throw StartFailure("the store is not open")
        }
        do {
            guard let newest = try keyring.dataKeys(label).max(by: { $0.key < $1.key }) else {
                throw KeyringFailure.damaged(KeyringFile.name)
            }
            return newest.value
        } catch {
            throw StartFailure("the key \(label) cannot be had: \(error)")
        }
    }
}
