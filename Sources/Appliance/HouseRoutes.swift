// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON

/// The routes that belong to no module: is it alive, is it ready, what does it serve.
enum HouseRoutes {
    /// These and the modules' own.
    ///
    /// - Parameter metrics: what each module tells of itself.
    static func all(beside modules: [Route], metrics: @escaping @Sendable (inout MetricsText) -> Void) -> [Route] {
        let own = [alive, ready, self.metrics(metrics)]
        let document = description(of: own + modules)
        return own + [document] + modules
    }

    private static let alive = Route(
        .get, "/livez", guard: .public(why: "supervisors ask it before they have a key; it says nothing but that"),
        summary: "The process answers"
    ) { _ throws(Failure) in
        .whole(status: 200, contentType: "text/plain; charset=utf-8", body: Array("ok\n".utf8))
    }

    /// Served only between start and drain, so that being answered is being ready.
    private static let ready = Route(
        .get, "/readyz", guard: .public(why: "load balancers ask it before they have a key; it says nothing but that"),
        summary: "The server takes requests"
    ) { _ throws(Failure) in
        .whole(status: 200, contentType: "text/plain; charset=utf-8", body: Array("ok\n".utf8))
    }

    /// For the operator alone. A scraper on this machine is no reason to open it to loopback: behind a local proxy everybody
    /// comes from there.
    private static func metrics(_ write: @escaping @Sendable (inout MetricsText) -> Void) -> Route {
        let process = ProcessMetrics()
        return Route(
            .get, "/metrics", guard: .operator, summary: "Figures of the running server, in Prometheus' text format"
        ) { _ throws(Failure) in
            var text = MetricsText()
            process.write(to: &text)
            write(&text)
            return .whole(
                status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: text.bytes)
        }
    }

    /// Made once, from the table itself, its own entry included.
    private static func description(of others: [Route]) -> Route {
        func route(_ body: [UInt8]) -> Route {
            Route(
                .get, "/openapi.json",
                guard: .public(why: "the interface is no secret; every route in it names its guard"),
                summary: "This interface, as OpenAPI 3.1"
            ) { _ throws(Failure) in
                .json(bytes: body)
            }
        }
        let document = OpenAPI.document(of: others + [route([])], version: Version.text)
        return route(document.serialized())
    }
}
