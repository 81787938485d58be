// SPDX-License-Identifier: Apache-2.0

/// The keywords of JSON Schema 2020-12 (core §10, validation §6) and what each asks of its own value.
extension SchemaCompiler {
    /// The rules of the subschema at a location, cheap ones before those that look further.
    mutating func rules(at location: Int) throws(JSONSchemaError) -> [SchemaRule] {
        guard let schema = value(at: location).object else {
            return value(at: location).bool == false ? [.nothing] : []
        }
        var simple: [SchemaRule] = []
        var nested: [SchemaRule] = []
        for member in schema.members {
            guard let place = child(of: location, member.name) else { continue }
            if let rule = try simpleRule(member.name, member.value, at: place) {
                simple.append(rule)
            } else {
                nested += try nestedRules(member.name, member.value, at: place)
            }
        }
        if ["properties", "patternProperties", "additionalProperties"].contains(where: { schema[$0] != nil }) {
            nested.append(.members(try members(at: location)))
        }
        if ["items", "prefixItems"].contains(where: { schema[$0] != nil }) {
            nested.append(try elements(at: location))
        }
        if let contains = child(of: location, "contains") {
            let least = try schema["minContains"].map { value throws(JSONSchemaError) in try count(value, at: contains)
            }
            let most = try schema["maxContains"].map { value throws(JSONSchemaError) in try count(value, at: contains) }
            nested.append(.contains(try node(at: contains), min: least ?? 1, max: most))
        }
        if let condition = child(of: location, "if") {
            let then = try child(of: location, "then").map { place throws(JSONSchemaError) in try node(at: place) }
            let otherwise = try child(of: location, "else").map { place throws(JSONSchemaError) in try node(at: place) }
            nested.append(.condition(try node(at: condition), then: then, else: otherwise))
        }
        return simple + nested
    }

    /// A rule that speaks of the value alone; nil if the keyword is not one of these.
    private mutating func simpleRule(
        _ keyword: String, _ value: JSONValue, at place: Int
    ) throws(JSONSchemaError) -> SchemaRule? {
        switch keyword {
        case "type": .types(try types(value, at: place))
        case "enum":
            .constants(SchemaConstants("enum", try array(value, at: place)))
        case "const": .constants(SchemaConstants("const", [value]))
        case "minimum": .minimum(try decimal(value, at: place), isExclusive: false)
        case "maximum": .maximum(try decimal(value, at: place), isExclusive: false)
        case "exclusiveMinimum": .minimum(try decimal(value, at: place), isExclusive: true)
        case "exclusiveMaximum": .maximum(try decimal(value, at: place), isExclusive: true)
        case "multipleOf": .multiple(of: try divisor(value, at: place))
        case "minLength": .scalarsMin(try count(value, at: place))
        case "maxLength": .scalarsMax(try count(value, at: place))
        case "pattern": .pattern(try pattern(try string(value, at: place), at: place))
        case "format": .format(try string(value, at: place))
        case "minItems": .elementsMin(try count(value, at: place))
        case "maxItems": .elementsMax(try count(value, at: place))
        case "minProperties": .membersMin(try count(value, at: place))
        case "maxProperties": .membersMax(try count(value, at: place))
        case "required": .required(try names(value, at: place))
        default: nil
        }
    }

    /// The rules of a keyword that leads to other subschemas; none for a keyword that says nothing by itself.
    private mutating func nestedRules(
        _ keyword: String, _ value: JSONValue, at place: Int
    ) throws(JSONSchemaError) -> [SchemaRule] {
        switch keyword {
        case "$ref": return [.reference(try reference(try string(value, at: place), at: place))]
        case "allOf": return [.all(try nodes(at: place))]
        case "anyOf": return [.any(try nodes(at: place))]
        case "oneOf": return [.one(try nodes(at: place))]
        case "not": return [.not(try node(at: place))]
        case "propertyNames": return [.memberNames(try node(at: place))]
        case "uniqueItems":
            guard let isUnique = value.bool else { throw error(at: place, "must be a boolean") }
            return isUnique ? [.uniqueElements] : []
        case "dependentRequired", "dependentSchemas", "dependencies": return try dependencies(keyword, at: place)
        case "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef":
            throw error(at: place, "\(keyword) is not supported")
        default: return []
        }
    }

    private mutating func members(at location: Int) throws(JSONSchemaError) -> SchemaMembers {
        var properties: [(name: String, node: Int)] = []
        var patterns: [(pattern: Pattern, node: Int)] = []
        if let place = child(of: location, "properties") {
            properties = try nodesByName(at: place)
        }
        if let place = child(of: location, "patternProperties") {
            for (name, node) in try nodesByName(at: place) { patterns.append((try pattern(name, at: place), node)) }
        }
        let additional = try child(of: location, "additionalProperties").map { place throws(JSONSchemaError) in
            try node(at: place)
        }
        return SchemaMembers(properties: properties, patterns: patterns, additional: additional)
    }

    /// `prefixItems` and `items`, or what was written for them before 2020-12: a list in `items`, and `additionalItems`.
    private mutating func elements(at location: Int) throws(JSONSchemaError) -> SchemaRule {
        var prefix: [Int] = []
        var rest = child(of: location, "items")
        if let list = child(of: location, "prefixItems") {
            prefix = try nodes(at: list)
        } else if let list = rest, value(at: list).array != nil {
            prefix = try nodes(at: list)
            rest = child(of: location, "additionalItems")
        }
        return .elements(
            prefix: prefix, rest: try rest.map { place throws(JSONSchemaError) in try node(at: place) })
    }

    private mutating func dependencies(_ keyword: String, at place: Int) throws(JSONSchemaError) -> [SchemaRule] {
        guard let object = value(at: place).object else { throw error(at: place, "must be an object") }
        var rules: [SchemaRule] = []
        for member in object.members {
            guard let inner = child(of: place, member.name) else { continue }
            if keyword != "dependentSchemas", member.value.array != nil || keyword == "dependentRequired" {
                rules.append(.dependentRequired(member.name, try names(member.value, at: inner)))
            } else {
                rules.append(.dependentSchema(member.name, try node(at: inner)))
            }
        }
        return rules
    }

    private mutating func nodes(at place: Int) throws(JSONSchemaError) -> [Int] {
        let elements = try array(value(at: place), at: place)
        guard !elements.isEmpty else { throw error(at: place, "must not be empty") }
        var nodes: [Int] = []
        for index in elements.indices {
            if let inner = child(of: place, String(index)) { nodes.append(try node(at: inner)) }
        }
        return nodes
    }

    private mutating func nodesByName(at place: Int) throws(JSONSchemaError) -> [(name: String, node: Int)] {
        guard let object = value(at: place).object else { throw error(at: place, "must be an object") }
        var nodes: [(name: String, node: Int)] = []
        for member in object.members {
            if let inner = child(of: place, member.name) { nodes.append((member.name, try node(at: inner))) }
        }
        return nodes
    }

    // MARK: Values of keywords

    private func array(_ value: JSONValue, at place: Int) throws(JSONSchemaError) -> [JSONValue] {
        guard let array = value.array else { throw error(at: place, "must be an array") }
        return array
    }

    private func string(_ value: JSONValue, at place: Int) throws(JSONSchemaError) -> String {
        guard let string = value.string else { throw error(at: place, "must be a string") }
        return string
    }

    private func names(_ value: JSONValue, at place: Int) throws(JSONSchemaError) -> [String] {
        var names: [String] = []
        for element in try array(value, at: place) {
            guard let name = element.string else { throw error(at: place, "must be an array of strings") }
            names.append(name)
        }
        return names
    }

    private func types(_ value: JSONValue, at place: Int) throws(JSONSchemaError) -> SchemaTypes {
        let names = value.string.map { [$0] } ?? value.array.map { $0.map { $0.string ?? "" } } ?? [""]
        var types: SchemaTypes = []
        for name in names {
            guard let type = SchemaTypes(name: name) else { throw error(at: place, "unknown type") }
            types.insert(type)
        }
        guard !types.isEmpty else { throw error(at: place, "must not be empty") }
        return types
    }

    private func decimal(_ value: JSONValue, at place: Int) throws(JSONSchemaError) -> JSONDecimal {
        guard let number = value.number else { throw error(at: place, "must be a number") }
        return JSONDecimal(number)
    }

    private func divisor(_ value: JSONValue, at place: Int) throws(JSONSchemaError) -> JSONDecimal {
        let decimal = try decimal(value, at: place)
        guard !decimal.isNegative, !decimal.digits.isEmpty else { throw error(at: place, "must be above zero") }
        guard decimal.modulus != nil else { throw error(at: place, "must have no more than 18 digits") }
        return decimal
    }

    private func count(_ value: JSONValue, at place: Int) throws(JSONSchemaError) -> Int {
        let decimal = try decimal(value, at: place)
        guard !decimal.isNegative, decimal.isInteger else { throw error(at: place, "must be a count") }
        return decimal.int ?? .max
    }
}
