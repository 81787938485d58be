// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
import Crypto
import EventLoop
package import Log
package import Platform
import SQLite
import Synchronization

/// The section `[auth]`: API keys and people, and who calls with them.
package final class Auth: Module {
    /// Keys are given to this tenant where none is named. Made at the first start.
    static let defaultTenant = "default"

    private let database: any Database
    private let vault: any SecretVault
    private let directory: any TenantDirectory
    private let tenants: any TenantStore
    private let log: Logger
    private let exposureSettings: ExposureSettings
    private let limits = Mutex<(any KeyLimits)?>(nil)
    private let records = Mutex<(any HouseRecords)?>(nil)
    /// Where last uses are written down.
    private let background = Mutex<EventLoop?>(nil)
    private let people: People
    /// `nil` until started: before that nobody is let in.
    private let keys = Mutex<Keys?>(nil)

    package init(
        _ section: Section, issuer: String, database: any Database, vault: any SecretVault,
        directory: any TenantDirectory, tenants: any TenantStore, rules: LoginRules = LoginRules(), log: Logger
    ) throws(ConfigurationError) {
        exposureSettings = try ExposureSettings(section)
        self.database = database
        self.vault = vault
        self.directory = directory
        self.tenants = tenants
        self.log = log
        people = try People(
            section, issuer: issuer,
            roles: People.Roles(database: database, vault: vault, directory: directory, tenants: tenants),
            rules: rules, log: log)
    }

    /// Lets the limits of single keys be in force. Before the start.
    package func join(_ limits: any KeyLimits) { self.limits.withLock { $0 = limits } }

    /// Lets what is done about exposed keys be written down. Before the start.
    package func join(records: any HouseRecords) { self.records.withLock { $0 = records } }

    /// The origins of keys that are meant for pages; empty until started.
    package let keyOrigins = OriginBook()

    package func start() throws(StartFailure) {
        guard let peppers = Peppers(try vault.keys(label: "api-key-pepper")) else {
            throw StartFailure("the pepper of the API keys has too many generations")
        }
        _ = try directory.ensureBlocking(name: Self.defaultTenant)
        do throws(DatabaseFailure) {
            let loaded = try Keys.load(
                from: database, directory: directory, index: KeyIndex(peppers: peppers, origins: keyOrigins),
                limits: limits.withLock { $0 })
            keys.withLock { $0 = loaded }
        } catch {
            throw StartFailure("the keys cannot be read: \(error)")
        }
        try people.start()
        tenants.onDeletion { [self] tenant in keys.withLock { $0 }?.index.removeAll(of: tenant) }
        directory.onStatus { [self] tenant, status in keys.withLock { $0 }?.index.setStreams(status, of: tenant) }
        try startBackground()
    }

    /// How often last uses are written down.
    private static let usesInterval = Duration.seconds(30)

    private func startBackground() throws(StartFailure) {
        let loop: EventLoop
        do throws(Errno) {
            loop = try EventLoop(name: "keys")
            try loop.start()
        } catch {
            throw StartFailure("the thread of the keys cannot be started: \(error)")
        }
        background.withLock { $0 = loop }
        loop.spawn { [self] in
            while true {
                await loop.sleep(Self.usesInterval)
                do throws(Failure) {
                    try await keys.withLock { $0 }?.storeUses()
                } catch {
                    log.warning(
                        "the last uses of keys could not be written down",
                        ["cause": .string(error.cause ?? error.message)])
                }
            }
        }
    }

    package var schemas: [Schema] { [KeyTables.schema] + people.schemas }

    package var stages: [any Stage] {
        [
            IdentifyStage(
                index: { [self] in keys.withLock { $0?.index } }, gate: { [people] in people.gate },
                directory: directory)
        ]
    }

    package var routes: [Route] {
        let keys = { @Sendable [self] () throws(Failure) in try opened() }
        return KeyRoutes(keys: keys).all + LiteLLMRoutes(keys: keys).all
            + GuardProbes(keys: keys, people: { [self] () throws(Failure) in try context() }, directory: directory)
            .routes
            + ExposureRoutes { [self] () throws(Failure) in exposures(of: try opened()) }.all
            + account.all + people.routes
    }

    package func write(metrics: inout MetricsText) {
        guard let context = people.context else { return }
        metrics.family("gatehouse_sessions", .gauge, "Sessions that have not ended.")
        metrics.sample("gatehouse_sessions", [], context.sessions.index.count)
        metrics.family(
            "gatehouse_password_checks_total", .counter, "Passwords that were hashed, to check or to keep them.")
        metrics.sample("gatehouse_password_checks_total", [], context.hasher.hashed)
    }

    package var archiveParts: [ArchivePart] { account.archiveParts }

    private var account: AccountRoutes {
        AccountRoutes(
            keys: { [self] () throws(Failure) in try opened() },
            people: { [self] () throws(Failure) in try context() }, directory: directory, tenants: tenants)
    }

    private func context() throws(Failure) -> PeopleContext {
        guard let context = people.context else { throw Failure(.disabled, "auth is not started") }
        return context
    }

    private func opened() throws(Failure) -> Keys {
        guard let keys = keys.withLock({ $0 }) else { throw Failure(.disabled, "auth is not started") }
        return keys
    }

    private func exposures(of keys: Keys) -> Exposures {
        Exposures(keys: keys, settings: exposureSettings, records: records.withLock { $0 }, log: log)
    }

    package func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport {
        ReloadReport(needsRestart: try ExposureSettings(section) == exposureSettings ? [] : ["auth"])
    }

    package func isForever() {
        keys.withLock { $0 }?.index.isForever()
    }

    package func stop(by deadline: Instant) {
        people.stop()
        let loop = background.withLock { loop in
            defer { loop = nil }
            return loop
        }
        loop?.stop()
        loop?.join()
        let keys = keys.withLock { keys in
            defer { keys = nil }
            return keys
        }
        do {
            try keys?.storeUsesBlocking()
        } catch {
            log.warning("the last uses of keys are not written down", ["cause": .string("\(error)")])
        }
    }
}

extension Auth: DevelopmentKeys {
    package func mintDevelopmentKey() -> String? {
        keys.withLock { $0 }?.mintForDevelopment()
    }
}

extension Auth: ExposureWatch {
    package func sawInClear(_ text: [UInt8]) async {
        guard let keys = keys.withLock({ $0 }) else { return }
        _ = await exposures(of: keys).meet(text, .http)
    }
}
