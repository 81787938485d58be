// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON

/// The operator's view of the catalog that is in force.
struct CatalogRoutes: Sendable {
    let catalog: @Sendable () -> Catalog

    var all: [Route] { [models, prices] }

    private var models: Route {
        Route(.get, "/admin/v1/models", guard: .operator, summary: "Models, and what stands behind each") {
            [catalog] _ throws(Failure) in
            Self.list(
                catalog().models.map { model in
                    let settings = model.settings
                    return [
                        "object": "model", "name": .string(model.name), "provider": .string(settings.provider),
                        "upstream": .string(settings.upstream), "aliases": Self.texts(settings.aliases),
                        "fallback": Self.texts(settings.fallback), "max_output_tokens": .int(settings.outputTokensMax),
                        "priced": .bool(settings.price != nil),
                    ]
                })
        }
    }

    private var prices: Route {
        Route(
            .get, "/admin/v1/prices", guard: .operator,
            summary: "What a million tokens of each model cost today, in dollars"
        ) { [catalog] _ throws(Failure) in
            Self.list(
                catalog().models.map { model in
                    let price = model.settings.price
                    return [
                        "object": "price", "model": .string(model.name), "input": Self.dollars(price?.input),
                        "output": Self.dollars(price?.output), "cache_read": Self.dollars(price?.cacheRead),
                        "cache_write": Self.dollars(price?.cacheWrite),
                    ]
                })
        }
    }

    private static func list(_ data: [JSONValue]) -> Reply {
        .json(["object": "list", "data": .array(data), "has_more": false, "next_cursor": .null])
    }

    private static func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }

    private static func dollars(_ amount: Int64?) -> JSONValue {
        amount.map { .string(NanoDollars.text($0)) } ?? .null
    }
}
