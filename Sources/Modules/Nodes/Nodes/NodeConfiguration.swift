// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP
import JSON

/// What a node is: a model with its instructions, as its tenant wrote it.
struct NodeConfiguration: Equatable, Sendable {
    /// Unique in the tenant; lower case, so that it is never taken for an id.
    var alias = ""
    var model = ""
    var systemPrompt: String?
    /// How a refusal is told: API.md's two ways. What is refused is the guard's to say.
    var refusals: Refusals?
    /// Whether threads are remembered, where the tenant agreed to it.
    var memory = false
    /// The node's wish for its threads; 0 keeps nothing, nil wishes nothing.
    var retentionSeconds: Int?
    var limits = NodeLimits()
    /// Tools in OpenAI's form, offered to the model with every turn.
    var tools: [JSONValue] = []

    enum Refusals: String, CaseIterable, Sendable {
        /// 422 `policy_refusal`.
        case error
        /// 200 with `finish_reason: "content_filter"`, on OpenAI's routes.
        case contentFilter = "content_filter"
    }

    /// The node's wish as retention knows it: threads, and what is remembered of them.
    var retention: RetentionRule {
        guard let retentionSeconds else { return RetentionRule() }
        let wish = Retention(seconds: retentionSeconds)
        return RetentionRule([.threads: wish, .memory: wish])
    }
}

/// What one turn of a node may take.
struct NodeLimits: Equatable, Sendable {
    /// Output tokens asked of the model at most.
    var outputTokens: Int?
    /// Earlier messages of a thread that are sent along at most.
    var contextMessages: Int?
    /// Bytes of one message from outside.
    var inputBytes: Int?

    static let names = ["max_output_tokens", "max_context_messages", "max_input_bytes"]
}

extension NodeConfiguration {
    static let names = [
        "alias", "model", "system_prompt", "policy", "memory", "retention_seconds", "limits", "tools", "anonymous",
    ]

    /// Takes over what a request says; a member that is null goes back to its default, an absent one stays.
    mutating func apply(_ body: JSONBody) throws(Failure) {
        if body.has("alias") {
            alias = try body.required("alias", body.string("alias", bytes: 1...NodesLimits.aliasBytesMax))
            guard Self.isAlias(alias) else {
                throw body.refusal("alias", "must be lower-case letters, digits and . _ -, a letter or digit first")
            }
        }
        if body.has("model") {
            model = try body.required("model", body.line("model", bytesMax: NodesLimits.modelBytesMax))
            guard !model.hasPrefix("node/") else { throw body.refusal("model", "a node's model cannot be a node") }
        }
        if body.has("system_prompt") {
            systemPrompt = try body.string("system_prompt", bytes: 0...NodesLimits.systemPromptBytesMax)
        }
        if body.has("policy") {
            refusals = try body.object("policy", known: ["refusals"])?.choice("refusals")
        }
        if body.has("memory") { memory = try body.bool("memory") ?? false }
        if body.has("retention_seconds") {
            retentionSeconds = try body.int("retention_seconds", in: 0...Retention.secondsMax)
        }
        if body.has("limits") { limits = try NodeLimits(body.object("limits", known: NodeLimits.names)) }
        if body.has("tools") { tools = try Self.tools(body) }
        // A node open to everybody needs a guard that asks no key; a wish for one is not taken and then not kept.
        if try body.bool("anonymous") == true {
            throw body.refusal("anonymous", "this version has no nodes without a key")
        }
    }

    /// What a creation must have said.
    func check(_ body: JSONBody) throws(Failure) {
        guard !alias.isEmpty else { throw body.refusal("alias", "must be given") }
        guard !model.isEmpty else { throw body.refusal("model", "must be given") }
    }

    static func isAlias(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, bytes.count <= NodesLimits.aliasBytesMax else { return false }
        func isPlain(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        return isPlain(first) && bytes.allSatisfy { isPlain($0) || [0x2D, 0x2E, 0x5F].contains($0) }
            && !text.hasPrefix("node_")
    }

    /// Whether one of the tools is the code interpreter, which is this house's own.
    var runsCode: Bool { tools.contains { $0["type"]?.string == "code_interpreter" } }

    private static func tools(_ body: JSONBody) throws(Failure) -> [JSONValue] {
        guard let value = body["tools"] else { return [] }
        guard let tools = value.array, tools.count <= NodesLimits.toolsMax else {
            throw body.refusal("tools", "must be a list of at most \(NodesLimits.toolsMax) tools")
        }
        for (index, tool) in tools.enumerated() {
            guard let problem = problem(of: tool) else { continue }
            throw body.refusal("tools[\(index)]", problem)
        }
        return tools
    }

    /// What is wrong with a tool, as a sentence; nil for one that a model can be offered.
    private static func problem(of tool: JSONValue) -> String? {
        guard let object = tool.object else { return "must be an object" }
        guard tool.serialized().count <= NodesLimits.toolBytesMax else {
            return "must have at most \(NodesLimits.toolBytesMax) bytes"
        }
        switch tool["type"]?.string {
        case "code_interpreter":
            return object.count == 1 ? nil : "has members that a code_interpreter does not have"
        case "function":
            guard object.names.allSatisfy(["type", "function"].contains), let function = tool["function"]?.object else {
                return "must have the member \"function\", an object, and no other"
            }
            let known = ["name", "description", "parameters", "strict"]
            guard function.names.allSatisfy(known.contains) else { return "has an unknown member in \"function\"" }
            guard let name = function["name"]?.string, isFunctionName(name) else {
                return "function.name must have 1 to 64 letters, digits, _ and -"
            }
            let parameters = function["parameters"]
            guard parameters == nil || parameters?.object != nil else { return "function.parameters must be an object" }
            guard function["description"].map({ $0.string != nil }) ?? true else {
                return "function.description must be a string"
            }
            guard function["strict"].map({ $0.bool != nil || $0.isNull }) ?? true else {
                return "function.strict must be true or false"
            }
            return nil
        default: return "type must be \"function\" or \"code_interpreter\""
        }
    }

    private static func isFunctionName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0.isASCIIDigit || $0.isASCIILetter || $0 == 0x5F || $0 == 0x2D }
    }
}

extension NodeLimits {
    init(_ body: JSONBody?) throws(Failure) {
        outputTokens = try body?.int("max_output_tokens", in: 1...1_000_000)
        contextMessages = try body?.int("max_context_messages", in: 0...10_000)
        inputBytes = try body?.int("max_input_bytes", in: 1...NodesLimits.messageBytesMax)
    }

    var json: JSONObject {
        [
            "max_output_tokens": outputTokens.map(JSONValue.int) ?? .null,
            "max_context_messages": contextMessages.map(JSONValue.int) ?? .null,
            "max_input_bytes": inputBytes.map(JSONValue.int) ?? .null,
        ]
    }
}

extension NodeConfiguration {
    /// As a client writes and reads it, and as it is sealed.
    var json: JSONObject {
        [
            "alias": .string(alias),
            "model": .string(model),
            "system_prompt": systemPrompt.map(JSONValue.string) ?? .null,
            "policy": refusals.map { ["refusals": .string($0.rawValue)] } ?? .null,
            "memory": .bool(memory),
            "retention_seconds": retentionSeconds.map(JSONValue.int) ?? .null,
            "limits": .object(limits.json),
            "tools": .array(tools),
            "anonymous": false,
        ]
    }

    /// Of what was sealed: what `json` wrote.
    init(stored bytes: [UInt8]) throws(Failure) {
        self.init()
        try apply(JSONBody(parsing: bytes, known: Self.names))
    }
}
