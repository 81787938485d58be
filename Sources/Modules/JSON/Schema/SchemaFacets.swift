// SPDX-License-Identifier: Apache-2.0

/// All that is demanded of one place, gathered for an example.
struct SchemaFacets {
    /// The subschemas that were gathered.
    var gathered: Set<Int> = []
    private(set) var required: [String] = []
    /// In the order of the schema; the subschemas of one name from all places.
    private(set) var properties: [(name: String, nodes: [Int])] = []
    private(set) var prefix: [[Int]] = []
    /// Of elements behind the prefix.
    private(set) var rest: [Int] = []
    private(set) var contains: [Int] = []
    private(set) var containsMin = 0
    private(set) var elementsMin = 0
    private(set) var elementsMax = Int.max
    private(set) var membersMin = 0
    private(set) var isUnique = false
    private var types = SchemaTypes.all
    private var hasTypes = false
    private var hints: SchemaTypes = []
    private var constants: [SchemaConstants] = []
    private var numberRules: [SchemaRule] = []
    private var scalarsMin = 0
    private var scalarsMax = Int.max
    private var patterns: [Pattern] = []
    private var format: String?
    private var members: [SchemaMembers] = []
    private var places: [JSONName: Int] = [:]

    mutating func add(_ rule: SchemaRule) {
        switch rule {
        case .types(let types):
            self.types = hasTypes ? self.types.common(with: types) : types
            hasTypes = true
        case .constants(let constants): self.constants.append(constants)
        case .minimum, .maximum, .multiple:
            hints.insert(.number)
            numberRules.append(rule)
        case .scalarsMin(let least):
            hints.insert(.string)
            scalarsMin = max(scalarsMin, least)
        case .scalarsMax(let most):
            hints.insert(.string)
            scalarsMax = min(scalarsMax, most)
        case .pattern(let pattern):
            hints.insert(.string)
            patterns.append(pattern)
        case .format(let format):
            hints.insert(.string)
            self.format = self.format ?? format
        case .elementsMin, .elementsMax, .elements, .uniqueElements, .contains:
            hints.insert(.array)
            add(arrayRule: rule)
        case .membersMin, .members, .required:
            hints.insert(.object)
            add(objectRule: rule)
        default: break
        }
    }

    private mutating func add(arrayRule rule: SchemaRule) {
        switch rule {
        case .elementsMin(let least): elementsMin = max(elementsMin, least)
        case .elementsMax(let most): elementsMax = min(elementsMax, most)
        case .uniqueElements: isUnique = true
        case .contains(let node, let least, _):
            contains.append(node)
            containsMin = max(containsMin, least)
            elementsMin = max(elementsMin, least)
        case .elements(let prefix, let rest):
            for (index, node) in prefix.enumerated() {
                if index < self.prefix.count { self.prefix[index].append(node) } else { self.prefix.append([node]) }
            }
            if let rest { self.rest.append(rest) }
        default: break
        }
    }

    private mutating func add(objectRule rule: SchemaRule) {
        switch rule {
        case .membersMin(let least): membersMin = max(membersMin, least)
        case .required(let names): required += names
        case .members(let members):
            self.members.append(members)
            for (name, node) in members.properties {
                if let place = places[JSONName(name)] {
                    properties[place].nodes.append(node)
                } else {
                    places[JSONName(name)] = properties.count
                    properties.append((name, [node]))
                }
            }
        default: break
        }
    }

    /// The subschemas of a member that is not among the properties.
    func additional(_ name: String, _ steps: inout Int) -> [Int] {
        var nodes: [Int] = []
        for members in members {
            let matching = members.patterns.filter { $0.pattern.matches(name, steps: &steps) ?? false }.map(\.node)
            nodes += matching
            if matching.isEmpty, members.node(of: name) == nil, let additional = members.additional {
                nodes.append(additional)
            }
        }
        return nodes
    }

    /// The constant to take, if the value is one of a few: the first that satisfies all of `enum`, `const` and `type`.
    func constant(_ salt: Int, _ steps: inout Int) -> JSONValue? {
        guard let values = constants.first?.values else { return nil }
        for index in values.indices {
            let value = values[(index + salt) % values.count]
            steps -= 1
            if !hasTypes || types.accepts(value), constants.allSatisfy({ $0.accepts(value, steps: &steps) }) {
                return value
            }
        }
        return values.first
    }

    /// The one type to build. Without `type` it is what the other rules speak of; without any, a string.
    var type: SchemaTypes {
        let order: [SchemaTypes] = [.object, .array, .string, .integer, .number, .boolean, .null]
        if let hinted = order.first(where: { hints.contains($0) && types.contains($0) }) { return hinted }
        return hasTypes ? order.first { types.contains($0) } ?? .null : .string
    }
}

extension SchemaFacets {
    private static let formats = [
        "date-time": "2025-01-01T00:00:00Z", "date": "2025-01-01", "time": "00:00:00Z", "duration": "P1D",
        "email": "user@example.com", "idn-email": "user@example.com", "hostname": "example.com",
        "uuid": "00000000-0000-4000-8000-000000000000", "uri": "https://example.com/", "iri": "https://example.com/",
        "uri-reference": "/", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "json-pointer": "/a", "regex": "a",
    ]

    /// A text that satisfies pattern, format and length, as far as that is found by trying.
    func string(_ salt: Int, _ steps: inout Int) -> String {
        let least = min(scalarsMin, JSONSchemaMaxima.exampleScalars)
        for pattern in patterns {
            for extra in [0, 1, 2, 3, 4, 8, least] where steps > 0 {
                let text = pattern.example(extra: extra, scalarsMax: JSONSchemaMaxima.exampleScalars)
                if accepts(text, &steps) { return text }
            }
        }
        if let format, let text = SchemaFacets.formats[format], accepts(text, &steps) { return text }
        var text = salt == 0 ? "text" : "\(salt)text"
        text = String(text.prefix(scalarsMax))
        steps -= max(0, least)
        return text + String(repeating: "x", count: max(0, least - text.unicodeScalars.count))
    }

    private func accepts(_ text: String, _ steps: inout Int) -> Bool {
        let count = text.unicodeScalars.count
        steps -= count
        return count >= scalarsMin && count <= scalarsMax
            && patterns.allSatisfy { $0.matches(text, steps: &steps) ?? false }
    }

    /// A number within the limits: 0 or 1 if possible, else one beside a limit.
    func number(_ salt: Int) -> JSONValue {
        let isInteger = hasTypes && !types.contains(.number)
        var bounds: [Double] = []
        var step = 1.0
        for rule in numberRules {
            switch rule {
            case .minimum(let decimal, _), .maximum(let decimal, _): bounds.append(decimal.double)
            case .multiple(let divisor): step = max(step == 1 ? 0 : step, divisor.double)
            default: break
            }
        }
        var candidates = [0.0, 1.0]
        if let low = bounds.min(), let high = bounds.max() { candidates.append((low + high) / 2) }
        for bound in bounds {
            let multiple = (bound / step).rounded() * step
            candidates += [bound, bound.rounded(.up), bound.rounded(.down), bound + 1, bound - 1]
            candidates += [multiple, multiple + step, multiple - step, bound + step, bound - step]
        }
        candidates.append(step)
        let fitting = candidates.filter { accepts($0, isInteger) }
        guard let number = fitting.first else { return SchemaFacets.value(candidates[0]) }
        if salt > 0, accepts(number + Double(salt) * step, isInteger) {
            return SchemaFacets.value(number + Double(salt) * step)
        }
        if salt > 0, accepts(number - Double(salt) * step, isInteger) {
            return SchemaFacets.value(number - Double(salt) * step)
        }
        return SchemaFacets.value(number)
    }

    private func accepts(_ number: Double, _ isInteger: Bool) -> Bool {
        guard number.isFinite, case .number(let text) = SchemaFacets.value(number) else { return false }
        let decimal = JSONDecimal(text)
        guard decimal.isInteger || !isInteger else { return false }
        return numberRules.allSatisfy { rule in
            switch rule {
            case .minimum(let least, let isExclusive): isExclusive ? decimal > least : decimal >= least
            case .maximum(let most, let isExclusive): isExclusive ? decimal < most : decimal <= most
            case .multiple(let divisor): decimal.isMultiple(of: divisor)
            default: true
            }
        }
    }

    /// An integer without a fraction: `1`, not `1.0`.
    private static func value(_ number: Double) -> JSONValue {
        Int(exactly: number).map(JSONValue.int) ?? .double(number)
    }
}

extension JSONDecimal {
    /// The nearest double; the largest finite ones for what is beyond.
    fileprivate var double: Double {
        let text = (isNegative ? "-" : "") + "0" + digits.map { String($0) }.joined() + "e\(exponent)"
        return JSONNumber(Double(text) ?? 0).double ?? 0
    }
}
