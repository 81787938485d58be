// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Testing

@testable import Gateway

/// Every row of every table, by the table itself: a value it takes, values it does not, and what is said then.
struct FieldTableTests {
    @Test(arguments: ModelRoute.allCases, ProviderKind.allCases)
    func `every row accepts what it says and refuses the rest by name`(_ route: ModelRoute, _ kind: ProviderKind) throws
    {
        var rows = 0
        for example in Examples(kind).object(route.table.fields) {
            let body = JSONValue.object(example.value)
            let document = try JSONDocument(parsing: body.serialized())
            let expected = example.fault.map { "\($0.code.rawValue) \($0.path)" } ?? "accepted"
            #expect(Self.outcome(route, document, kind) == expected, "\(body)")
            rows += 1
        }
        #expect(rows > (route == .embeddings ? 20 : 100))
    }

    @Test(arguments: ModelRoute.allCases, ProviderKind.allCases)
    func `the flat table passes nothing that the full walk refuses, and of chats most of the rest`(
        _ route: ModelRoute, _ kind: ProviderKind
    ) throws {
        let table = PlainTable(route.table.fields, for: kind)
        var (accepted, passed) = (0, 0)
        for example in Examples(kind).object(route.table.fields) {
            let document = try JSONDocument(parsing: JSONValue.object(example.value).serialized())
            let passes = document.read { table.passes($0) }
            if passes { #expect(example.fault == nil, "\(JSONValue.object(example.value))") }
            accepted += example.fault == nil ? 1 : 0
            passed += passes ? 1 : 0
        }
        // Elsewhere a member that must be there may be one that only the full walk can judge.
        if route == .chat, kind == .openai { #expect(passed * 2 > accepted, "\(passed) of \(accepted)") }
    }

    @Test(arguments: ModelRoute.allCases, ProviderKind.allCases)
    func `what a table accepts is translated or refused, and never traps`(_ route: ModelRoute, _ kind: ProviderKind)
        throws
    {
        guard route != .embeddings else { return }
        let model = UpstreamModel(name: "up")
        for example in Examples(kind).object(route.table.fields) where example.fault == nil {
            let document = try JSONDocument(parsing: JSONValue.object(example.value).serialized())
            guard let request = try? route.decode(document.root) else { continue }
            _ = try? OpenAIChatEncoder.encode(request, for: model)
            _ = try? AnthropicEncoder.encode(request, for: model)
            _ = RequestFacts(document, route)
        }
    }

    @Test(arguments: ModelRoute.allCases)
    func `the published schema takes what the table takes, and no other names`(_ route: ModelRoute) throws {
        let schema = try JSONSchema(route.table.schema)
        for kind in ProviderKind.allCases {
            for example in Examples(kind).object(route.table.fields) {
                if example.fault == nil {
                    #expect(schema.validate(.object(example.value)) == nil, "\(JSONValue.object(example.value))")
                } else if example.fault?.path.hasSuffix("no_such_field") == true {
                    #expect(schema.validate(.object(example.value)) != nil, "\(JSONValue.object(example.value))")
                }
            }
        }
    }

    @Test(arguments: ModelRoute.allCases, ProviderKind.allCases)
    func `no two rows of a table have one name`(_ route: ModelRoute, _ kind: ProviderKind) {
        let names = route.table.fields.map(\.name)
        #expect(Set(names).count == names.count)
    }

    @Test func `the provider's list lets a member pass, but not past a consent`() throws {
        let body = try document(
            #"{"model":"m","messages":[{"role":"user","content":"x","hint":1}],"own":2,"models":["a"]}"#)
        #expect(throws: Fault.self) { try FieldTable.chat.check(body.root, for: .openai, pass: ["own"]) }
        let pass: Set<String> = ["own", "models", "messages.hint"]
        let extras = try FieldTable.chat.check(body.root, for: .openai, pass: pass)
        #expect(extras == ["own": 2, "models": ["a"]])
        // The inner member would be lost in translation, so it is refused there.
        #expect(throws: Fault.self) { try FieldTable.chat.check(body.root, for: .anthropic, pass: pass) }
        let stored = try document(#"{"model":"m","messages":[{"role":"user","content":"x"}],"store":true}"#)
        #expect(throws: Fault.self) { try FieldTable.chat.check(stored.root, for: .openai, pass: ["store"]) }
    }

    @Test(arguments: [
        (#"{"model":{"$gt":""},"messages":[{"role":"user","content":"x"}]}"#, "invalid_parameter model"),
        (#"{"model":"m","messages":[{"role":"user","content":"x"}],"mode\u006c":"n","x":1}"#, "invalid_json"),
        (#"{"model":"m","messages":"x"}"#, "invalid_parameter messages"),
        (#"{"model":"m","messages":[]}"#, "invalid_parameter messages"),
        (#"{"model":"m","messages":[{"role":"root","content":"x"}]}"#, "invalid_parameter messages[0].role"),
        (#"{"model":"m","messages":[{"content":"x"}]}"#, "invalid_parameter messages[0].role"),
        (
            #"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
            "invalid_parameter messages[0].content[0].text"
        ),
        (
            #"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":"hot"}"#,
            "invalid_parameter temperature"
        ),
        (
            #"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1e30}"#,
            "invalid_parameter max_tokens"
        ),
        (#"{"model":"m","messages":[{"role":"user","content":"x"}],"n":-1}"#, "invalid_parameter n"),
        (#"[]"#, "invalid_parameter -"),
        (#"{"model":"m"}"#, "invalid_parameter messages"),
    ])
    func `hostile bodies are named and refused`(_ text: String, _ expected: String) throws {
        guard let body = try? document(text) else {
            #expect(expected == "invalid_json")
            return
        }
        #expect(Self.outcome(.chat, body, .openai) == expected)
    }

    static func outcome(_ route: ModelRoute, _ document: JSONDocument, _ kind: ProviderKind) -> String {
        do throws(Fault) {
            _ = try route.table.check(document.root, for: kind)
            return "accepted"
        } catch {
            return "\(error.code.rawValue) \(error.param ?? "-")"
        }
    }
}

/// Makes examples of what shapes take and refuse for one kind of provider.
struct Examples {
    struct Example<Value> {
        var value: Value
        /// nil for what is accepted.
        var fault: (code: ErrorCode, path: String)?
    }

    let kind: ProviderKind

    init(_ kind: ProviderKind) { self.kind = kind }

    /// Objects of these fields: each field in turn in each of its ways, the others at their least.
    func object(_ fields: [Field]) -> [Example<JSONObject>] {
        let base = least(fields)
        var examples = [Example(value: base, fault: nil)]
        examples.append(Example(value: base.with("no_such_field", 1), fault: (.unknownParameter, "no_such_field")))
        for field in fields {
            if field.isRequired {
                examples.append(Example(value: base.with(field.name, nil), fault: (.invalidParameter, field.name)))
            } else {
                examples.append(Example(value: base.with(field.name, .null), fault: nil))
            }
            examples += values(field).map { example in
                Example(
                    value: base.with(field.name, example.value),
                    fault: example.fault.map { ($0.code, Self.join(field.name, $0.path)) })
            }
        }
        return examples
    }

    private func values(_ field: Field) -> [Example<JSONValue>] {
        switch field.treatment(for: kind) {
        case .pass, .hint: return examples(field.shape)
        case .within(let narrower): return examples(narrower)
        case .only(let values, let code, _):
            let other = examples(field.shape).first { $0.fault == nil && !values.contains($0.value) }
            let more: [JSONValue] = [true, "flex", "24h", "1h", "fast", 2, 3, ["text", "audio"], ["a": 1], "x"]
            let refused =
                other?.value ?? more.first { value in field.shape.takes(value.kind) && !values.contains(value) }
            return values.map { Example(value: $0, fault: nil) }
                + (refused.map { [Example(value: $0, fault: (code, ""))] } ?? [])
        case .refused: return [Example(value: sample(field.shape), fault: (.invalidParameter, ""))]
        case .unknown: return [Example(value: sample(field.shape), fault: (.unknownParameter, ""))]
        }
    }

    /// Values of a shape, good and bad; bad ones with the path from the value.
    func examples(_ shape: Shape) -> [Example<JSONValue>] {
        switch shape {
        case .array(let element, let range):
            let inner = examples(element).map { example in
                Example(
                    value: JSONValue.array(.init(repeating: example.value, count: Swift.max(range.lowerBound, 1))),
                    fault: example.fault.map { ($0.code, Self.join("[0]", $0.path)) })
            }
            let short = range.lowerBound > 0 ? [bad([])] : []
            let long =
                range.upperBound < 64
                ? [bad(.array(.init(repeating: sample(element), count: range.upperBound + 1)))] : []
            return inner + short + long + [bad("text"), bad([:])]
        case .object(let fields):
            return object(fields).map { Example(value: .object($0.value), fault: $0.fault) } + [bad("text"), bad([])]
        case .map(let element, let range):
            return [good(["a": sample(element)]), bad([]), bad("text")]
                + (range.upperBound < 64
                    ? [bad(.object(JSONObject((0...range.upperBound).map { ("k\($0)", sample(element)) })))] : [])
        case .either(let shapes):
            var examples = shapes.flatMap(examples).filter { example in
                // A bad value of one shape may be a good one of another.
                example.fault == nil || shapes.contains { $0.takes(example.value.kind) } && example.fault?.path != ""
            }
            for value in [JSONValue.bool(true), 1, "", [], [:]] where !shapes.contains(where: { $0.takes(value.kind) })
            {
                examples.append(bad(value))
            }
            return examples
        case .tagged(let name, let fallback, let tags): return tagged(name, fallback, tags)
        case .choice(let choices): return choices.map { good(.string($0)) } + wrong(shape).map(bad)
        default: return [good(sample(shape))] + wrong(shape).map(bad)
        }
    }

    private func tagged(_ name: String, _ fallback: String?, _ tags: [FieldTag]) -> [Example<JSONValue>] {
        var examples = [bad("text"), bad([])]
        examples.append(Example(value: [name: "no-such-\(name)"], fault: (.invalidParameter, name)))
        examples.append(Example(value: [name: 7], fault: (.invalidParameter, name)))
        if fallback == nil { examples.append(Example(value: [:], fault: (.invalidParameter, name))) }
        for tag in tags {
            switch tag.treatment(for: kind) {
            case .pass, .hint, .within:
                examples += object(tag.fields).map { example in
                    Example(value: .object(example.value.with(name, .string(tag.name))), fault: example.fault)
                }
            case .refused, .unknown, .only:
                let value = least(tag.fields).with(name, .string(tag.name))
                examples.append(Example(value: .object(value), fault: (.invalidParameter, name)))
            }
        }
        return examples
    }

    private func least(_ fields: [Field]) -> JSONObject {
        var object = JSONObject()
        for field in fields where field.isRequired {
            if case .within(let narrower) = field.treatment(for: kind) {
                object.append(field.name, sample(narrower))
            } else {
                object.append(field.name, sample(field.shape))
            }
        }
        return object
    }

    /// One value a shape takes.
    func sample(_ shape: Shape) -> JSONValue {
        switch shape {
        case .any: return "anything"
        case .bool: return true
        case .integer(let range): return .int(Swift.max(range.lowerBound, Swift.min(1, range.upperBound)))
        case .number(let range): return .double(range.contains(0.5) ? 0.5 : range.lowerBound)
        case .string(let range): return .string(String(repeating: "x", count: Swift.max(range.lowerBound, 1)))
        case .choice(let choices): return .string(choices[0])
        case .address: return "https://example.org/a.png"
        case .fileData: return "data:application/pdf;base64,AAAA"
        case .array(let element, let range):
            return .array(.init(repeating: sample(element), count: Swift.max(range.lowerBound, 1)))
        case .object(let fields): return .object(least(fields))
        case .map(let element, _): return ["a": sample(element)]
        case .free: return ["type": "object"]
        case .either(let shapes): return sample(shapes[0])
        case .tagged(let name, _, let tags):
            let tag = tags.first { if case .pass = $0.treatment(for: kind) { true } else { false } } ?? tags[0]
            return .object(least(tag.fields).with(name, .string(tag.name)))
        }
    }

    /// Values a simple shape refuses.
    private func wrong(_ shape: Shape) -> [JSONValue] {
        switch shape {
        case .bool: return ["true", 1]
        case .integer(let range):
            let low = range.lowerBound.subtractingReportingOverflow(1)
            let high = range.upperBound.addingReportingOverflow(1)
            return ["1", 1.5, [:]] + (low.overflow ? [] : [.int(low.partialValue)])
                + (high.overflow ? [] : [.int(high.partialValue)])
        case .number(let range): return ["0.5", .double(range.lowerBound - 1), .double(range.upperBound + 1)]
        case .string(let range):
            return [1, [:]] + (range.lowerBound > 0 ? [""] : [])
                + (range.upperBound < 1 << 16 ? [.string(String(repeating: "x", count: range.upperBound + 1))] : [])
        case .choice: return ["no-such-choice", 1]
        case .address: return ["ftp://example.org/", "http://169.254.169.254/latest/meta-data/", 1]
        case .fileData: return ["http://localhost/a.pdf", 1]
        case .free: return ["text", []]
        default: return []
        }
    }

    private func good(_ value: JSONValue) -> Example<JSONValue> { Example(value: value, fault: nil) }
    private func bad(_ value: JSONValue) -> Example<JSONValue> { Example(value: value, fault: (.invalidParameter, "")) }

    private static func join(_ outer: String, _ inner: String) -> String {
        inner.isEmpty ? outer : inner.hasPrefix("[") ? outer + inner : "\(outer).\(inner)"
    }
}

extension JSONObject {
    func with(_ name: String, _ value: JSONValue?) -> JSONObject {
        var copy = self
        copy[name] = value
        return copy
    }
}
