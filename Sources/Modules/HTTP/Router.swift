// SPDX-License-Identifier: Apache-2.0

import Bytes

/// What a router says about a method and a path.
package enum RouteMatch<Route: Sendable>: Sendable {
    case found(Route, PathParameters)
    /// The path has routes, but none for the method. The value of the Allow field (RFC 9110 §10.2.1).
    case methodNotAllowed(allow: String)
    case notFound
}

/// The values of a route's parameters, decoded.
package struct PathParameters: Sendable, Equatable {
    /// Of a pattern that has none.
    package static let none = PathParameters([])

    private let values: [(name: String, value: String)]

    package var isEmpty: Bool { values.isEmpty }

    init(_ values: [(name: String, value: String)]) {
        self.values = values
    }

    /// The value of a parameter; nil if the route's pattern has none of that name. Never empty, and without a slash
    /// unless the pattern says `{name...}`.
    package subscript(_ name: String) -> String? {
        values.first { $0.name == name }?.value
    }

    package static func == (left: PathParameters, right: PathParameters) -> Bool {
        left.values.elementsEqual(right.values) { $0.name == $1.name && $0.value == $1.value }
    }
}

/// A fault of the composition: the pattern, and what is wrong with it.
package struct RouterError: Error, Equatable, Sendable {
    package enum Reason: Equatable, Sendable {
        case malformedPattern
        /// The same method and path have a route already.
        case duplicate
        /// Another pattern has a parameter of another name at the same place.
        case parameterNameDiffers
    }

    package let pattern: String
    package let reason: Reason
}

/// Finds the route of a path by its segments.
///
/// A pattern is literal segments and parameters: `/v1/models/{id}`. A last `{name...}` takes all segments that are left,
/// none of them empty. A literal goes before a parameter, a parameter before a rest.
///
/// Each path has one spelling: a trailing slash is a segment of its own (an empty one), parameters are never empty, case
/// counts, and what could make two paths alike (dot segments, encoded slashes) was refused by the parser.
package struct Router<Route: Sendable>: Sendable {
    private struct Node: Sendable {
        var literals: [String: Int] = [:]
        var parameter: (name: String, node: Int)?
        var rest: (name: String, node: Int)?
        var routes: [(method: Method, route: Route)] = []
    }

    private var nodes = [Node()]

    package init() {}

    /// Adds a route. A route for GET answers HEAD too, unless HEAD has one of its own.
    package mutating func add(_ method: Method, _ pattern: String, _ route: Route) throws(RouterError) {
        let segments = pattern.split(separator: "/", omittingEmptySubsequences: false)
        guard segments.count > 1, segments[0].isEmpty, segments.count <= HTTPMaxima.pathSegments else {
            throw RouterError(pattern: pattern, reason: .malformedPattern)
        }
        var node = 0
        let parts = segments.dropFirst()
        for (index, segment) in parts.enumerated() {
            let isLast = index == parts.count - 1
            node = try child(of: node, String(segment), isLast: isLast, isOnly: parts.count == 1, pattern)
        }
        guard !nodes[node].routes.contains(where: { $0.method == method }) else {
            throw RouterError(pattern: pattern, reason: .duplicate)
        }
        nodes[node].routes.append((method, route))
    }

    /// - Parameter path: decoded, as `RequestHead.path` gives it.
    package func match(_ method: Method, _ path: String) -> RouteMatch<Route> {
        let segments = path.utf8.split(
            separator: Octet.slash, maxSplits: HTTPMaxima.pathSegments, omittingEmptySubsequences: false)
        guard segments.count > 1, segments.count <= HTTPMaxima.pathSegments, segments[0].isEmpty else {
            return .notFound
        }
        var search = Search(method: method, segments: segments.dropFirst().map(Substring.init))
        if let route = find(0, 0, &search) { return .found(route, PathParameters(search.parameters)) }
        return search.allowed.isEmpty ? .notFound : .methodNotAllowed(allow: Self.allow(search.allowed))
    }

    private struct Search {
        let method: Method
        let segments: [Substring]
        var parameters: [(name: String, value: String)] = []
        var allowed: [Method] = []
    }

    /// Depth first; each node of the tree is visited at most once, since each has one parent.
    private func find(_ node: Int, _ depth: Int, _ search: inout Search) -> Route? {
        guard depth < search.segments.count else { return route(at: node, &search) }
        let segment = search.segments[depth]
        if let literal = nodes[node].literals[String(segment)], let route = find(literal, depth + 1, &search) {
            return route
        }
        guard !segment.isEmpty else { return nil }
        if let (name, child) = nodes[node].parameter {
            search.parameters.append((name, String(segment)))
            if let route = find(child, depth + 1, &search) { return route }
            search.parameters.removeLast()
        }
        if let (name, child) = nodes[node].rest, search.segments[depth...].allSatisfy({ !$0.isEmpty }) {
            search.parameters.append((name, search.segments[depth...].joined(separator: "/")))
            if let route = route(at: child, &search) { return route }
            search.parameters.removeLast()
        }
        return nil
    }

    private func route(at node: Int, _ search: inout Search) -> Route? {
        let routes = nodes[node].routes
        if let found = routes.first(where: { $0.method == search.method }) { return found.route }
        if search.method == .head, let found = routes.first(where: { $0.method == .get }) { return found.route }
        search.allowed += routes.map(\.method)
        return nil
    }

    private static func allow(_ methods: [Method]) -> String {
        var names: [String] = []
        for method in methods where !names.contains(method.name) {
            names.append(method.name)
            if method == .get, !methods.contains(.head) { names.append("HEAD") }
        }
        return names.joined(separator: ", ")
    }

    private mutating func child(
        of node: Int, _ segment: String, isLast: Bool, isOnly: Bool, _ pattern: String
    ) throws(RouterError) -> Int {
        let hasBraces = segment.utf8.contains(UInt8(ascii: "{")) || segment.utf8.contains(UInt8(ascii: "}"))
        guard hasBraces else {
            // An empty segment is only the whole of `/`: a route that ends with a slash would be a second spelling.
            guard !segment.isEmpty || isOnly else { throw RouterError(pattern: pattern, reason: .malformedPattern) }
            return addedNode(nodes[node].literals[segment]) { $0[node].literals[segment] = $1 }
        }
        guard let (name, isRest) = Self.parameter(segment), isLast || !isRest else {
            throw RouterError(pattern: pattern, reason: .malformedPattern)
        }
        let present = isRest ? nodes[node].rest : nodes[node].parameter
        guard present == nil || present?.name == name else {
            throw RouterError(pattern: pattern, reason: .parameterNameDiffers)
        }
        return addedNode(present?.node) {
            if isRest { $0[node].rest = (name, $1) } else { $0[node].parameter = (name, $1) }
        }
    }

    private mutating func addedNode(_ present: Int?, _ link: (inout [Node], Int) -> Void) -> Int {
        if let present { return present }
        nodes.append(Node())
        link(&nodes, nodes.count - 1)
        return nodes.count - 1
    }

    /// The name in `{name}` or `{name...}`.
    private static func parameter(_ segment: String) -> (name: String, isRest: Bool)? {
        guard segment.hasPrefix("{"), segment.hasSuffix("}") else { return nil }
        var name = segment.dropFirst().dropLast()
        let isRest = name.hasSuffix("...")
        if isRest { name = name.dropLast(3) }
        let isName =
            !name.isEmpty && name.utf8.allSatisfy { $0.isASCIIDigit || $0.isASCIILetter || $0 == UInt8(ascii: "_") }
        return isName ? (String(name), isRest) : nil
    }
}
