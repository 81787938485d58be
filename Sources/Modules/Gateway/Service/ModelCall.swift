// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP
import JSON
import Log
import Platform

/// One client's request to a model, read and attributed: what every way of answering it starts from. On the loop of its
/// exchange.
final class ModelCall {
    let exchange: Exchange
    let route: ModelRoute
    /// The client's body, or what a node has made of it.
    let document: JSONDocument
    /// Where in it the members are that every call is asked for.
    let places: CallPlaces
    let isStreamed: Bool
    /// What a node put into the document before the client's own words.
    let nodePrompt: String
    /// Whether the node has a code interpreter: then it is its owner's, whatever the key may do by itself.
    let hasNodesInterpreter: Bool

    var root: JSONNode { document.root }

    /// Reads a body.
    ///
    /// - Throws: `invalid_json`, `invalid_parameter` for a body that is no object.
    init(_ exchange: borrowing Exchange, _ route: ModelRoute, body: consuming [UInt8]) throws(Failure) {
        let document = try Self.document(parsing: body)
        let read = document.read { view -> (CallPlaces, Bool)? in
            guard view.kind(of: 0) == .object else { return nil }
            let places = CallPlaces(view)
            return (places, places.stream > 0 && view.bool(places.stream) ?? false)
        }
        guard let (places, isStreamed) = read else {
            throw Failure(.invalidParameter, "the body must be a JSON object")
        }
        self.exchange = copy exchange
        self.route = route
        self.document = consume document
        self.places = places
        self.isStreamed = isStreamed
        nodePrompt = ""
        hasNodesInterpreter = false
    }

    private static func document(parsing body: consuming [UInt8]) throws(Failure) -> JSONDocument {
        do {
            return try JSONDocument(parsing: body)
        } catch {
            throw Failure(.invalidJSON, "the body is not valid JSON: \(error.message) at byte \(error.offset)")
        }
    }

    private init(_ other: ModelCall, document: JSONDocument, nodePrompt: String, hasNodesInterpreter: Bool) {
        exchange = other.exchange
        route = other.route
        self.document = document
        places = document.read { CallPlaces($0) }
        isStreamed = other.isStreamed
        self.nodePrompt = nodePrompt
        self.hasNodesInterpreter = hasNodesInterpreter
    }

    /// The same call with another document.
    func with(document: JSONDocument) -> ModelCall {
        ModelCall(self, document: document, nodePrompt: nodePrompt, hasNodesInterpreter: hasNodesInterpreter)
    }

    /// The same call with what a node has made of its document.
    func with(document: JSONDocument, of node: NodeModel) -> ModelCall {
        ModelCall(self, document: document, nodePrompt: node.systemPrompt, hasNodesInterpreter: node.runsCode)
    }

    /// Whether the call is a chat in the provider's own protocol that asks nothing but what its bytes say.
    func isPlain(for kind: ProviderKind) -> Bool {
        guard route == .chat, kind == .openai else { return false }
        return document.read { view in
            if !isStreamed, places.streamOptions > 0, !view.isNull(places.streamOptions) { return false }
            return PlainTable.chat.passes(view)
        }
    }

    /// The name the client gave.
    func modelName() throws(Failure) -> String {
        guard places.model > 0 else {
            throw Failure(.invalidParameter, "missing required parameter", param: "model")
        }
        let name = document.read { view in view.string(places.model) }
        guard let name, !name.isEmpty, name.utf8.count <= GatewayLimits.modelBytesMax else {
            throw Failure(.invalidParameter, "model must be a string of 1 to 256 bytes", param: "model")
        }
        return name
    }

    /// What the writers must know that no provider says. Called once a request, so that all its parts have one id.
    func context(_ model: Model) -> AnswerContext {
        AnswerContext(
            requestID: exchange.id, answerID: String(exchange.id.dropFirst("req_".count)),
            model: model.settings.upstream, created: Int(exchange.time.seconds))
    }

    /// Fields of the client's request that Anthropic's protocol gives a meaning to.
    func protocolFields(for kind: ProviderKind) -> Fields {
        var fields = Fields()
        guard kind == .anthropic else { return fields }
        let head = exchange.request.head.fields
        fields.append("anthropic-version", route.isAnthropic ? head["anthropic-version"] ?? "2023-06-01" : "2023-06-01")
        if route.isAnthropic, let beta = head["anthropic-beta"], beta.utf8.count <= 1024 {
            fields.append("anthropic-beta", beta)
        }
        return fields
    }

    /// - Throws: `unsupported_media_type`, `unsupported_encoding`.
    static func checkContentType(_ request: Request) throws(Failure) {
        guard request.withValue(of: .contentType, isJSON) ?? false else {
            throw Failure(.unsupportedMediaType, "the body must be sent as content-type: application/json")
        }
        guard let encoding = request[.contentEncoding], encoding.lowercased() != "identity" else { return }
        throw Failure(.unsupportedEncoding, "the body must be sent without content-encoding")
    }

    /// Whether a media type, which ends at its parameters (RFC 9110 §8.3.1), is that of JSON.
    private static func isJSON(_ type: Span<UInt8>) -> Bool {
        // Mostly it stands there alone and in small letters.
        if type.equals("application/json") { return true }
        var start = 0
        var end = 0
        while end < type.count, type[end] != UInt8(ascii: ";") { end += 1 }
        while start < end, type[start] == 0x20 || type[start] == 0x09 { start += 1 }
        while end > start, type[end - 1] == 0x20 || type[end - 1] == 0x09 { end -= 1 }
        return type.extracting(start..<end).equalsIgnoringASCIICase("application/json")
    }
}

/// Where members of a call's body are, found in one walk: places in the document, 0 for what it has not.
struct CallPlaces {
    // One by one: an object that holds a vector needs memory of a vector's alignment.
    private let places:
        (
            model: Int32, stream: Int32, streamOptions: Int32, store: Int32, completionTokensMax: Int32,
            tokensMax: Int32, tools: Int32, outputTokensMax: Int32
        )

    init(_ view: borrowing JSONView) {
        let found = view.values(of: Self.names, in: 0)
        places = (found[0], found[1], found[2], found[3], found[4], found[5], found[6], found[7])
    }

    var model: Int { Int(places.model) }
    var stream: Int { Int(places.stream) }
    var streamOptions: Int { Int(places.streamOptions) }
    var store: Int { Int(places.store) }
    /// `max_completion_tokens`
    var completionTokensMax: Int { Int(places.completionTokensMax) }
    /// `max_tokens`
    var tokensMax: Int { Int(places.tokensMax) }
    var tools: Int { Int(places.tools) }
    /// `max_output_tokens`
    var outputTokensMax: Int { Int(places.outputTokensMax) }

    private static let names = MemberNames(
        "model", "stream", "stream_options", "store", "max_completion_tokens", "max_tokens", "tools",
        "max_output_tokens")
}
