// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
import HTTP
import JSON
package import Log
package import Platform
import Synchronization

/// The section `[limiter]`: how much whoever calls may ask for, and spend.
package final class Limiter: Module {
    /// What other modules play for this one.
    package struct Roles {
        let database: any Database
        let tenants: any TenantStore
        let directory: any TenantDirectory
        /// Who tells end users apart, and tells the ledger what was spent; `nil` without the audit log.
        let people: (any EndUserDigests)?
        /// Writes down that somebody was blocked.
        let recordBlock: (@Sendable (BlockSubject, TenantID?) -> Void)?

        package init(
            database: any Database, tenants: any TenantStore, directory: any TenantDirectory,
            people: (any EndUserDigests)?, recordBlock: (@Sendable (BlockSubject, TenantID?) -> Void)?
        ) {
            (self.database, self.tenants, self.directory, self.people) = (database, tenants, directory, people)
            self.recordBlock = recordBlock
        }
    }

    private let table: AccountTable
    private let attempts: AccountTable
    private let strikes: StrikeTable
    private let ledger: Ledger
    private let units: UnitStage
    private let roles: Roles
    private let log: Logger
    private let now: (@Sendable () -> Instant)?

    /// - Parameter now: the clock, for tests.
    package init(
        _ section: Section, roles: Roles, log: Logger, now: (@Sendable () -> Instant)? = nil
    ) throws(ConfigurationError) {
        let settings = try LimiterSettings(section)
        try Self.check(settings, roles, section)
        table = AccountTable(RuleBook(settings.rules))
        attempts = AccountTable(RuleBook([.address: settings.unauthenticated]))
        strikes = StrikeTable(settings.strikes)
        ledger = Ledger(table: table, strikes: strikes, database: roles.database, log: log, now: now ?? Instant.now)
        units = UnitStage(settings.units, table: table, people: roles.people, now: now, log: log)
        (self.roles, self.log, self.now) = (roles, log, now)
    }

    private static func check(
        _ settings: LimiterSettings, _ roles: Roles, _ section: Section
    ) throws(ConfigurationError) {
        guard roles.people == nil else { return }
        let ofUsers = settings.rules[.user] ?? .none
        guard !settings.hasBudgets, ofUsers.texts.isEmpty else {
            throw section.error(
                "budgets and limits of users are kept by what the audit log tells, and there is no section [audit]",
                hint: "an empty [audit] takes every default")
        }
    }

    /// Where single keys are narrowed by those who manage them.
    package var keyRules: any KeyLimits { KeyRules(book: table.book, isRecorded: roles.people != nil) }

    /// What is told of every record. Before the start.
    package var book: any SpendingBook { ledger }

    package var schemas: [Schema] { [LimiterTables.schema] }

    package func start() throws(StartFailure) {
        roles.tenants.onDeletion { [ledger] tenant in ledger.forget(tenant) }
        try ledger.start()
    }

    package func stop(by deadline: Instant) { ledger.stop() }

    package var stages: [any Stage] {
        let people = roles.people
        return [
            StrikeStage(table: strikes, people: people, record: roles.recordBlock, log: log),
            AdmitStage(table: table, attempts: attempts, now: now),
            CallStage(table: table, people: people, strikes: strikes, now: now, log: log),
            units,
        ]
    }

    package var routes: [Route] {
        LimitRoutes(
            table: table, ledger: ledger, directory: roles.directory, isRecorded: roles.people != nil,
            now: { [now] exchange in now?() ?? exchange.request.arrival }
        ).all + BlockRoutes(ledger: ledger, directory: roles.directory).all
    }

    package func write(metrics text: inout MetricsText) {
        units.figures.write(&text, accounts: table.count + attempts.count)
    }

    package func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport {
        let settings = try LimiterSettings(section)
        try Self.check(settings, roles, section)
        table.book.setStandard(settings.rules)
        attempts.book.setStandard([.address: settings.unauthenticated])
        strikes.set(settings.strikes)
        units.set(settings.units)
        return ReloadReport(applied: ["limiter"])
    }
}
