// SPDX-License-Identifier: Apache-2.0

import Bytes
package import HTTP

/// The routes of a server, and the match of a request to one of them.
package struct RouteTable: Sendable {
    /// In the order of registration.
    package let routes: [Route]
    private let router: Router<Route>
    /// Routes whose patterns have no parameters, in the order of the lengths of their paths. The router would come to them
    /// first as well, segment by segment.
    private let literal: [Route]
    /// Their paths, one behind the other, and where each begins: a path that is compared is not counted as held.
    private let literalBytes: [UInt8]
    private let literalPlaces: [Int]
    /// Where those begin whose paths have so many bytes.
    private let literalStarts: [Int]

    /// - Throws: if two routes have the same method and path; that is a fault of the composition.
    package init(_ routes: [Route]) throws(RouterError) {
        var router = Router<Route>()
        for route in routes {
            try router.add(route.method, route.pattern, route)
        }
        self.routes = routes
        self.router = router
        let plain = routes.filter { !$0.pattern.utf8.contains(UInt8(ascii: "{")) }
        let lengths = 0...(plain.map(\.pattern.utf8.count).max() ?? 0)
        let byLength = lengths.map { length in plain.filter { $0.pattern.utf8.count == length } }
        literal = Array(byLength.joined())
        literalBytes = literal.flatMap { Array($0.pattern.utf8) }
        literalPlaces = literal.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.pattern.utf8.count) }
        literalStarts = byLength.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
    }

    func match(_ head: RequestHead) -> RouteMatch<Route> {
        if let route = head.withPath({ literal(head.method, $0) }) { return .found(route, .none) }
        return router.match(head.method, head.path)
    }

    private func literal(_ method: Method, _ path: Span<UInt8>) -> Route? {
        guard path.count + 1 < literalStarts.count else { return nil }
        for index in literalStarts[path.count]..<literalStarts[path.count + 1] {
            let place = literalPlaces[index]
            let known = literalBytes.span.extracting(place..<place + path.count)
            guard path.equals(known), literal[index].method == method else { continue }
            return literal[index]
        }
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
