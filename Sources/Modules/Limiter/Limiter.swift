// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
import HTTP
import JSON
package import Platform

/// The section `[limiter]`: how many requests a key and a tenant may make.
package final class Limiter: Module {
    private let table: WindowTable

    /// - Parameter now: the clock, for tests.
    package init(_ section: Section, now: (@Sendable () -> Instant)? = nil) throws(ConfigurationError) {
        let settings = try LimiterSettings(section)
        table = WindowTable(
            name: "requests_per_hour", rate: Rate(limit: settings.requestsPerHour, per: .seconds(3600)))
        self.now = now
    }

    private let now: (@Sendable () -> Instant)?

    package var stages: [any Stage] {
        [AdmitStage(table: table, now: now)]
    }

    package var routes: [Route] {
        [
            Route(.get, "/v1/limits", guard: .anyKey, summary: "What is left of every limit of this key") {
                [table, now] exchange throws(Failure) in
                guard let key = exchange.principal?.keyID, let tenant = exchange.principal?.tenant else {
                    throw Failure(.notFound, "limits count for keys")
                }
                let states = table.states(of: key, of: tenant, at: now?() ?? exchange.request.arrival)
                return .json(["object": "list", "data": .array(states.map(\.json))])
            }
        ]
    }

    package func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport {
        table.setLimit(try LimiterSettings(section).requestsPerHour)
        return ReloadReport(applied: ["limiter"])
    }
}

/// The keys of the section.
struct LimiterSettings {
    /// `requests_per_hour`: in any rolling hour, for each key and for each tenant with all its keys.
    let requestsPerHour: Int

    init(_ section: Section) throws(ConfigurationError) {
        requestsPerHour = try section.takeInt("requests_per_hour", in: 1...1_000_000_000, default: 1000)
    }
}
