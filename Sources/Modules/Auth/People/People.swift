// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Crypto
import EventLoop
import HTTP
import Log
import Platform
import SQLite
import Synchronization
import TLS

/// The people of `[auth]`: who may log in, and the sessions they are in.
final class People: Sendable {
    /// What it needs of its neighbours.
    struct Roles: Sendable {
        let database: any Database
        let vault: any SecretVault
        let directory: any TenantDirectory
        let tenants: any TenantStore
    }

    private let settings: PeopleSettings
    private let issuer: String
    private let roles: Roles
    private let rules: LoginRules
    private let log: Logger
    /// `nil` until started, and after the stop.
    private let started = Mutex<Started?>(nil)

    private struct Started: Sendable {
        let context: PeopleContext
        let upkeep: Upkeep
    }

    init(
        _ section: Section, issuer: String, roles: Roles, rules: LoginRules, log: Logger
    ) throws(ConfigurationError) {
        settings = try PeopleSettings(section)
        (self.issuer, self.roles, self.rules, self.log) = (issuer, roles, rules, log)
    }

    var schemas: [Schema] {
        [
            Schema(.tenant, PeopleTables.migrations, notes: PeopleTables.notes),
            Schema(.control, PeopleTables.migrations, notes: PeopleTables.notes),
            Schema(.control, LoginTables.migrations, notes: LoginTables.notes),
        ]
    }

    var routes: [Route] {
        let context: @Sendable () throws(Failure) -> PeopleContext = { [self] () throws(Failure) in
            guard let context = self.context else { throw Failure(.disabled, "auth is not started") }
            return context
        }
        return LoginRoutes(context: context).all + TOTPRoutes(context: context).all
            + TicketRoutes(context: context).all + PeopleRoutes(context: context).all
            + SigningKeyRoutes(context: context).all
    }

    var context: PeopleContext? { started.withLock { $0?.context } }

    /// Who sessions belong to; `nil` before the start, when nobody is let in.
    var gate: SessionGate? { started.withLock { $0?.context.sessions.gate } }

    func start() throws(StartFailure) {
        try roles.tenants.register(PeopleTables.migrations)
        do throws(DatabaseFailure) {
            try roles.database.migrate(PeopleTables.migrations)
            try roles.database.migrate(LoginTables.migrations)
        } catch {
            throw StartFailure("the people cannot be read: \(error)")
        }
        roles.tenants.onRestore { transaction throws(SQLiteError) in
            try PeopleTables.distrustCodes(at: .now(), in: transaction.connection)
        }
        roles.tenants.onDeletion { [self] tenant in
            self.context?.logins.removeAll(of: tenant)
            self.context?.sessions.index.removeAll(of: tenant)
        }
        roles.directory.onStatus { [self] tenant, status in
            if status == .suspended { self.context?.sessions.index.endStreams(of: tenant) }
        }
        let context = try makeContext()
        let upkeep = try Upkeep(context.sessions, log: log)
        started.withLock { $0 = Started(context: context, upkeep: upkeep) }
    }

    func stop() {
        let last = started.withLock { started in
            defer { started = nil }
            return started
        }
        last?.upkeep.stop()
        last?.context.hasher.stop()
        last?.context.leaked.stop()
    }

    // MARK: The start

    private func makeContext() throws(StartFailure) -> PeopleContext {
        let logins = LoginIndex(key: try key("email-index"))
        let sessions = Sessions(
            database: roles.database,
            keys: SigningKeys(
                vault: roles.vault, issuer: issuer, period: settings.signingKeyPeriod, lifetime: settings.accessToken),
            refreshKey: try key("session-refresh"), proofs: try key("session-csrf"), idle: settings.sessionIdle,
            lifetime: settings.sessionLifetime, step: rules.refreshStep)
        do throws(DatabaseFailure) {
            try sessions.keys.renew(at: .now())
            let (isRestored, found, records) = try roles.database.writeBlocking { connection throws(SQLiteError) in
                // First: what a backup brought back must not be read.
                (
                    try LoginTables.distrustRestored(at: .now(), in: connection),
                    try LoginTables.logins(in: connection), try LoginTables.sessions(in: connection)
                )
            }
            if isRestored { log.notice("the data was restored: every session has ended", [:]) }
            for (login, digest) in found { _ = logins.add(login, digest) }
            for record in records { _ = sessions.index.add(record) }
        } catch {
            throw StartFailure("the people cannot be read: \(error)")
        }
        let required = settings.requireTOTP
        return PeopleContext(
            store: PeopleStore(database: roles.database, tenants: roles.tenants), logins: logins, sessions: sessions,
            hasher: try hasher(), leaked: try leaked(), rule: PasswordRule(charactersMin: settings.passwordMin),
            limits: LoginLimits(triesMax: rules.wrongTriesMax, codesMax: rules.wrongCodesMax), factors: try factors(),
            codes: try key("one-time-codes"),
            directory: roles.directory, requiresFactor: { required.contains($0.name) })
    }

    private func key(_ label: String) throws(StartFailure) -> HMACSHA256 { HMACSHA256(key: try secret(label)) }

    private func secret(_ label: String) throws(StartFailure) -> SecretBytes {
        guard let newest = try roles.vault.keys(label: label).max(by: { $0.key < $1.key })?.value else {
            throw StartFailure("the key \(label) is not there")
        }
        return newest
    }

    private func factors() throws(StartFailure) -> SecondFactorVault {
        let key = try secret("second-factor")
        do throws(CryptoError) {
            return try SecondFactorVault(key: key)
        } catch {
            throw StartFailure("second factors cannot be read: \(error)")
        }
    }

    private func hasher() throws(StartFailure) -> PasswordHasher {
        do throws(Errno) {
            return try PasswordHasher(scrypt: rules.passwordCost, threads: settings.passwordHashers)
        } catch {
            throw StartFailure("no thread for passwords: \(error)")
        }
    }

    /// A file that is named and not there is no reason to go on without: nobody would notice.
    private func ranges() throws(StartFailure) -> LeakedRanges? {
        guard let path = settings.leakedRanges else { return nil }
        do throws(LeakedRangesFailure) {
            return try LeakedRanges(path: path)
        } catch {
            throw StartFailure("the file of leaked passwords cannot be used: \(error)")
        }
    }

    private func leaked() throws(StartFailure) -> LeakedPasswords {
        let ranges = try ranges()
        guard let base = settings.leakedPasswords else {
            return LeakedPasswords(common: rules.commonPasswords, service: nil, ranges: ranges, log: log)
        }
        let resolver: Resolver
        do throws(Errno) {
            resolver = try Resolver()
        } catch {
            throw StartFailure("no thread for names: \(error)")
        }
        do throws(TLSContextFailure) {
            let tls = base.isSecure ? try TLSClientContext() : nil
            return LeakedPasswords(
                common: rules.commonPasswords, service: .init(base: base, tls: tls, resolver: resolver), ranges: ranges,
                log: log)
        } catch {
            throw StartFailure("the service for leaked passwords cannot be trusted: \(error)")
        }
    }
}

/// A thread that looks every ten minutes after what ends by itself: signing keys and sessions.
final class Upkeep: Sendable {
    private let isStopped = Monitor(false)
    private let thread: NamedThread

    private static let interval: Duration = .seconds(600)

    init(_ sessions: Sessions, log: Logger) throws(StartFailure) {
        let isStopped = isStopped
        do throws(Errno) {
            thread = try NamedThread.start(name: "sessions") {
                while isStopped.wait(until: .now() + Self.interval, { $0 ? true : nil }) == nil {
                    do throws(DatabaseFailure) {
                        try sessions.keys.renew(at: .now())
                        try sessions.sweep(at: .now())
                    } catch {
                        log.warning("sessions: upkeep failed", ["cause": .string("\(error)")])
                    }
                }
            }
        } catch {
            throw StartFailure("no thread for sessions: \(error)")
        }
    }

    func stop() {
        isStopped.withLock { $0 = true }
        isStopped.signal(all: true)
        thread.join()
    }
}
