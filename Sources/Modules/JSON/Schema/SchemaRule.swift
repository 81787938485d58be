// SPDX-License-Identifier: Apache-2.0

/// One thing that a subschema demands. A subschema is a list of these; numbers stand for other subschemas.
enum SchemaRule: Sendable {
    /// The schema `false`.
    case nothing
    case types(SchemaTypes)
    case constants(SchemaConstants)
    case minimum(JSONDecimal, isExclusive: Bool)
    case maximum(JSONDecimal, isExclusive: Bool)
    case multiple(of: JSONDecimal)
    case scalarsMin(Int)
    case scalarsMax(Int)
    case pattern(Pattern)
    /// Not judged; examples follow it.
    case format(String)
    case elementsMin(Int)
    case elementsMax(Int)
    case elements(prefix: [Int], rest: Int?)
    case uniqueElements
    case contains(Int, min: Int, max: Int?)
    case membersMin(Int)
    case membersMax(Int)
    case members(SchemaMembers)
    case memberNames(Int)
    case required([String])
    case dependentRequired(String, [String])
    case dependentSchema(String, Int)
    case all([Int])
    case any([Int])
    case one([Int])
    case not(Int)
    case condition(Int, then: Int?, else: Int?)
    case reference(Int)
}

/// The types of JSON Schema, in which an integer is a number too.
struct SchemaTypes: OptionSet, Sendable {
    let rawValue: UInt8

    static let null = SchemaTypes(rawValue: 1)
    static let boolean = SchemaTypes(rawValue: 2)
    static let integer = SchemaTypes(rawValue: 4)
    static let number = SchemaTypes(rawValue: 8)
    static let string = SchemaTypes(rawValue: 16)
    static let array = SchemaTypes(rawValue: 32)
    static let object = SchemaTypes(rawValue: 64)
    static let all = SchemaTypes(rawValue: 127)

    static let names: [(name: String, type: SchemaTypes)] = [
        ("null", .null), ("boolean", .boolean), ("integer", .integer), ("number", .number), ("string", .string),
        ("array", .array), ("object", .object),
    ]

    init(rawValue: UInt8) { self.rawValue = rawValue }

    init?(name: String) {
        guard let type = SchemaTypes.names.first(where: { $0.name == name })?.type else { return nil }
        self = type
    }

    var names: String { SchemaTypes.names.filter { contains($0.type) }.map(\.name).joined(separator: " or ") }

    func accepts(_ value: JSONValue) -> Bool {
        switch value {
        case .null: contains(.null)
        case .bool: contains(.boolean)
        case .number(let number): contains(.number) || contains(.integer) && JSONDecimal(number).isInteger
        case .string: contains(.string)
        case .array: contains(.array)
        case .object: contains(.object)
        }
    }

    /// The types whose values satisfy both.
    func common(with other: SchemaTypes) -> SchemaTypes {
        var common = SchemaTypes(rawValue: rawValue & other.rawValue)
        if contains(.number) && other.contains(.integer) || contains(.integer) && other.contains(.number) {
            common.insert(.integer)
        }
        return common
    }
}

/// The values of `enum` or `const`.
struct SchemaConstants: Sendable {
    let keyword: String
    let values: [JSONValue]
    private let canonical: Set<[UInt8]>
    private let longest: Int

    init(_ keyword: String, _ values: [JSONValue]) {
        self.keyword = keyword
        self.values = values
        let all = values.map(\.canonical)
        canonical = Set(all)
        longest = all.reduce(0) { max($0, $1.count) }
    }

    /// True if the value is one of them. Costs about the size of the value, and one that is clearly larger than all of
    /// them costs nothing.
    func accepts(_ value: JSONValue, steps: inout Int) -> Bool {
        if let string = value.string, string.utf8.count > longest { return false }
        let bytes = value.canonical
        steps -= bytes.count / 16
        return canonical.contains(bytes)
    }
}

/// `properties`, `patternProperties` and `additionalProperties`, which depend on each other.
final class SchemaMembers: Sendable {
    /// In the order of the schema.
    let properties: [(name: String, node: Int)]
    let patterns: [(pattern: Pattern, node: Int)]
    let additional: Int?
    private let nodes: [JSONName: Int]

    init(properties: [(name: String, node: Int)], patterns: [(pattern: Pattern, node: Int)], additional: Int?) {
        self.properties = properties
        self.patterns = patterns
        self.additional = additional
        nodes = Dictionary(properties.map { (JSONName($0.name), $0.node) }, uniquingKeysWith: { $1 })
    }

    func node(of name: String) -> Int? { nodes[JSONName(name)] }
}
