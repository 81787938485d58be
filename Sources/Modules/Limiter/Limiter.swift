// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
import HTTP
import JSON
package import Platform
import Synchronization

/// The section `[limiter]`: how much whoever calls may ask for.
package final class Limiter: Module {
    private let table: AccountTable
    private let attempts: AccountTable
    private let people = Mutex<(any EndUserDigests)?>(nil)
    private let now: (@Sendable () -> Instant)?

    /// - Parameter now: the clock, for tests.
    package init(_ section: Section, now: (@Sendable () -> Instant)? = nil) throws(ConfigurationError) {
        let settings = try LimiterSettings(section)
        table = AccountTable(RuleBook(settings.rules))
        attempts = AccountTable(RuleBook([.address: settings.unauthenticated]))
        self.now = now
    }

    /// Lets end users be told apart as the records tell them apart. Before the start.
    package func join(_ digests: any EndUserDigests) {
        people.withLock { $0 = digests }
    }

    package var stages: [any Stage] {
        [
            AdmitStage(table: table, attempts: attempts, now: now),
            CallStage(table: table, people: { [self] in people.withLock { $0 } }, now: now),
        ]
    }

    package var routes: [Route] {
        [
            Route(.get, "/v1/limits", guard: .anyKey, summary: "What is left of every limit of this key") {
                [table, now] exchange throws(Failure) in
                guard let key = exchange.principal?.keyID, let tenant = exchange.principal?.tenant else {
                    throw Failure(.notFound, "limits count for keys")
                }
                let standings = table.standings(of: key, of: tenant, at: now?() ?? exchange.request.arrival)
                return .json(["object": "list", "data": .array(standings.map(\.state.json))])
            }
        ]
    }

    package func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport {
        let settings = try LimiterSettings(section)
        table.book.setStandard(settings.rules)
        attempts.book.setStandard([.address: settings.unauthenticated])
        return ReloadReport(applied: ["limiter"])
    }
}
