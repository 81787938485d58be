// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP
import JSON
import Log
import Platform

/// One client's request to a model, read and attributed: what every way of answering it starts from.
struct ModelCall {
    let exchange: Exchange
    let route: ModelRoute
    /// The client's body, or what a node has made of it.
    var document: JSONDocument
    let isStreamed: Bool
    /// What a node put into the document before the client's own words.
    var nodePrompt = ""
    /// When the answer began, for ids and `created`.
    let time: WallTime

    var root: JSONNode { document.root }

    /// Reads a body.
    ///
    /// - Throws: `invalid_json`, `unsupported_media_type`, `unsupported_encoding`, `payload_too_large`.
    static func read(_ exchange: Exchange, _ route: ModelRoute, bytesMax: Int) async throws(Failure) -> ModelCall {
        try checkContentType(exchange.request.head.fields)
        let body = try await exchange.body(max: bytesMax)
        let document: JSONDocument
        do {
            document = try JSONDocument(parsing: body)
        } catch {
            throw Failure(.invalidJSON, "the body is not valid JSON: \(error.message) at byte \(error.offset)")
        }
        let (isObject, isStreamed) = document.read { view in
            (view.kind(of: 0) == .object, view.value(of: Names.stream, in: 0).flatMap { view.bool($0) } ?? false)
        }
        guard isObject else { throw Failure(.invalidParameter, "the body must be a JSON object") }
        return ModelCall(
            exchange: exchange, route: route, document: document, isStreamed: isStreamed, time: .now())
    }

    /// Whether the call is a chat in the provider's own protocol that asks nothing but what its bytes say.
    func isPlain(for kind: ProviderKind) -> Bool {
        guard route == .chat, kind == .openai else { return false }
        return document.read { view in
            if !isStreamed, let options = view.value(of: Names.streamOptions, in: 0), !view.isNull(options) {
                return false
            }
            return PlainTable.chat.passes(view)
        }
    }

    private enum Names {
        static let stream = MemberName("stream")
        static let streamOptions = MemberName("stream_options")
    }

    /// The name the client gave.
    func modelName() throws(Failure) -> String {
        guard let node = root["model"] else {
            throw Failure(.invalidParameter, "missing required parameter", param: "model")
        }
        guard let name = node.string, !name.isEmpty, name.utf8.count <= GatewayLimits.modelBytesMax else {
            throw Failure(.invalidParameter, "model must be a string of 1 to 256 bytes", param: "model")
        }
        return name
    }

    /// What the writers must know that no provider says. Called once a request, so that all its parts have one id.
    func context(_ model: Model) -> AnswerContext {
        AnswerContext(
            requestID: exchange.id, answerID: String(exchange.id.dropFirst("req_".count)),
            model: model.settings.upstream, created: Int(time.seconds))
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

    private static func checkContentType(_ fields: Fields) throws(Failure) {
        guard fields.withValue(of: "content-type", isJSON) ?? false else {
            throw Failure(.unsupportedMediaType, "the body must be sent as content-type: application/json")
        }
        guard let encoding = fields["content-encoding"], encoding.lowercased() != "identity" else { return }
        throw Failure(.unsupportedEncoding, "the body must be sent without content-encoding")
    }

    private static let jsonType = Array("application/json".utf8)

    /// Whether a media type, which ends at its parameters (RFC 9110 §8.3.1), is that of JSON.
    private static func isJSON(_ type: Span<UInt8>) -> Bool {
        var start = 0
        var end = 0
        while end < type.count, type[end] != UInt8(ascii: ";") { end += 1 }
        while start < end, type[start] == 0x20 || type[start] == 0x09 { start += 1 }
        while end > start, type[end - 1] == 0x20 || type[end - 1] == 0x09 { end -= 1 }
        let name = type.extracting(start..<end)
        // Mostly in small letters, for which one comparison will do.
        return name.equals(jsonType.span) || name.equalsIgnoringASCIICase(jsonType.span)
    }
}
