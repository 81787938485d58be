// SPDX-License-Identifier: Apache-2.0

import Bytes
package import HTTP

/// The routes of a server, and the match of a request to one of them.
package struct RouteTable: Sendable {
    /// In the order of registration.
    package let routes: [Route]
    private let router: Router<Route>
    /// Routes whose patterns have no parameters, by the lengths of their paths. The router would come to them first as
    /// well, segment by segment.
    private let literal: [[Route]]

    /// - Throws: if two routes have the same method and path; that is a fault of the composition.
    package init(_ routes: [Route]) throws(RouterError) {
        var router = Router<Route>()
        for route in routes {
            try router.add(route.method, route.pattern, route)
        }
        self.routes = routes
        self.router = router
        let plain = routes.filter { !$0.pattern.utf8.contains(UInt8(ascii: "{")) }
        var literal = [[Route]](repeating: [], count: 1 + (plain.map(\.pattern.utf8.count).max() ?? 0))
        for route in plain { literal[route.pattern.utf8.count].append(route) }
        self.literal = literal
    }

    func match(_ head: RequestHead) -> RouteMatch<Route> {
        if let route = head.withPath({ literal(head.method, $0) }) { return .found(route, .none) }
        return router.match(head.method, head.path)
    }

    private func literal(_ method: Method, _ path: Span<UInt8>) -> Route? {
        guard path.count < literal.count else { return nil }
        for route in literal[path.count] where route.method == method && path.equals(route.pattern) { return route }
        return nil
    }

    /// The route that shows what another one changes: the one that reads the same path.
    func reader(of route: Route) -> Route? {
        routes.first { $0.method == .get && $0.pattern == route.pattern }
    }

    /// The shape of errors at a path that exists for another method.
    func shape(ofPath head: RequestHead) -> ErrorShape {
        for method in [Method.get, .post, .put, .patch, .delete] {
            if case .found(let route, _) = router.match(method, head.path) { return route.shape }
        }
        return .house
    }
}
