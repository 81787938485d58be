// SPDX-License-Identifier: Apache-2.0

package import HTTP

/// The routes of a server, and the match of a request to one of them.
package struct RouteTable: Sendable {
    /// In the order of registration.
    package let routes: [Route]
    private let router: Router<Route>

    /// - Throws: if two routes have the same method and path; that is a fault of the composition.
    package init(_ routes: [Route]) throws(RouterError) {
        var router = Router<Route>()
        for route in routes {
            try router.add(route.method, route.pattern, route)
        }
        self.routes = routes
        self.router = router
    }

    func match(_ head: RequestHead) -> RouteMatch<Route> {
        router.match(head.method, head.path)
    }

    /// The shape of errors at a path that exists for another method.
    func shape(ofPath head: RequestHead) -> ErrorShape {
        for method in [Method.get, .post, .put, .patch, .delete] {
            if case .found(let route, _) = router.match(method, head.path) { return route.shape }
        }
        return .house
    }
}
