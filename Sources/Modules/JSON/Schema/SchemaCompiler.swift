// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Turns a schema's tree into lists of rules.
///
/// Places in the schema form a tree of locations, each made when it is first asked for and compiled once; a list of what
/// is still to be compiled takes the place of recursion, so `$ref` may go in circles.
struct SchemaCompiler {
    private struct Location {
        var parent: Int
        var token: String
        var value: JSONValue
        var node: Int?
    }

    private struct Key: Hashable {
        var parent: Int
        var token: JSONName
    }

    private var locations: [Location]
    private var children: [Key: Int] = [:]
    private var memberIndexes: [Int: [JSONName: Int]] = [:]
    private var nodes: [[SchemaRule]] = []
    private var pending: [Int] = []
    private var patternInstructions = 0

    static func compile(_ schema: JSONValue) throws(JSONSchemaError) -> [[SchemaRule]] {
        var compiler = SchemaCompiler(locations: [Location(parent: 0, token: "", value: schema)])
        _ = try compiler.node(at: 0)
        while let location = compiler.pending.popLast() {
            guard let node = compiler.locations[location].node else { continue }
            compiler.nodes[node] = try compiler.rules(at: location)
        }
        return compiler.nodes
    }

    private init(locations: [Location]) { self.locations = locations }

    // MARK: Places

    /// The subschema at a location, to be compiled if it has not been.
    mutating func node(at location: Int) throws(JSONSchemaError) -> Int {
        if let node = locations[location].node { return node }
        switch locations[location].value {
        case .object, .bool: break
        default: throw error(at: location, "a schema must be an object or a boolean")
        }
        guard nodes.count < JSONSchemaMaxima.subschemas else { throw error(at: location, "the schema is too large") }
        let node = nodes.count
        nodes.append([])
        locations[location].node = node
        pending.append(location)
        return node
    }

    func value(at location: Int) -> JSONValue { locations[location].value }

    /// The location of a member or element; nil if there is none.
    mutating func child(of parent: Int, _ token: String) -> Int? {
        let key = Key(parent: parent, token: JSONName(token))
        if let location = children[key] { return location }
        guard let value = find(token, in: parent) else { return nil }
        locations.append(Location(parent: parent, token: token, value: value))
        children[key] = locations.count - 1
        return locations.count - 1
    }

    private mutating func find(_ token: String, in parent: Int) -> JSONValue? {
        switch locations[parent].value {
        case .array(let elements):
            let digits = Array(token.utf8)
            guard let index = digits.span.decimal, index < elements.count, digits.count == 1 || digits[0] != 0x30 else {
                return nil
            }
            return elements[index]
        case .object(let object):
            if object.count <= 16 { return object[token] }
            // Large objects are those of definitions and properties, of which many members will be asked for.
            let indexes =
                memberIndexes[parent]
                ?? Dictionary(
                    object.members.enumerated().map { (JSONName($1.name), $0) }, uniquingKeysWith: { $1 })
            memberIndexes[parent] = indexes
            return indexes[JSONName(token)].map { object.members[$0].value }
        default: return nil
        }
    }

    func error(at location: Int, _ reason: String) -> JSONSchemaError {
        var tokens: [String] = []
        var place = location
        while place != 0 {
            tokens.append(locations[place].token)
            place = locations[place].parent
        }
        return JSONSchemaError(path: JSONPointer.text(tokens.reversed()), reason: reason)
    }

    /// The subschema that `$ref` names: `#`, or `#` and a JSON pointer, percent-encoded or not.
    mutating func reference(_ text: String, at location: Int) throws(JSONSchemaError) -> Int {
        guard text.utf8.first == UInt8(ascii: "#") else {
            throw error(at: location, "$ref must be within the schema (#/…)")
        }
        guard let fragment: String = Percent.decode(text.dropFirst()), let tokens = JSONPointer.tokens(fragment) else {
            throw error(at: location, "$ref must be # or a JSON pointer (#/…)")
        }
        var place = 0
        for token in tokens {
            guard let next = child(of: place, token) else { throw error(at: location, "$ref leads nowhere") }
            place = next
        }
        return try node(at: place)
    }

    /// An expression, within what is left for all of them.
    mutating func pattern(_ text: String, at location: Int) throws(JSONSchemaError) -> Pattern {
        do throws(PatternError) {
            let pattern = try Pattern(text)
            patternInstructions += pattern.instructionCount
            guard patternInstructions <= JSONSchemaMaxima.patternInstructions else {
                throw PatternError(.tooLarge, at: 0)
            }
            return pattern
        } catch {
            throw self.error(at: location, error.message)
        }
    }
}
