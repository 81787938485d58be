// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import JSON

/// The body of `POST /v1/executions`.
struct ExecutionRequest: Sendable {
    var language: Language
    var code: String
    var files: [BoxOrder.File] = []
    /// Files that the tenant keeps, by id, with the name that each is to have; nil for its own.
    var kept: [(name: [UInt8]?, id: String)] = []
    /// Whether what it leaves is kept, and named in the answer and not sent.
    var stores = false
    var input = ""
    var arguments: [String] = []
    var limits: BoxLimits
    var isStreamed = false
    /// The session in whose workspace it runs.
    var session: String?

    static let filesMax = 1000
    static let argumentsMax = 64
    static let argumentBytesMax = 4096

    static let names = ["language", "code", "files", "stdin", "args", "limits", "stream", "session_id", "store"]
    static let limitNames = ["wall_ms", "cpu_ms", "memory_bytes", "processes", "output_bytes", "disk_bytes"]

    /// - Throws: 400, naming the field.
    init(_ body: JSONBody, languages: [Language], settings: SandboxSettings) throws(Failure) {
        let bytesMax = settings.requestBytesMax
        let name = try body.required("language", body.string("language", bytes: 1...Language.nameBytesMax))
        guard let language = languages.first(where: { $0.name == name }) else {
            let names = languages.map { "\"\($0.name)\"" }.joined(separator: ", ")
            throw body.refusal("language", "must be one of \(names)")
        }
        self.language = language
        code = try body.required("code", body.string("code", bytes: 1...bytesMax))
        input = try body.string("stdin", bytes: 0...bytesMax) ?? ""
        isStreamed = try body.bool("stream") ?? false
        stores = try body.bool("store") ?? false
        session = try body.string("session_id", bytes: 1...64)
        limits = try Self.limits(body, settings)
        arguments = try Self.arguments(body)
        try readFiles(body)
    }

    private static func limits(_ body: JSONBody, _ settings: SandboxSettings) throws(Failure) -> BoxLimits {
        var limits = settings.standard
        guard let wanted = try body.object("limits", known: limitNames) else { return limits }
        func take(
            _ name: String, _ field: WritableKeyPath<BoxLimits, Int>, least: Int
        ) throws(Failure) {
            let most = settings.most[keyPath: field]
            if let value = try wanted.int(name, in: min(least, most)...most) { limits[keyPath: field] = value }
        }
        try take("wall_ms", \.wallMilliseconds, least: 1)
        try take("cpu_ms", \.cpuMilliseconds, least: 1)
        try take("memory_bytes", \.memoryBytes, least: 16 << 20)
        try take("processes", \.processes, least: 1)
        try take("output_bytes", \.outputBytes, least: 1)
        try take("disk_bytes", \.diskBytes, least: 64 << 10)
        return limits
    }

    private static func arguments(_ body: JSONBody) throws(Failure) -> [String] {
        guard let value = body["args"] else { return [] }
        guard let list = value.array, list.count <= argumentsMax else {
            throw body.refusal("args", "must be a list of at most \(argumentsMax) strings")
        }
        var arguments: [String] = []
        for element in list {
            guard let text = element.string, text.utf8.count <= argumentBytesMax, !text.utf8.contains(0) else {
                throw body.refusal("args", "must be strings of at most \(argumentBytesMax) bytes, without NUL")
            }
            arguments.append(text)
        }
        return arguments
    }

    private mutating func readFiles(_ body: JSONBody) throws(Failure) {
        guard let value = body["files"] else { return }
        guard let list = value.array, list.count <= Self.filesMax else {
            throw body.refusal("files", "must be a list of at most \(Self.filesMax) files")
        }
        var names = Set<[UInt8]>()
        for (index, element) in list.enumerated() {
            guard let object = element.object else { throw body.refusal("files[\(index)]", "must be an object") }
            let file = try JSONBody(object, known: ["name", "content_base64", "file_id"], path: "files[\(index)].")
            let id = try file.string("file_id", bytes: 1...64)
            if id != nil, file["content_base64"] != nil {
                throw file.refusal("file_id", "comes in the place of content_base64")
            }
            let given = try file.string("name", bytes: 0...WorkspacePath.bytesMax)
            if let id, given == nil {
                kept.append((nil, id))
                continue
            }
            let name = try file.required("name", given)
            do throws(WorkspacePath.Refusal) {
                try WorkspacePath.check(name)
            } catch {
                throw file.refusal("name", error.message)
            }
            let bytes = Array(name.utf8)
            guard names.insert(bytes).inserted else { throw file.refusal("name", "is the name of another file") }
            if let id {
                kept.append((bytes, id))
                continue
            }
            let text = try file.required("content_base64", file.string("content_base64", bytes: 0...(1 << 28)))
            guard let content = Base64.decode(text) else { throw file.refusal("content_base64", "is not base64") }
            files.append(BoxOrder.File(name: bytes, content: content))
        }
    }

    /// Adds files that the tenant keeps.
    mutating func add(_ more: [BoxOrder.File]) throws(Failure) {
        var names = Set(files.map(\.name))
        for file in more {
            guard names.insert(file.name).inserted else {
                throw Failure(.invalidParameter, "two files have one name; give each a name", param: "files")
            }
            files.append(file)
        }
    }

    /// What is handed to a box.
    ///
    /// - Parameter kept: files of its session; those that come with the request take their places.
    func order(layers: BoxLayers, cpuHundredths: Int, kept: [BoxOrder.File]? = nil) -> BoxOrder {
        let names = Set(files.map(\.name))
        let all = files + (kept ?? []).filter { !names.contains($0.name) }
        var name = language.file
        while all.contains(where: { $0.name == Array(name.utf8) }) { name = "_" + name }
        let main = BoxOrder.File(name: Array(name.utf8), content: Array(code.utf8))
        return BoxOrder(
            language.program(file: name, arguments: arguments, cpus: max(1, cpuHundredths / 100)), files: [main] + all,
            limits: limits, layers: layers, keepsAll: kept != nil)
    }

    /// For `/openapi.json`.
    static let schema: JSONValue = [
        "type": "object", "required": ["language", "code"], "additionalProperties": false,
        "properties": [
            "language": ["type": "string"], "code": ["type": "string"], "stdin": ["type": "string"],
            "args": ["type": "array", "items": ["type": "string"]],
            "files": [
                "type": "array",
                "items": [
                    "type": "object", "additionalProperties": false,
                    "properties": [
                        "name": ["type": "string"], "content_base64": ["type": "string"], "file_id": ["type": "string"],
                    ],
                ],
            ],
            "limits": [
                "type": "object", "additionalProperties": false,
                "properties": .object(
                    JSONObject(limitNames.map { (name: $0, value: ["type": "integer", "minimum": 1]) })),
            ],
            "stream": ["type": "boolean"], "store": ["type": "boolean"], "session_id": ["type": "string"],
        ],
    ]
}
