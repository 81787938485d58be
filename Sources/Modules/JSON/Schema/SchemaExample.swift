// SPDX-License-Identifier: Apache-2.0

/// Makes a value that satisfies a schema: the rules of all subschemas that hold at one place are gathered, then a value
/// of one type is built by them. A few choices among branches are tried in turn, and the validator is asked.
struct SchemaExample {
    private static let choices = 4
    private static let depthMax = 40
    /// Nothing that may be left out is made below this.
    private static let optionalDepthMax = 10

    private static let simplest: [JSONValue] = [.null, true, 0, 1, "text", [], [:]]

    private let nodes: [[SchemaRule]]
    /// Which branch of `anyOf` and `oneOf` is taken.
    private let choice: Int
    private var values = JSONSchemaMaxima.exampleValues
    /// What is left of the work for all choices: rules gathered, characters of patterns tried, and what is made, name by
    /// name and text by text. A schema says in a few bytes "a hundred times a hundred times this text".
    private var steps: Int
    /// Subschemas being built around this place: one that comes again is a recursion, to be cut where that is allowed.
    private var active: Set<Int> = []
    /// The place in an array whose elements must differ.
    private var salt = 0

    static func value(_ schema: JSONSchema) -> JSONValue {
        var first: JSONValue?
        var steps = JSONSchemaMaxima.steps
        for choice in 0..<choices where steps > 0 {
            var example = SchemaExample(nodes: schema.nodes, choice: choice, steps: steps)
            let value = example.value([0], depth: 0)
            steps = example.steps
            if SchemaValidator.validate(value, schema.nodes, steps: &steps) == nil { return value }
            first = first ?? value
        }
        // `not` is not followed, so what it leaves is looked for among the simplest values.
        return simplest.first { SchemaValidator.validate($0, schema.nodes, steps: &steps) == nil } ?? first ?? .null
    }

    private init(nodes: [[SchemaRule]], choice: Int, steps: Int) {
        self.nodes = nodes
        self.choice = choice
        self.steps = steps
    }

    private mutating func value(_ demanded: [Int], depth: Int) -> JSONValue {
        guard values > 0, steps > 0, depth < SchemaExample.depthMax else { return .null }
        values -= 1
        var facets = SchemaFacets()
        gather(demanded, &facets)
        let entered = facets.gathered.subtracting(active)
        active.formUnion(entered)
        defer { active.subtract(entered) }
        if let constant = facets.constant(salt, &steps) {
            steps -= constant.serialized().count
            return steps >= 0 ? constant : .null
        }
        let type = facets.type
        if type.contains(.object) { return object(facets, depth) }
        if type.contains(.array) { return array(facets, depth) }
        if type.contains(.string) { return .string(facets.string(salt, &steps)) }
        if type.contains(.number) || type.contains(.integer) { return facets.number(salt) }
        if type.contains(.boolean) { return .bool(salt & 1 == 0) }
        return .null
    }

    /// Gathers the rules of these subschemas and of all that they include at the same place.
    private mutating func gather(_ demanded: [Int], _ facets: inout SchemaFacets) {
        var rest = Array(demanded.reversed())
        while let node = rest.popLast() {
            guard facets.gathered.insert(node).inserted else { continue }
            for rule in nodes[node] {
                steps -= 1
                switch rule {
                case .reference(let target): rest.append(target)
                case .all(let all): rest += all.reversed()
                case .any(let branches), .one(let branches): rest.append(branch(branches))
                case .condition(let condition, let then, _): if let then { rest += [then, condition] }
                case .members(let members):
                    steps -= members.properties.count
                    facets.add(rule)
                default: facets.add(rule)
                }
            }
        }
    }

    /// The branch to take: one that does not recur, if there is any.
    private func branch(_ branches: [Int]) -> Int {
        let finite = branches.filter { !recurs($0) }
        let open = finite.isEmpty ? branches : finite
        return open[choice % open.count]
    }

    /// True if the subschema, or the one it refers to, is being built around this place.
    private func recurs(_ node: Int) -> Bool {
        var node = node
        for _ in 0..<SchemaExample.depthMax {
            if active.contains(node) { return true }
            guard nodes[node].count == 1, case .reference(let target) = nodes[node][0] else { return false }
            node = target
        }
        return true
    }

    private func isNothing(_ node: Int) -> Bool {
        if case .nothing = nodes[node].first { true } else { false }
    }

    private mutating func object(_ facets: SchemaFacets, _ depth: Int) -> JSONValue {
        var object = JSONObject()
        var seen: Set<JSONName> = []
        let required = Set(facets.required.map(JSONName.init))
        let isDeep = depth >= SchemaExample.optionalDepthMax
        for (name, demanded) in facets.properties {
            let isRequired = required.contains(JSONName(name))
            guard isRequired || !isDeep && !demanded.contains(where: recurs) else { continue }
            guard seen.insert(JSONName(name)).inserted else { continue }
            steps -= name.utf8.count
            object.append(name, value(demanded, depth: depth + 1))
        }
        let others =
            facets.required + (0..<min(facets.membersMin, JSONSchemaMaxima.exampleElements)).map { "member\($0)" }
        for name in others where required.contains(JSONName(name)) || object.count < facets.membersMin {
            guard seen.insert(JSONName(name)).inserted else { continue }
            steps -= name.utf8.count
            object.append(name, value(facets.additional(name, &steps), depth: depth + 1))
        }
        return .object(object)
    }

    private mutating func array(_ facets: SchemaFacets, _ depth: Int) -> JSONValue {
        let isCut = facets.rest.contains { recurs($0) || isNothing($0) } || depth >= SchemaExample.optionalDepthMax
        let least = max(facets.elementsMin, facets.prefix.count)
        let wanted = max(least, isCut || !facets.prefix.isEmpty ? 0 : 1)
        let count = min(wanted, facets.elementsMax, JSONSchemaMaxima.exampleElements)
        var elements: [JSONValue] = []
        let outer = salt
        for index in 0..<count {
            let isContained = index < facets.containsMin
            var demanded = index < facets.prefix.count ? facets.prefix[index] : facets.rest
            if isContained { demanded += facets.contains }
            salt = facets.isUnique ? index : 0
            elements.append(value(demanded, depth: depth + 1))
        }
        salt = outer
        return .array(elements)
    }
}
