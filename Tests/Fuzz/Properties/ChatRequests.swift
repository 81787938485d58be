// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import JSON

@testable import Gateway

extension Property {
    /// A client's body is refused or becomes a provider's, which is JSON, and which we would take ourselves. The first byte
    /// of the input chooses the route, the rest is the body.
    package static let chatRequest = Property("ChatRequest") { (bytes) throws(Broken) -> Bool in
        var choices = Choices(bytes)
        let route = ModelRoute.allCases[choices.below(ModelRoute.allCases.count)]
        guard let document = try? JSONDocument(parsing: Array(choices.rest)) else { return false }
        let kinds = ProviderKind.allCases.filter { (try? route.table.check(document.root, for: $0)) != nil }
        // Without the table's check too: nothing may rely on it to stay alive.
        let facts = RequestFacts(document, route)
        let decoded = try? route.decode(document.root)
        try checkNative(document, route)
        if document.read({ PlainTable.chat.passes($0) }) {
            let extras = try? FieldTable.chat.check(document.root, for: .openai)
            try demand(extras?.isEmpty == true, "a plain body that the full walk refuses")
        }
        guard !kinds.isEmpty else { return false }
        try demand((0...document.bytes.count).contains(facts.inputBytes), "more input than bytes")
        guard let request = decoded else { return false }
        if kinds.contains(.openai), let body = try? OpenAIChatEncoder.encode(request, for: model).body {
            let sent = try interoperable(body)
            try demand(sent["model"]?.stringEquals("up") == true, "the model's name is not the provider's")
            do throws(Fault) {
                try FieldTable.chat.check(sent, for: .openai)
                _ = try OpenAIChatDecoder.decode(sent)
            } catch {
                throw Broken("what goes to OpenAI we would refuse: \(error.param ?? "") \(error.message)")
            }
        }
        if kinds.contains(.anthropic), let body = try? AnthropicEncoder.encode(request, for: model).body {
            let sent = try interoperable(body)
            try demand(sent["model"]?.stringEquals("up") == true, "the model's name is not the provider's")
            do throws(Fault) {
                try FieldTable.messages.check(sent, for: .anthropic)
                _ = try AnthropicDecoder.decode(sent)
            } catch {
                throw Broken("what goes to Anthropic we would refuse: \(error.param ?? "") \(error.message)")
            }
        }
        return true
    }

    private static let model = UpstreamModel(name: "up")

    private static func interoperable(_ body: [UInt8]) throws(Broken) -> JSONNode {
        guard let document = try? JSONDocument(parsing: body) else { throw Broken("a provider's body that is no JSON") }
        return document.root
    }

    /// The client's bytes on their way: JSON with the provider's name for the model, and every member that need not change
    /// as it came.
    private static func checkNative(_ document: JSONDocument, _ route: ModelRoute) throws(Broken) {
        guard document.root.kind == .object else { return }
        let sent = try interoperable(NativeRequest.body(document, route: route, for: model))
        try demand(sent["model"]?.stringEquals("up") == true, "the model's name is not the provider's")
        for member in document.root.members where !["model", "stream_options", "store"].contains(member.name) {
            try demand(sent[member.name]?.rawBytes == member.value.rawBytes, "\(member.name) has changed on its way")
        }
    }
}
