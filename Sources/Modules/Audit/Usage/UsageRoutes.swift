// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import Platform
import SQLite

/// `/v1/usage` and `/v1/usage/live`; for the operator what was used, of one tenant or of all.
struct UsageRoutes: Sendable {
    let ledger: UsageLedger
    let flusher: UsageFlusher
    let store: any TenantStore
    let directory: any TenantDirectory
    /// What tokens cost today; nil without a gateway.
    let prices: @Sendable () -> (any PriceBook)?
    /// The digest under which records of a tenant name an end user.
    let userDigest: @Sendable (TenantID, String) async throws(Failure) -> [UInt8]
    /// Returns when the log's records so far are on the disk and counted.
    let sync: @Sendable () async throws(Failure) -> Void
    let now: @Sendable () -> WallTime

    /// Rows that one step of a query reads; other work of the store's thread comes between two steps.
    private static let rowsPerStep = 2_000

    var all: [Route] { [usage, live, operatorUsage] }

    private var usage: Route {
        Route(
            .get, "/v1/usage", guard: .keyOrSession(.usageRead, .admin),
            summary: "What was used, by day, hour, key, node, model, provider or end user"
        ) { exchange async throws(Failure) in
            let database = try store.database(of: exchange.principal)
            let query = try await query(exchange, known: UsageQuery.names, tenant: database.tenant)
            try await sync()
            var report = UsageReport(query)
            try await read(database, into: &report, on: exchange.request.loop)
            return .json(.object(report.json))
        }
    }

    private var operatorUsage: Route {
        Route(
            .get, "/admin/v1/usage", guard: .operator,
            summary: "What was used: by one tenant, or by all of them together"
        ) { exchange async throws(Failure) in
            let names = UsageQuery.names + ["tenant"]
            let named = try Query(exchange, known: names)["tenant"]
            let chosen = try named.map { name throws(Failure) in
                guard let tenant = directory.find(name) else {
                    throw Failure(.notFound, "there is no tenant of that name or id")
                }
                return tenant
            }
            let query = try await query(exchange, known: names, tenant: chosen?.id)
            try await sync()
            var report = UsageReport(query)
            for tenant in chosen.map({ [$0] }) ?? directory.list() {
                do throws(Failure) {
                    let database = try store.database(of: tenant.id, actor: "operator")
                    try await read(database, into: &report, on: exchange.request.loop)
                } catch {
                    // One that is deleted meanwhile is none of all; one that was asked for by name is an error.
                    guard chosen == nil, error.code == .notFound else { throw error }
                }
            }
            return .json(.object(report.json))
        }
    }

    private func query(
        _ exchange: Exchange, known: [String], tenant: TenantID?
    ) async throws(Failure) -> UsageQuery {
        let items = try Query(exchange, known: known)
        var user: [UInt8]?
        if let name = try items.string("user", bytesMax: UsageQuery.nameBytesMax) {
            guard let tenant else {
                throw Failure(.invalidParameter, "people are known by their tenant: name one", param: "user")
            }
            user = try await userDigest(tenant, name)
        }
        return try UsageQuery(items, now: now(), user: user)
    }

    /// Adds a tenant's rows. What the log knows by now is written first, so that the rows tell all of it.
    private func read(
        _ database: any TenantDatabase, into report: inout UsageReport, on loop: EventLoop
    ) async throws(Failure) {
        try await flusher.flush(database.tenant, on: loop)
        let (times, prices) = (report.query.times, report.query.isRepriced ? self.prices() : nil)
        var last: UsageCell?
        while true {
            let from = last
            let rows = try await database.look { transaction throws(SQLiteError) in
                .success(try UsageTables.rows(times, after: from, max: Self.rowsPerStep, in: transaction))
            }
            for (cell, sums) in rows { report.add(cell, sums, prices: prices) }
            guard rows.count == Self.rowsPerStep else { return }
            last = rows.last?.cell
        }
    }

    // MARK: Live

    private var live: Route {
        Route(
            .get, "/v1/usage/live", guard: .keyOrSession(.usageRead, .admin),
            summary: "What is being used, as server-sent events, one a second while something happens"
        ) { exchange async throws(Failure) in
            // Through the store, so that a suspended tenant is refused here as everywhere.
            try await watch(exchange, of: store.database(of: exchange.principal).tenant)
        }
    }

    private static let tick = Duration.seconds(1)
    /// A proxy that hears nothing for a minute hangs up.
    private static let ticksPerComment = 15
    /// Watching ends after a day, or after `seconds`; who wants more asks again.
    private static let ticksMax = 86_400

    private func watch(_ exchange: Exchange, of tenant: TenantID) async throws(Failure) -> Reply {
        let ticks = try Query(exchange, known: ["seconds"]).int("seconds", in: 1...Self.ticksMax) ?? Self.ticksMax
        guard let feed = ledger.openFeed(of: tenant) else {
            throw Failure(.overloaded, "as many watch as may").retrying(after: .seconds(30))
        }
        defer { ledger.closeFeed(feed) }
        let (output, loop) = (AnswerStream(exchange), exchange.request.loop)
        guard await output.write(Array(": usage\n\n".utf8)) else { return .streamed }
        for tick in 1...ticks {
            await loop.sleep(Self.tick)
            guard !exchange.request.cancellation.isFired else { return .streamed }
            // Who may no longer ask may no longer watch.
            guard directory.status(of: tenant) == .active else { break }
            let interval = ledger.drainFeed(feed)
            if interval.all.requests > 0 {
                guard await output.write(event(interval)) else { return .streamed }
            } else if tick % Self.ticksPerComment == 0 {
                guard await output.write(Array(":\n\n".utf8)) else { return .streamed }
            }
        }
        await output.finish()
        return .streamed
    }

    private func event(_ interval: UsageFeeds.Interval) -> [UInt8] {
        var object: JSONObject = ["object": "usage.live", "time": .string(now().rfc3339)]
        for (name, value) in interval.all.json.members { object[name] = value }
        object["models"] = .array(
            interval.models.sorted { $0.key < $1.key }.map { name, sums in
                [
                    "model": name.isEmpty ? .null : .string(name), "requests": .int(sums.requests),
                    "input_tokens": .int(sums.inputTokens), "output_tokens": .int(sums.outputTokens),
                    "cost": .string(NanoDollars.text(sums.cost)),
                ]
            })
        return Array("event: usage\ndata: ".utf8) + JSONValue.object(object).serialized() + Array("\n\n".utf8)
    }
}
