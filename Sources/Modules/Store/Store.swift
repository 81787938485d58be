// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
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

    let settings: StoreSettings
    let directory: DataDirectory
    private let log: Logger
    private let state = Mutex(State.made)

    private let hooks = Mutex<[@Sendable (String) -> Void]>([])
    private let rollHooks = Mutex<[@Sendable (Int) -> Void]>([])
    let work = StoreWork()
    private let wear: PageWear.Limits

    private enum State {
        case made
        case open(OpenStore)
        case stopped
    }

    /// - Parameter wear: how much a page key may seal; another number only in tests.
    package init(
        _ section: Section, settings house: HouseSettings, log: Logger, wear: PageWear.Limits = PageWear.Limits()
    ) throws(ConfigurationError) {
        self.wear = wear
        settings = try StoreSettings(section, mode: house.mode, dataDirectory: house.dataDirectory)
        directory = DataDirectory(path: house.dataDirectory)
        self.log = log
        tenants = Tenants(settings: settings, log: log)
    }

    package func start() throws(StartFailure) {
        try directory.prepare()
        let store = try OpenStore(directory, settings, tenants, log)
        do throws(StartFailure) {
            try tenants.start(
                database: store.database, keys: KeyringOfTenants(store.keyring, wear: wear), data: directory.path)
            try store.keep(
                rollInterval: settings.rollInterval, rolled: { [weak self] in self?.rolled($0) },
                renewWorn: { [weak self] in self?.renewWornPages() })
        } catch {
            tenants.stop()
            store.stop()
            throw error
        }
        state.withLock { $0 = .open(store) }
        log.debug("store open", ["data": .string(directory.path)])
    }

    package var schemas: [Schema] { StoreSchemas.all }

    package var routes: [Route] {
        let opened: @Sendable () throws(Failure) -> OpenStore = { [self] () throws(Failure) in try self.opened() }
        return TenantRoutes(tenants: tenants).all + PlanRoutes(tenants: tenants).all + CheckRoutes(tenants: tenants).all
            + StoreRoutes(store: opened, tenants: tenants, settings: settings, work: work).all
            + BackupRoutes(store: opened, work: work).all
            + SlotRoutes(store: opened, settings: settings).all
            + SecretRoutes(store: opened, log: log, changed: { [self] in changed($0) }).all
    }

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
        if case .open(let store) = old { store.stop() }
    }

    func opened() throws(Failure) -> OpenStore {
        guard case .open(let store) = state.withLock({ $0 }) else {
            throw Failure(.overloaded, "the store is not open").retrying(after: .seconds(1))
        }
        return store
    }

    /// Changes the page keys that have sealed as much as they may.
    func renewWornPages() {
        if let store = try? opened() { store.renewWornPages(work, tenants, wear) }
    }

    private func database() throws(DatabaseFailure) -> DatabaseThread {
        guard case .open(let store) = state.withLock({ $0 }) else { throw .busy }
        return store.database
    }

    func keyring() throws(StartFailure) -> Keyring {
        guard case .open(let store) = state.withLock({ $0 }) else { throw StartFailure("the store is not open") }
        return store.keyring
    }

    /// Has somebody told of each epoch that begins by itself. Before the start.
    package func onRoll(_ body: @escaping @Sendable (_ epoch: Int) -> Void) {
        rollHooks.withLock { $0.append(body) }
    }

    private func rolled(_ epoch: Int) {
        for hook in rollHooks.withLock({ $0 }) { hook(epoch) }
    }

    private func changed(_ secret: String) {
        for hook in hooks.withLock({ $0 }) { hook(secret) }
    }

    /// Takes the files of a stopped server as they are, although some are older than others. For the operator who has put
    /// them there and knows what that undoes.
    package func acceptRestored() throws(StartFailure) {
        try directory.prepare()
        let lock = try directory.lock()
        defer { withExtendedLifetime(lock) {} }
        var opening = KeyringOpening(directory: directory.path, unlock: settings.unlock, makesKeyFile: false)
        opening.acceptsRestored = true
        let keyring = try opening.open()
        defer { keyring.close() }
        do throws(KeyringFailure) {
            try keyring.acceptRestored()
        } catch {
            throw StartFailure(error)
        }
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

extension Store: SecretSource {
    package func secret(named name: String) throws(StartFailure) -> SecretBytes? {
        let keyring = try keyring()
        do throws(KeyringFailure) {
            return try keyring.secret(named: name)
        } catch {
            throw StartFailure("the secret \(name) cannot be had: \(error)")
        }
    }

    package func description(ofSecret name: String) throws(StartFailure) -> SecretDescription? {
        let keyring = try keyring()
        do throws(KeyringFailure) {
            return try keyring.secrets().first { $0.name == name }
        } catch {
            throw StartFailure("the secrets cannot be listed: \(error)")
        }
    }

    package func onSecretChange(_ body: @escaping @Sendable (String) -> Void) {
        hooks.withLock { $0.append(body) }
    }
}
