// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTP

@Suite struct RouterTests {
    private func router() throws(RouterError) -> Router<String> {
        var router = Router<String>()
        for (method, pattern) in [
            (Method.get, "/"), (.get, "/v1/models"), (.get, "/v1/models/{id}"), (.delete, "/v1/models/{id}"),
            (.post, "/v1/messages"), (.post, "/v1/messages/count_tokens"), (.get, "/v1/messages/{id}"),
            (.get, "/a/{x}/c"), (.get, "/a/b/d"), (.head, "/own"), (.get, "/own"), (.get, "/files/{path...}"),
        ] { try router.add(method, pattern, "\(method.name) \(pattern)") }
        return router
    }

    private func show(_ match: RouteMatch<String>) -> String {
        switch match {
        case .found(let route, let parameters):
            route + ["id", "x", "path"].compactMap { name in parameters[name].map { " \(name)=\($0)" } }.joined()
        case .methodNotAllowed(let allow): "405 \(allow)"
        case .notFound: "404"
        }
    }

    @Test(arguments: [
        (Method.get, "/", "GET /"),
        (.get, "/v1/models", "GET /v1/models"),
        (.head, "/v1/models", "GET /v1/models"),
        (.head, "/own", "HEAD /own"),
        (.get, "/v1/models/gpt", "GET /v1/models/{id} id=gpt"),
        (.delete, "/v1/models/a b", "DELETE /v1/models/{id} id=a b"),
        (.post, "/v1/messages/count_tokens", "POST /v1/messages/count_tokens"),
        (.get, "/v1/messages/count_tokens", "GET /v1/messages/{id} id=count_tokens"),
        (.get, "/a/b/c", "GET /a/{x}/c x=b"),
        (.get, "/a/b/d", "GET /a/b/d"),
        (.get, "/files/x/y/z", "GET /files/{path...} path=x/y/z"),
        (.post, "/v1/models", "405 GET, HEAD"),
        (.put, "/v1/models/x", "405 GET, HEAD, DELETE"),
        (.post, "/own", "405 HEAD, GET"),
        (.other("get"), "/", "405 GET, HEAD"),
        (.put, "/v1/messages/count_tokens", "405 POST, GET, HEAD"),
        (.get, "", "404"), (.get, "*", "404"), (.get, "/v1", "404"), (.get, "/v1/models/", "404"),
        (.get, "//v1/models", "404"), (.get, "/v1//models", "404"), (.get, "/V1/models", "404"),
        (.get, "/v1/models/x/", "404"), (.get, "/v1/models/x/y", "404"), (.get, "/files", "404"),
        (.get, "/files/", "404"),
        (.get, "/files/a//b", "404"), (.get, "/files/a/", "404"), (.get, "v1/models", "404"),
        (.get, "/v1/models/{id}/", "404"),
        (.get, String(repeating: "/a", count: 100), "404"),
    ])
    func `matches`(_ method: HTTP.Method, _ path: String, _ expected: String) throws {
        #expect(try show(router().match(method, path)) == expected)
    }

    @Test(arguments: [
        ("v1", RouterError.Reason.malformedPattern), ("", .malformedPattern), ("/a/", .malformedPattern),
        ("/a//b", .malformedPattern), ("/{}", .malformedPattern), ("/a{b}", .malformedPattern),
        ("/{a}b", .malformedPattern),
        ("/{a b}", .malformedPattern), ("/{a...}/b", .malformedPattern), ("*", .malformedPattern),
        ("/v1/models", .duplicate), ("/v1/models/{name}", .parameterNameDiffers),
    ])
    func `refuses patterns`(_ pattern: String, _ reason: RouterError.Reason) throws {
        var router = try router()
        #expect(throws: RouterError(pattern: pattern, reason: reason)) { try router.add(.get, pattern, "") }
    }
}
