// SPDX-License-Identifier: Apache-2.0

/// Judges one value by a compiled schema.
///
/// Recursion follows the schema and the value together and is limited in depth; work is counted in steps. When either is
/// exhausted everything fails from there on, `not` included, so that a value is never accepted for lack of time.
struct SchemaValidator {
    private enum Token {
        case name(String)
        case index(Int)
    }

    private let nodes: [[SchemaRule]]
    /// What is left of the work.
    var steps: Int
    private var depth = 0
    private var isExhausted = false
    /// Above 0 while failures are answers and not violations, as in the branches of `anyOf`.
    private var quiet = 0
    private var path: [Token] = []
    private var violation: JSONSchemaViolation?

    static func validate(
        _ value: JSONValue, _ nodes: [[SchemaRule]], steps: inout Int
    ) -> JSONSchemaViolation? {
        var validator = SchemaValidator(nodes: nodes, steps: steps)
        let isValid = validator.check(0, value)
        steps = validator.steps
        if validator.isExhausted {
            return JSONSchemaViolation(path: "", keyword: "", reason: "needs too much work to be checked")
        }
        return isValid ? nil : validator.violation
    }

    private init(nodes: [[SchemaRule]], steps: Int) {
        self.nodes = nodes
        self.steps = steps
    }

    /// True if the value satisfies the subschema.
    mutating func check(_ node: Int, _ value: JSONValue) -> Bool {
        guard depth < JSONSchemaMaxima.depth else { return exhaust() }
        depth += 1
        defer { depth -= 1 }
        for rule in nodes[node] {
            steps -= 1
            if steps <= 0 { isExhausted = true }
            guard !isExhausted, check(rule, value) else { return false }
        }
        return !isExhausted
    }

    mutating func check(name: String, _ node: Int, _ value: JSONValue) -> Bool {
        path.append(.name(name))
        defer { path.removeLast() }
        return check(node, value)
    }

    mutating func check(index: Int, _ node: Int, _ value: JSONValue) -> Bool {
        path.append(.index(index))
        defer { path.removeLast() }
        return check(node, value)
    }

    /// True if the value satisfies the subschema; that it does not is no violation.
    mutating func satisfies(_ node: Int, _ value: JSONValue) -> Bool {
        quiet += 1
        defer { quiet -= 1 }
        return check(node, value)
    }

    /// Gives up. Returns false, for the caller to return.
    mutating func exhaust() -> Bool {
        isExhausted = true
        return false
    }

    /// Notes the first violation that counts. Returns false, for the caller to return.
    mutating func fail(_ keyword: String, _ reason: @autoclosure () -> String) -> Bool {
        guard quiet == 0, violation == nil else { return false }
        let tokens = path.map { token in
            switch token {
            case .name(let name): name
            case .index(let index): String(index)
            }
        }
        violation = JSONSchemaViolation(path: JSONPointer.text(tokens), keyword: keyword, reason: reason())
        return false
    }

    private mutating func check(_ rule: SchemaRule, _ value: JSONValue) -> Bool {
        switch rule {
        case .nothing: return fail("false", "is not allowed here")
        case .types(let types): return types.accepts(value) || fail("type", "must be \(types.names)")
        case .constants(let constants):
            return constants.accepts(value, steps: &steps)
                || fail(
                    constants.keyword,
                    constants.keyword == "const" ? "must be the constant" : "must be one of the enumerated values")
        case .minimum, .maximum, .multiple:
            guard let number = value.number else { return true }
            return check(rule, JSONDecimal(number))
        case .scalarsMin, .scalarsMax, .pattern:
            guard let string = value.string else { return true }
            return check(rule, string)
        case .format: return true
        case .elementsMin, .elementsMax, .elements, .uniqueElements, .contains:
            guard let array = value.array else { return true }
            return check(rule, array)
        case .membersMin, .membersMax, .members, .memberNames, .required, .dependentRequired, .dependentSchema:
            guard let object = value.object else { return true }
            return check(rule, object, value)
        case .all(let nodes):
            for node in nodes { guard check(node, value) else { return false } }
            return true
        case .any(let nodes):
            for node in nodes { if satisfies(node, value) { return true } }
            return fail("anyOf", "must satisfy one of anyOf")
        case .one(let nodes): return checkOne(nodes, value)
        case .not(let node):
            let satisfies = satisfies(node, value)
            return !isExhausted && (!satisfies || fail("not", "must not satisfy the schema of not"))
        case .condition(let condition, let then, let otherwise):
            guard let branch = satisfies(condition, value) ? then : otherwise else { return true }
            return check(branch, value)
        case .reference(let node): return check(node, value)
        }
    }

    private mutating func checkOne(_ nodes: [Int], _ value: JSONValue) -> Bool {
        var satisfied = 0
        for node in nodes where satisfies(node, value) {
            satisfied += 1
            if satisfied > 1 { return fail("oneOf", "must satisfy only one of oneOf") }
        }
        return satisfied == 1 || fail("oneOf", "must satisfy one of oneOf")
    }

    private mutating func check(_ rule: SchemaRule, _ number: JSONDecimal) -> Bool {
        switch rule {
        case .minimum(let least, let isExclusive):
            isExclusive
                ? number > least || fail("exclusiveMinimum", "must be above the exclusive minimum")
                : number >= least || fail("minimum", "must not be below the minimum")
        case .maximum(let most, let isExclusive):
            isExclusive
                ? number < most || fail("exclusiveMaximum", "must be below the exclusive maximum")
                : number <= most || fail("maximum", "must not be above the maximum")
        case .multiple(let divisor):
            number.isMultiple(of: divisor) || fail("multipleOf", "must be a multiple of the given number")
        default: true
        }
    }

    private mutating func check(_ rule: SchemaRule, _ string: String) -> Bool {
        steps -= string.utf8.count / 16
        switch rule {
        case .scalarsMin(let least):
            return string.unicodeScalars.count >= least || fail("minLength", "must have at least \(least) characters")
        case .scalarsMax(let most):
            return string.unicodeScalars.count <= most || fail("maxLength", "must have at most \(most) characters")
        case .pattern(let pattern):
            guard let matches = pattern.matches(string, steps: &steps) else { return exhaust() }
            return matches || fail("pattern", "must match the pattern")
        default: return true
        }
    }
}
