// SPDX-License-Identifier: Apache-2.0

import Bytes
import JSON

/// What the built-in model has to say to a conversation, before it is cut into events.
struct BuiltinAnswer {
    /// Tokens of thinking, then of text or refusal.
    private(set) var thought: [String] = []
    private(set) var pieces: [String] = []
    private(set) var isRefusal = false
    private(set) var calls: [(name: String, arguments: String)] = []
    private(set) var finish: FinishReason = .stop

    /// Tokens of all of it.
    var tokenCount: Int {
        thought.count + pieces.count + calls.reduce(0) { $0 + BuiltinTokens.count($1.name + $1.arguments) }
    }

    init(_ request: ChatRequest, _ script: BuiltinScript) {
        // All choices together have no more than one may: a small request must not buy 128 long answers.
        let longest = max(1, BuiltinScript.tokensMax / max(1, request.choices))
        thought = BuiltinTokens.pieces(of: script.thought ?? "", max: longest)
        var text = ""
        if let refusal = script.refusal {
            isRefusal = true
            text = refusal
        } else if let forced = Self.calls(request, script) {
            calls = forced
            finish = .toolCalls
        } else {
            text = Self.text(request, script)
        }
        if !isRefusal, let stop = Self.cut(&text, at: request.stops) { finish = .stop(sequence: stop) }
        let most = min(request.outputTokensMax ?? longest, longest)
        // One more than may be given, to see whether there is more.
        pieces = BuiltinTokens.pieces(of: text, max: most + 1)
        if pieces.count > most {
            pieces.removeSubrange(most...)
            finish = .length
        }
        finish = script.finish ?? finish
    }

    /// The calls to make: those the script names, or the one the request demands. Not when a tool has just answered.
    private static func calls(_ request: ChatRequest, _ script: BuiltinScript) -> [(name: String, arguments: String)]? {
        guard results(request).isEmpty, request.toolChoice != .forbidden else { return nil }
        if !script.calls.isEmpty { return script.calls }
        let tool: ChatTool?
        switch request.toolChoice {
        case .required: tool = request.tools.first
        case .named(let name): tool = request.tools.first { $0.name == name }
        case .automatic, .forbidden: tool = nil
        }
        return tool.map { [($0.name, example(of: $0.parameters))] }
    }

    private static func text(_ request: ChatRequest, _ script: BuiltinScript) -> String {
        let results = results(request)
        if !results.isEmpty { return results.joined(separator: "\n") }
        if let raw = script.raw { return raw }
        if let count = script.tokens ?? script.tokensToBreak { return words(count) }
        switch request.format {
        case .text: return script.text
        case .jsonObject:
            let value: JSONValue = ["echo": .string(script.text)]
            return String(decoding: value.serialized(), as: UTF8.self)
        case .jsonSchema(let schema): return example(of: schema.schema)
        }
    }

    private static func words(_ count: Int) -> String {
        (0..<count).map { "word\($0 + 1)" }.joined(separator: " ")
    }

    /// `NAME returned: RESULT` for each tool that answered in the last turns.
    private static func results(_ request: ChatRequest) -> [String] {
        let names = request.messages.flatMap(\.parts).reduce(into: [String: String]()) { names, part in
            if case .toolUse(let use) = part { names[use.id] = use.name }
        }
        let last = request.messages.reversed().prefix { $0.role == .tool || $0.role == .user }
        return last.reversed().flatMap(\.parts).compactMap { part in
            guard case .toolResult(let result) = part else { return nil }
            let text = ChatMessage(.tool, result.content).text
            return "\(names[result.callID] ?? "tool") returned: \(text)"
        }
    }

    /// A value that fits a schema, as text; `{}` for none, or one that cannot be read.
    private static func example(of schema: JSONValue?) -> String {
        guard let schema, let value = try? JSONSchema.instance(of: schema) else { return "{}" }
        return String(decoding: value.serialized(), as: UTF8.self)
    }

    /// Cuts a text in front of the earliest stop sequence, and says which.
    private static func cut(_ text: inout String, at stops: [String]) -> String? {
        let bytes = Array(text.utf8)
        let found = stops.filter { !$0.isEmpty }.compactMap { stop in
            bytes.span.firstRange(of: Array(stop.utf8).span).map { (stop: stop, at: $0.lowerBound) }
        }
        guard let first = found.min(by: { $0.at < $1.at }) else { return nil }
        text = String(decoding: bytes[..<first.at], as: UTF8.self)
        return first.stop
    }
}
