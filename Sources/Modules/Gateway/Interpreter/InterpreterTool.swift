// SPDX-License-Identifier: Apache-2.0

import Core
import JSON

/// The code interpreter in a client's body: found, checked, and replaced by a function that any model can call.
///
///     OpenAI       {"type":"code_interpreter","container":{"type":"auto"}}
///     Anthropic    {"type":"code_execution_20250825","name":"code_execution"}
///                  and {"type":"container_upload","file_id":"file_…"} among the blocks of the user's messages
struct InterpreterTool {
    /// What the model calls it.
    let name: String
    /// Files that the tenant keeps and that are to be there, by id.
    let fileIDs: [String]
    /// The body with the function in its place.
    let document: JSONDocument

    static let fileIDsMax = 20

    static let openAIType = "code_interpreter"
    static let anthropicPrefix = "code_execution_"

    static let description = """
        Runs a Python program in an isolated sandbox without network access and returns what it prints. Print every value you \
        want to see. Files written to the working directory are there in later calls and are given to the user.
        """
    static let parameters: JSONValue = [
        "type": "object", "properties": ["code": ["type": "string", "description": "a whole Python program"]],
        "required": ["code"], "additionalProperties": false,
    ]

    /// Nil where the body has none.
    ///
    /// - Throws: a fault for one that says what is not known.
    init?(_ call: borrowing ModelCall) throws(Fault) {
        let isAnthropic = call.route == .messages
        let isResponses = call.route == .responses
        // Most calls have no tools, which is known without looking.
        guard call.places.tools > 0, call.route == .chat || isAnthropic || isResponses,
            let tools = call.root["tools"], tools.kind == .array
        else { return nil }
        let places = tools.elements.enumerated().filter { Self.isInterpreter($1, isAnthropic) }.map(\.offset)
        guard let place = places.first else { return nil }
        guard places.count == 1 else {
            throw .invalid("tools[\(places[1])]", "There is one code interpreter.")
        }
        let named = try Self.check(Array(tools.elements)[place], "tools[\(place)]", isAnthropic)
        fileIDs = isAnthropic ? try Self.uploads(call.root["messages"]) : named
        let name = isAnthropic ? "code_execution" : Self.openAIType
        self.name = name
        for (index, tool) in tools.elements.enumerated() where index != place {
            let other = isAnthropic || isResponses ? tool["name"]?.string : tool["function"]?["name"]?.string
            if other == name { throw .invalid("tools[\(index)]", "This is the name of the code interpreter.") }
        }
        document = try Self.rewritten(call.root.value, place: place, name: name, call.route)
    }

    /// How a client names it on a route; nil where there is none.
    static func asClientsName(_ route: ModelRoute) -> JSONValue? {
        switch route {
        case .chat: ["type": .string(openAIType)]
        case .messages: ["type": .string(anthropicPrefix + "20250825"), "name": "code_execution"]
        case .responses: ["type": .string(openAIType), "container": ["type": "auto"]]
        default: nil
        }
    }

    static func isInterpreter(_ tool: JSONNode, _ isAnthropic: Bool) -> Bool {
        guard let type = tool["type"]?.string else { return false }
        return isAnthropic ? type.hasPrefix(anthropicPrefix) : type == openAIType
    }

    /// - Returns: the ids of the container's files.
    private static func check(_ tool: JSONNode, _ path: String, _ isAnthropic: Bool) throws(Fault) -> [String] {
        let known = isAnthropic ? ["type", "name", "cache_control"] : ["type", "container"]
        for member in tool.members where !known.contains(member.name) {
            throw Fault(.unknownParameter, "Unknown parameter.", param: "\(path).\(member.name.prefix(64))")
        }
        if isAnthropic, tool["name"]?.string != "code_execution" {
            throw .invalid("\(path).name", "This must be \"code_execution\".")
        }
        guard let container = tool["container"], !container.isNull else { return [] }
        let files = container["file_ids"]
        guard container["type"]?.string == "auto", container.count == (files == nil ? 1 : 2) else {
            throw .invalid(
                "\(path).container",
                "This must be {\"type\":\"auto\"}, with \"file_ids\" where files are to be there: every answer has a sandbox of "
                    + "its own.")
        }
        guard let files, !files.isNull else { return [] }
        let ids = files.elements.map { $0.string ?? "" }
        guard files.kind == .array, ids.count <= fileIDsMax, Set(ids).count == ids.count, !ids.contains("") else {
            throw .invalid("\(path).container.file_ids", "This must be a list of at most \(fileIDsMax) ids of files.")
        }
        return ids
    }

    static let uploadType = "container_upload"

    /// The files that Anthropic's blocks put into the container, each once: every request has the blocks of those before it.
    private static func uploads(_ messages: JSONNode?) throws(Fault) -> [String] {
        guard let messages, messages.kind == .array else { return [] }
        var ids: [String] = []
        for (index, message) in messages.elements.enumerated() {
            guard let content = message["content"], content.kind == .array else { continue }
            for (place, block) in content.elements.enumerated() where block["type"]?.string == uploadType {
                let path = "messages[\(index)].content[\(place)]"
                guard message["role"]?.string == "user" else {
                    throw .invalid("\(path).type", "Files are put into the container by the user's messages.")
                }
                for member in block.members where !["type", "file_id", "cache_control"].contains(member.name) {
                    throw Fault(.unknownParameter, "Unknown parameter.", param: "\(path).\(member.name.prefix(64))")
                }
                guard let id = block["file_id"]?.string, !id.isEmpty else {
                    throw .invalid("\(path).file_id", "This must be the id of a file.")
                }
                if ids.contains(id) { continue }
                guard ids.count < fileIDsMax else {
                    throw .invalid("\(path).file_id", "At most \(fileIDsMax) files are put into the container.")
                }
                ids.append(id)
            }
        }
        return ids
    }

    private static func rewritten(
        _ body: JSONValue, place: Int, name: String, _ route: ModelRoute
    ) throws(Fault) -> JSONDocument {
        var body = body
        var tools = body["tools"]?.array ?? []
        let choice: JSONValue
        let function: JSONObject = [
            "name": .string(name), "description": .string(description), "parameters": parameters,
        ]
        switch route {
        case .messages:
            tools[place] = ["name": .string(name), "description": .string(description), "input_schema": parameters]
            choice = .null
            replay(&body)
        case .responses:
            var flat: JSONObject = ["type": "function"]
            for (name, value) in function.members { flat.append(name, value) }
            tools[place] = .object(flat)
            choice = ["type": "function", "name": .string(name)]
            replayItems(&body)
        default:
            tools[place] = ["type": "function", "function": .object(function)]
            choice = ["type": "function", "function": ["name": .string(name)]]
        }
        body["tools"] = .array(tools)
        if route != .messages, body["tool_choice"]?["type"]?.string == openAIType { body["tool_choice"] = choice }
        do throws(JSONError) {
            return try JSONDocument(parsing: body.serialized())
        } catch {
            throw .invalid("tools", "The body cannot be read.")
        }
    }

    /// Earlier answers come back with the blocks they were given with: a program and its result become words, and so does a
    /// file for the container, since the provider never saw a tool of that kind, and the file is none of the provider's.
    private static func replay(_ body: inout JSONValue) {
        guard var messages = body["messages"]?.array else { return }
        for (index, message) in messages.enumerated() {
            guard let blocks = message["content"]?.array else { continue }
            messages[index]["content"] = .array(
                blocks.map { block in
                    switch block["type"]?.string {
                    case "server_tool_use":
                        let code = block["input"]?["code"]?.string ?? ""
                        return ["type": "text", "text": .string("[I ran this program]\n\(code)")]
                    case "code_execution_tool_result":
                        let output = block["content"]?["stdout"]?.string ?? ""
                        let errors = block["content"]?["stderr"]?.string ?? ""
                        return ["type": "text", "text": .string("[It printed]\n\(output)\(errors)")]
                    case uploadType:
                        return ["type": "text", "text": "[A file lies in the program's working directory]"]
                    default: return block
                    }
                })
        }
        body["messages"] = .array(messages)
    }

    /// The same for OpenAI's items.
    private static func replayItems(_ body: inout JSONValue) {
        guard let items = body["input"]?.array else { return }
        body["input"] = .array(
            items.map { item in
                guard item["type"]?.string == "code_interpreter_call" else { return item }
                let logs = (item["outputs"]?.array ?? []).compactMap { $0["logs"]?.string }.joined()
                let text = "[I ran this program]\n\(item["code"]?.string ?? "")\n[It printed]\n\(logs)"
                return ["type": "message", "role": "assistant", "content": .string(text)]
            })
    }

    /// The program in a call's arguments; nil where there is none.
    static func code(in arguments: String) -> String? {
        guard let value = try? JSONValue(parsing: Array(arguments.utf8), strictness: .rfc8259),
            let code = value["code"]?.string, !code.isEmpty, code.utf8.count <= InterpreterSettings.codeBytesMax
        else { return nil }
        return code
    }
}
