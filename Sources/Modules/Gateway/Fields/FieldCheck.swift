// SPDX-License-Identifier: Apache-2.0

import Core
package import JSON

/// The fields of one route, and the check of a body against them.
package struct FieldTable: Sendable {
    package let fields: [Field]
    /// The kind of provider that speaks the route's own protocol, so that the client's bytes reach it; nil for none.
    package let native: ProviderKind?

    init(native: ProviderKind?, _ fields: [Field]) {
        self.native = native
        self.fields = fields
    }

    /// Checks a whole body for a provider of one kind. `pass` names members the provider's configuration allows beyond
    /// the table, without indices as in `messages.cache_hint`; those of objects further in are allowed only where the
    /// client's bytes reach the provider.
    ///
    /// Returns the top-level members that only `pass` allowed: a translated request carries them verbatim.
    @discardableResult
    package func check(
        _ root: JSONNode, for kind: ProviderKind, pass: Set<String> = []
    ) throws(Fault) -> JSONObject {
        guard root.kind == .object else { throw .invalid(nil, "The body must be a JSON object.") }
        var check = FieldCheck(kind: kind, pass: pass, isNative: native == kind)
        try check.members(of: root, fields)
        return check.extras
    }
}

/// One walk over one body. Paths are only built of what is wrong.
struct FieldCheck {
    let kind: ProviderKind
    let pass: Set<String>
    let isNative: Bool
    var extras = JSONObject()
    /// The names of the members in which the walk stands.
    private var route: [String] = []

    init(kind: ProviderKind, pass: Set<String>, isNative: Bool) {
        self.kind = kind
        self.pass = pass
        self.isNative = isNative
    }

    mutating func members(of node: JSONNode, _ fields: [Field], tag: String? = nil) throws(Fault) {
        // Of the members that must be there: how many are. No name stands twice in a request.
        var requiredCount = 0
        for member in node.members {
            if let tag, member.nameEquals(tag) { continue }
            guard let index = fields.indices.first(where: { member.nameEquals(fields[$0].name) }) else {
                try allow(member, unless: { Fault.unknown(member.name) })
                continue
            }
            let field = fields[index]
            if field.isRequired { requiredCount += 1 }
            do throws(Fault) {
                try value(member.value, of: field, member)
            } catch {
                throw error.within(field.name)
            }
        }
        guard fields.indices.count(where: { fields[$0].isRequired }) > requiredCount else { return }
        for index in fields.indices where fields[index].isRequired && node[fields[index].name] == nil {
            throw .invalid(fields[index].name, "Missing required parameter.")
        }
    }

    /// A member of the table: its treatment first, then its shape.
    private mutating func value(_ node: JSONNode, of field: Field, _ member: JSONMember) throws(Fault) {
        if node.isNull && !field.isRequired { return }
        switch field.treatment(for: kind) {
        case .pass, .hint:
            try shape(node, field.shape, of: field)
        case .within(let narrower):
            try shape(node, field.shape, of: field)
            try shape(node, narrower, of: field)
        case .only(let values, let code, let reason):
            try shape(node, field.shape, of: field)
            guard !values.contains(where: { $0.means(node.value) }) else { return }
            let fault = Fault(code, "This value \(reason).", param: "")
            if code == .consentRequired { throw fault }
            try allow(member, unless: { fault })
        case .refused(let reason):
            try allow(member, unless: { Fault(.invalidParameter, "This parameter \(reason).", param: "") })
        case .unknown:
            try allow(
                member,
                unless: { Fault(.unknownParameter, "Unknown parameter for this model's provider.", param: "") })
        }
    }

    /// Lets a member pass if the provider's configuration says so.
    private mutating func allow(_ member: JSONMember, unless fault: () -> Fault) throws(Fault) {
        let name = member.name
        guard pass.contains(path(of: name)), route.isEmpty || isNative else { throw fault() }
        if route.isEmpty { extras[name] = member.value.value }
    }

    /// A member's path without indices, as `pass` names it.
    private func path(of name: String) -> String { (route + [name]).joined(separator: ".") }

    /// The shape of a member's value. What is wrong ends the walk, so the route is only put right behind what is not.
    private mutating func shape(_ node: JSONNode, _ shape: Shape, of field: Field) throws(Fault) {
        guard node.kind == .object || node.kind == .array else { return try self.shape(node, shape) }
        route.append(field.name)
        try self.shape(node, shape)
        route.removeLast()
    }

    private mutating func shape(_ node: JSONNode, _ shape: Shape) throws(Fault) {
        switch shape {
        case .any: return
        case .bool:
            guard node.kind == .bool else { throw .shape("must be true or false") }
        case .integer(let range):
            guard let value = node.int, range.contains(value) else {
                throw .shape("must be an integer between \(range.lowerBound) and \(range.upperBound)")
            }
        case .number(let range):
            guard let value = node.double, range.contains(value) else {
                throw .shape("must be a number between \(range.lowerBound) and \(range.upperBound)")
            }
        case .string(let range):
            guard let count = node.stringByteCount else { throw .shape("must be a string") }
            guard range.contains(count) else {
                throw .shape("must have between \(range.lowerBound) and \(range.upperBound) bytes")
            }
        case .choice(let choices):
            guard let value = node.string, choices.contains(value) else {
                throw .shape("must be one of: \(choices.joined(separator: ", "))")
            }
        case .address:
            guard let text = node.string else { throw .shape("must be a string") }
            try MediaAddress.check(text)
        case .fileData:
            guard let text = node.string else { throw .shape("must be a string") }
            if text.utf8.prefix(16).contains(UInt8(ascii: ":")) { try MediaAddress.check(text) }
        case .array(let element, let range):
            try elements(of: node, element, range)
        case .object(let fields):
            guard node.kind == .object else { throw .shape("must be an object") }
            try members(of: node, fields)
        case .map(let element, let range):
            guard node.kind == .object, range.contains(node.count) else {
                throw .shape("must be an object with at most \(range.upperBound) members")
            }
            for member in node.members {
                do throws(Fault) { try self.shape(member.value, element) } catch {
                    throw error.within(String(member.name.prefix(64)))
                }
            }
        case .free:
            guard node.kind == .object else { throw .shape("must be an object") }
        case .either(let shapes):
            guard let match = shapes.first(where: { $0.takes(node.kind) }) else {
                throw .shape("must be \(shapes.map(\.noun).joined(separator: " or "))")
            }
            try self.shape(node, match)
        case .tagged(let name, let fallback, let tags):
            try tagged(node, by: name, or: fallback, tags)
        }
    }

    private mutating func elements(
        of node: JSONNode, _ element: Shape, _ range: ClosedRange<Int>
    ) throws(Fault) {
        guard node.kind == .array else { throw .shape("must be an array") }
        guard range.contains(node.count) else {
            throw .shape("must have between \(range.lowerBound) and \(range.upperBound) elements")
        }
        var index = 0
        for child in node.elements {
            do throws(Fault) { try shape(child, element) } catch { throw error.within("[\(index)]") }
            index += 1
        }
    }

    private mutating func tagged(
        _ node: JSONNode, by name: String, or fallback: String?, _ tags: [Tag]
    ) throws(Fault) {
        guard node.kind == .object else { throw .shape("must be an object") }
        let value: String? =
            if let tag = node[name], !(tag.isNull && fallback != nil) { tag.string } else { fallback }
        guard let value else { throw .invalid(name, "Missing or not a string.") }
        let kind = kind
        guard let tag = tags.first(where: { $0.name == value }) else {
            let known = tags.lazy.filter { if case .pass = $0.treatment(for: kind) { true } else { false } }
            throw .invalid(name, "Must be one of: \(known.prefix(16).map(\.name).joined(separator: ", ")).")
        }
        switch tag.treatment(for: kind) {
        case .refused(let reason):
            guard isNative, pass.contains(path(of: value)) else { throw .invalid(name, "This \(name) \(reason).") }
        case .unknown, .only:
            throw .invalid(name, "This \(name) is not supported by this model's provider.")
        case .pass, .hint, .within:
            try members(of: node, tag.fields, tag: name)
        }
    }
}

extension Shape {
    /// Whether a value of that JSON kind may be of this shape at all.
    func takes(_ kind: JSONKind) -> Bool {
        switch self {
        case .any: true
        case .bool: kind == .bool
        case .integer, .number: kind == .number
        case .string, .choice, .address, .fileData: kind == .string
        case .array: kind == .array
        case .object, .map, .free, .tagged: kind == .object
        case .either(let shapes): shapes.contains { $0.takes(kind) }
        }
    }

    /// The shape in a word, for an error.
    var noun: String {
        switch self {
        case .any: "anything"
        case .bool: "true or false"
        case .integer: "an integer"
        case .number: "a number"
        case .string, .choice, .address, .fileData: "a string"
        case .array: "an array"
        case .object, .map, .free, .tagged: "an object"
        case .either(let shapes): shapes.map(\.noun).joined(separator: " or ")
        }
    }
}

extension JSONValue {
    /// Equal as a value: `0` and `0.0` are the same number.
    fileprivate func means(_ other: JSONValue) -> Bool {
        if let a = double, let b = other.double { a == b } else { self == other }
    }
}

extension Fault {
    /// A value of a wrong shape, its place still to be named by whoever holds it.
    static func shape(_ message: String) -> Fault { Fault(.invalidParameter, "This value \(message).", param: "") }

    /// A member nobody knows. Its name is the caller's own text: what is shown of it is bounded.
    static func unknown(_ name: String) -> Fault {
        Fault(.unknownParameter, "Unknown parameter.", param: String(name.prefix(64)))
    }
}
