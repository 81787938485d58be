// SPDX-License-Identifier: Apache-2.0

/// Rules of arrays and objects.
extension SchemaValidator {
    mutating func check(_ rule: SchemaRule, _ array: [JSONValue]) -> Bool {
        switch rule {
        case .elementsMin(let least):
            return array.count >= least || fail("minItems", "must have at least \(least) elements")
        case .elementsMax(let most):
            return array.count <= most || fail("maxItems", "must have at most \(most) elements")
        case .elements(let prefix, let rest):
            for (index, element) in array.enumerated() {
                guard let node = index < prefix.count ? prefix[index] : rest else { break }
                guard check(index: index, node, element) else { return false }
            }
            return true
        case .uniqueElements:
            var seen: Set<[UInt8]> = []
            for element in array {
                let bytes = element.canonical
                steps -= 1 + bytes.count / 16
                guard seen.insert(bytes).inserted else { return fail("uniqueItems", "must have no element twice") }
            }
            return true
        case .contains(let node, let least, let most):
            let count = array.count { satisfies(node, $0) }
            if count < least { return fail("contains", "must contain at least \(least) of the elements asked for") }
            if let most, count > most { return fail("maxContains", "must contain at most \(most) of these elements") }
            return true
        default: return true
        }
    }

    /// - Parameter value: the same object, as a value.
    mutating func check(_ rule: SchemaRule, _ object: JSONObject, _ value: JSONValue) -> Bool {
        switch rule {
        case .membersMin(let least):
            return object.count >= least || fail("minProperties", "must have at least \(least) members")
        case .membersMax(let most):
            return object.count <= most || fail("maxProperties", "must have at most \(most) members")
        case .members(let members): return check(members, object)
        case .memberNames(let node):
            return object.members.allSatisfy { check(name: $0.name, node, .string($0.name)) }
        case .required(let names): return has(names, object, "required")
        case .dependentRequired(let name, let names):
            return !has(name, object) || has(names, object, "dependentRequired")
        case .dependentSchema(let name, let node): return !has(name, object) || check(node, value)
        default: return true
        }
    }

    private mutating func check(_ members: SchemaMembers, _ object: JSONObject) -> Bool {
        for member in object.members {
            var isKnown = false
            if let node = members.node(of: member.name) {
                isKnown = true
                guard check(name: member.name, node, member.value) else { return false }
            }
            for (pattern, node) in members.patterns {
                guard let matches = pattern.matches(member.name, steps: &steps) else { return exhaust() }
                guard matches else { continue }
                isKnown = true
                guard check(name: member.name, node, member.value) else { return false }
            }
            if !isKnown, let additional = members.additional {
                guard check(name: member.name, additional, member.value) else { return false }
            }
        }
        return true
    }

    private mutating func has(_ name: String, _ object: JSONObject) -> Bool {
        steps -= object.count
        return object[name] != nil
    }

    /// True if the object has all of these names. Many names against many members are looked up in a set.
    private mutating func has(_ names: [String], _ object: JSONObject, _ keyword: String) -> Bool {
        let known = names.count > 8 ? Set(object.members.map { JSONName($0.name) }) : nil
        steps -= names.count + object.count
        for name in names {
            guard known?.contains(JSONName(name)) ?? has(name, object) else {
                return fail(keyword, "must have the member \"\(String(name.unicodeScalars.prefix(100)))\"")
            }
        }
        return true
    }
}
