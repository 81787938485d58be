// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import SQLite

/// `/v1/account/retention`: how long this tenant's data is kept, by class.
struct RetentionRoutes: Sendable {
    let context: NodesContext

    var all: [Route] { [show, change] }

    private var show: Route {
        Route(
            .get, "/v1/account/retention", guard: .keyOrSession(.account, .admin),
            summary: "For each class of data: the plan's cap, the tenant's wish, and what holds"
        ) { exchange async throws(Failure) in
            let context = context
            return try await context.database(of: exchange).look { transaction throws(SQLiteError) in
                .success(.json(try Self.json(context, in: transaction)))
            }
        }
    }

    /// What has outlived the old wishes goes before new ones hold, so that a longer one brings nothing back; what outlives
    /// the new ones goes before the answer.
    private var change: Route {
        Route(
            .put, "/v1/account/retention", guard: .keyOrSession(.account, .admin),
            summary: "Wish for how long data is kept: seconds, \"none\" to keep nothing, null for no wish",
            requestBody: Self.schema
        ) { exchange async throws(Failure) in
            let body = try await JSONBody(
                exchange, bytesMax: NodesLimits.smallBodyBytesMax, known: DataClass.allCases.map(\.rawValue))
            let wishes = try Self.wishes(body)
            try await exchange.advance(through: .record)
            let context = context
            let database = try context.database(of: exchange)
            try await Sweeper(context: context).sweep(database)
            try await database.change { transaction throws(SQLiteError) -> Verdict<Void> in
                var rule = try context.directory.retentionWish(in: transaction)
                for (kind, wish) in wishes { rule[kind] = wish }
                try context.directory.setRetentionWish(rule, in: transaction)
                return .success(())
            }
            try await Sweeper(context: context).sweep(database)
            return try await database.look { transaction throws(SQLiteError) in
                .success(.json(try Self.json(context, in: transaction)))
            }
        }
    }

    private static func wishes(_ body: JSONBody) throws(Failure) -> [(DataClass, Retention?)] {
        var wishes: [(DataClass, Retention?)] = []
        for kind in DataClass.allCases where body.has(kind.rawValue) {
            if body[kind.rawValue]?.string == "none" {
                wishes.append((kind, Retention.none))
            } else {
                let seconds = try body.int(kind.rawValue, in: 0...Retention.secondsMax)
                wishes.append((kind, seconds.map(Retention.init(seconds:))))
            }
        }
        return wishes
    }

    private static func json(
        _ context: NodesContext, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> JSONValue {
        let limits = context.directory.limits(of: transaction.tenant)
        let wish = try context.directory.retentionWish(in: transaction)
        var classes = JSONObject()
        for kind in DataClass.allCases {
            classes[kind.rawValue] = [
                "plan_seconds": limits.retention[kind].map { .int($0.seconds) } ?? .null,
                "wish_seconds": wish[kind].map { .int($0.seconds) } ?? .null,
                "effective_seconds": .int(try context.retention(kind, in: transaction).seconds),
            ]
        }
        return [
            "object": "retention", "standard_seconds": .int(limits.standardRetention.seconds),
            "classes": .object(classes),
        ]
    }

    private static let schema: JSONValue = {
        var properties = JSONObject()
        for kind in DataClass.allCases {
            properties[kind.rawValue] = ["anyOf": [["type": ["integer", "null"], "minimum": 0], ["const": "none"]]]
        }
        return ["type": "object", "additionalProperties": false, "properties": .object(properties)]
    }()
}
