// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

private func parse(_ text: String) throws(JSONError) -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

/// `Tests/Vectors/JSONSchema/cases.json`: schemas with values that satisfy them and values that do not, and schemas that
/// are refused.
private enum SchemaVectors {
    static func rows(_ part: String) throws -> [JSONValue] {
        let tests = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined()
        let file = try JSONValue(parsing: TestFile.bytes(tests + "/Vectors/JSONSchema/cases.json"))
        return file[part]?.array ?? []
    }
}

@Suite struct `Schemas` {
    @Test func `judge values as the vectors say`() throws {
        var cases = 0
        for row in try SchemaVectors.rows("judged") + SchemaVectors.rows("older") {
            let schema = try JSONSchema(row["schema"] ?? .null)
            for value in row["valid"]?.array ?? [] {
                #expect(schema.validate(value) == nil, "\(value) by \(row)")
                cases += 1
            }
            for value in row["invalid"]?.array ?? [] {
                let violation = schema.validate(value)
                #expect(violation != nil, "\(value) by \(row)")
                #expect(violation?.keyword.isEmpty == false, "\(value) by \(row)")
                cases += 1
            }
        }
        #expect(cases >= 300)
    }

    @Test func `are refused where they are wrong`() throws {
        let rows = try SchemaVectors.rows("refused")
        #expect(rows.count >= 40)
        for row in rows {
            do throws(JSONSchemaError) {
                _ = try JSONSchema(row["schema"] ?? .null)
                Issue.record("accepted \(row)")
            } catch {
                #expect(error.path == row["path"]?.string, "\(row)")
                #expect(!error.reason.isEmpty)
            }
        }
    }

    @Test(arguments: [
        (#"{"properties":{"a/b":{"items":{"minimum":2}}}}"#, #"{"a/b":[2,1]}"#, "/a~1b/1", "minimum"),
        (#"{"required":["a"]}"#, "{}", "", "required"),
        (#"{"type":"string"}"#, "1", "", "type"),
        (#"{"additionalProperties":false}"#, #"{"x":1}"#, "/x", "false"),
        (#"{"items":{"anyOf":[{"type":"string"},{"type":"null"}]}}"#, "[null,1]", "/1", "anyOf"),
        (#"{"prefixItems":[{"oneOf":[{},{}]}]}"#, "[1]", "/0", "oneOf"),
        (#"{"allOf":[{"properties":{"a":{"enum":[1]}}}]}"#, #"{"a":2}"#, "/a", "enum"),
        (##"{"$ref":"#/$defs/a","$defs":{"a":{"items":{"pattern":"x"}}}}"##, #"["x","y"]"#, "/1", "pattern"),
    ])
    func `say where a value is wrong`(schema: String, value: String, path: String, keyword: String) throws {
        let violation = try JSONSchema(parse(schema)).validate(parse(value))
        #expect(violation?.path == path)
        #expect(violation?.keyword == keyword)
    }

    @Test func `names in a path are cut`() throws {
        let name = String(repeating: "n", count: 5_000)
        let deep = String(repeating: "{\"\(name)\":", count: 20) + "1" + String(repeating: "}", count: 20)
        let violation = try JSONSchema(parse(##"{"type":"object","additionalProperties":{"$ref":"#"}}"##)).validate(
            parse(deep))
        #expect(violation?.keyword == "type")
        #expect((violation?.path.utf8.count ?? .max) < 1_000)
    }

    @Test func `a reference in a circle is given up`() throws {
        for text in [
            ##"{"$ref":"#"}"##, ##"{"allOf":[{"$ref":"#"}]}"##, ##"{"not":{"$ref":"#"}}"##,
            ##"{"anyOf":[{"$ref":"#"},{}]}"##,
            ##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"not":{"$ref":"#/$defs/a"}}},"$ref":"#/$defs/a"}"##,
        ] {
            let violation = try JSONSchema(parse(text)).validate(1)
            #expect(violation?.keyword == "", "\(text)")
        }
    }

    @Test func `branches that multiply are given up`() throws {
        // Each level tries the next one twice, and the last one never holds.
        var definitions = (0..<40).map {
            ##""d\##($0)":{"anyOf":[{"$ref":"#/$defs/d\##($0 + 1)"},{"$ref":"#/$defs/d\##($0 + 1)"}]}"##
        }
        definitions.append(#""d40":false"#)
        let schema = try JSONSchema(
            parse(##"{"$defs":{\##(definitions.joined(separator: ","))},"$ref":"#/$defs/d0"}"##))
        #expect(schema.validate(1)?.keyword == "")
        _ = schema.instance()
    }

    @Test func `a schema that is too large is refused`() throws {
        let many = (0..<6_000).map { "\"p\($0)\":{}" }.joined(separator: ",")
        #expect(throws: JSONSchemaError.self) { try JSONSchema(parse("{\"properties\":{\(many)}}")) }
        let patterns = (0..<30).map { "{\"pattern\":\"a{900}\($0)\"}" }.joined(separator: ",")
        #expect(throws: JSONSchemaError.self) { try JSONSchema(parse("{\"anyOf\":[\(patterns)]}")) }
    }

    @Test func `a long text and a slow pattern are given up`() throws {
        let schema = try JSONSchema(parse(#"{"pattern":"(a?){900}b"}"#))
        #expect(schema.validate(.string(String(repeating: "a", count: 100_000)))?.keyword == "")
        #expect(schema.validate("aaaab") == nil)
    }

    @Test func `deep values are judged or given up`() throws {
        let schema = try JSONSchema(parse(##"{"anyOf":[{"type":"array","items":{"$ref":"#"}},{"type":"null"}]}"##))
        for depth in [1, 20, 60] {
            let text = String(repeating: "[", count: depth) + "null" + String(repeating: "]", count: depth)
            #expect(schema.validate(try parse(text)) == nil)
        }
        let text = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
        let value = try JSONValue(parsing: Array(text.utf8), limits: JSONLimits(depthMax: 512))
        #expect(schema.validate(value)?.keyword == "")
    }
}

@Suite struct `Examples of schemas` {
    @Test func `satisfy every schema of the table that can be satisfied`() throws {
        for row in try SchemaVectors.rows("judged") where row["valid"]?.array?.isEmpty == false {
            let schema = try JSONSchema(row["schema"] ?? .null)
            let instance = schema.instance()
            // Both of its branches hold for 0 and none for the other simple numbers.
            if row["schema"]?["oneOf"]?[0]?["multipleOf"] != nil { continue }
            #expect(schema.validate(instance) == nil, "\(instance) by \(row)")
            #expect(instance == schema.instance())
        }
    }

    @Test(arguments: [
        (
            #"{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer"},"c":{"type":"boolean"},"d":{"type":"null"},"e":{"type":"number"}}}"#,
            #"{"b":"text","a":0,"c":true,"d":null,"e":0}"#
        ),
        (#"{"type":"array","items":{"type":"string"}}"#, #"["text"]"#),
        (#"{"type":"array","items":{"type":"integer"},"minItems":3}"#, "[0,0,0]"),
        (#"{"type":"array","items":{"type":"integer"},"minItems":3,"uniqueItems":true}"#, "[0,1,2]"),
        (#"{"type":"array","items":{"enum":["a","b","c"]},"minItems":2,"uniqueItems":true}"#, #"["a","b"]"#),
        (#"{"enum":["x","y"]}"#, #""x""#), (#"{"const":{"k":1}}"#, #"{"k":1}"#),
        (#"{"type":["null","string"]}"#, #""text""#), (#"{"type":"string","minLength":6}"#, #""textxx""#),
        (#"{"type":"string","maxLength":2}"#, #""te""#),
        (#"{"type":"string","format":"date-time"}"#, #""2025-01-01T00:00:00Z""#),
        (#"{"type":"string","format":"date"}"#, #""2025-01-01""#),
        (#"{"type":"string","format":"email"}"#, #""user@example.com""#),
        (#"{"type":"string","format":"uuid"}"#, #""00000000-0000-4000-8000-000000000000""#),
        (#"{"type":"string","pattern":"^[A-Z]{3}-\\d{2}$"}"#, #""AAA-00""#),
        (#"{"type":"string","pattern":"^\\w+$","minLength":9}"#, #""aaaaaaaaa""#),
        (#"{"type":"string","pattern":"^a(?:b|c)+d?$"}"#, #""ab""#),
        (#"{"type":"integer","minimum":5}"#, "5"), (#"{"type":"integer","exclusiveMinimum":5}"#, "6"),
        (#"{"type":"integer","maximum":-5}"#, "-5"),
        (#"{"type":"number","exclusiveMinimum":0.5,"exclusiveMaximum":0.7}"#, "0.6"),
        (#"{"type":"integer","minimum":10,"multipleOf":7}"#, "14"), (#"{"type":"integer","minimum":1e3}"#, "1000"),
        (#"{"anyOf":[{"type":"integer"},{"type":"string"}]}"#, "0"),
        (#"{"oneOf":[{"type":"string"},{"type":"string"},{"type":"integer"}]}"#, "0"),
        (
            #"{"allOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"a":{"minLength":5},"b":{"type":"null"}},"required":["b"]}]}"#,
            #"{"a":"textx","b":null}"#
        ),
        (
            ##"{"type":"object","properties":{"value":{"type":"integer"},"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["value","next"]}"##,
            #"{"value":0,"next":null}"#
        ),
        (
            ##"{"$defs":{"t":{"type":"object","properties":{"n":{"type":"string"},"c":{"type":"array","items":{"$ref":"#/$defs/t"}}},"required":["n","c"]}},"$ref":"#/$defs/t"}"##,
            #"{"n":"text","c":[]}"#
        ),
        (##"{"type":"object","properties":{"self":{"$ref":"#"},"a":{"type":"null"}}}"##, #"{"a":null}"#),
        (#"{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false}"#, #"[0,"text"]"#),
        (
            #"{"type":"object","additionalProperties":{"type":"integer"},"minProperties":2}"#,
            #"{"member0":0,"member1":0}"#
        ),
        (#"{"type":"object","required":["x"],"patternProperties":{"^x":{"type":"boolean"}}}"#, #"{"x":true}"#),
        ("{}", #""text""#), ("true", #""text""#),
    ])
    func `are small and always the same`(schema: String, instance: String) throws {
        #expect(try JSONSchema.instance(of: parse(schema)).description == instance)
    }

    @Test(arguments: [
        #"{"type":"string","minLength":10000}"#, #"{"const":"\#(String(repeating: "x", count: 50_000))"}"#,
        #"{"type":"object","required":["\#(String(repeating: "x", count: 50_000))"]}"#,
    ])
    func `do not grow beyond what their schema is worth`(element: String) throws {
        let schema = #"{"type":"array","minItems":100,"items":{"type":"array","minItems":100,"items":\#(element)}}"#
        #expect(try JSONSchema.instance(of: parse(schema)).serialized().count < 2 * JSONSchemaMaxima.steps)
    }

    @Test func `end where nothing satisfies the schema`() throws {
        for text in [
            "false", ##"{"$ref":"#"}"##, ##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##,
            #"{"type":"string","minLength":1000000000}"#, #"{"type":"array","minItems":1000000000}"#,
            #"{"type":"string","pattern":"^a$","minLength":3}"#, #"{"type":"integer","minimum":2,"maximum":1}"#,
            #"{"type":"object","minProperties":100000}"#,
            ##"{"$defs":{"a":{"type":"object","properties":{"x":{"$ref":"#/$defs/b"},"y":{"$ref":"#/$defs/b"}},"required":["x","y"]},"b":{"type":"object","properties":{"x":{"$ref":"#/$defs/a"},"y":{"$ref":"#/$defs/a"}},"required":["x","y"]}},"$ref":"#/$defs/a"}"##,
        ] {
            let schema = try JSONSchema(parse(text))
            #expect(schema.validate(schema.instance()) != nil, "\(text)")
        }
    }
}
