// SPDX-License-Identifier: Apache-2.0

import JSON
import Testing

@testable import Gateway

/// What a small request may make the built-in model do.
@Suite struct BuiltinTests {
    private func steps(_ body: String) throws -> [BuiltinModel.Step] {
        let document = try JSONDocument(parsing: Array(body.utf8))
        var model = BuiltinModel(try ModelRoute.chat.decode(document.root), name: "builtin")
        var steps: [BuiltinModel.Step] = []
        while let step = Optional(model.next()), step != .end { steps.append(step) }
        return steps
    }

    private func tokens(_ steps: [BuiltinModel.Step]) -> Int {
        steps.count { if case .event(.textDelta) = $0 { true } else { false } }
    }

    @Test func `gives no more tokens in many choices than in one`() throws {
        let body = #"{"model":"m","n":128,"messages":[{"role":"user","content":"/tokens 100000"}]}"#
        #expect((1...BuiltinScript.tokensMax).contains(tokens(try steps(body))))
    }

    @Test func `gives as many tokens as one choice may have`() throws {
        let body = #"{"model":"m","messages":[{"role":"user","content":"/tokens 100000"}]}"#
        #expect(tokens(try steps(body)) == BuiltinScript.tokensMax)
    }

    @Test func `gives the arguments of a tool in their order`() throws {
        let body = #"""
            {"model":"m","messages":[{"role":"user","content":"/tool f {\"text\": \"one two three four five\"}"}]}
            """#
        let arguments = try steps(body).reduce(into: "") { text, step in
            if case .event(.toolCallArguments(_, _, let piece)) = step { text += piece }
        }
        #expect(arguments == #"{"text": "one two three four five"}"#)
    }

    @Test(arguments: [(2048, 256, true), (2048, 257, false), (128, 4096, true), (129, 4096, false)])
    func `bounds the numbers of one answer`(inputs: Int, dimensions: Int, passes: Bool) throws {
        let list = Array(repeating: #""a""#, count: inputs).joined(separator: ",")
        let body = #"{"model":"m","dimensions":\#(dimensions),"input":[\#(list)],"encoding_format":"base64"}"#
        let document = try JSONDocument(parsing: Array(body.utf8))
        let answer = try? BuiltinEmbedding.respond(to: document.root, model: "m")
        #expect((answer != nil) == passes)
    }
}
