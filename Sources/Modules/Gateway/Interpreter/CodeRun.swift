// SPDX-License-Identifier: Apache-2.0

import Core
package import JSON

/// One program that the model wrote and the sandbox ran, as answers show it.
package struct CodeRun: Equatable, Sendable {
    /// The model's id of its call: letters, digits, `_` and `-`.
    package var id: String
    package var code: String
    /// What `POST /v1/executions` would have answered; an error object where it was not begun.
    package var result: JSONObject
    package var output: String
    package var errors: String
    package var exitCode: Int

    package init(id: String, code: String, result: JSONObject, output: String, errors: String, exitCode: Int) {
        self.id = String(id.filter { $0.isASCII && ($0.isLetter || $0.isNumber) }.prefix(40))
        (self.code, self.result, self.output, self.errors) = (code, result, output, errors)
        self.exitCode = exitCode
    }

    package static func == (a: CodeRun, b: CodeRun) -> Bool {
        a.id == b.id && a.code == b.code && a.output == b.output && a.errors == b.errors && a.exitCode == b.exitCode
            && JSONValue.object(a.result) == .object(b.result)
    }

    /// An entry of `precontext`.
    package var precontext: JSONValue { ["name": "code_sandbox", "result": .object(result)] }

    /// Anthropic's two blocks: the call, and what came of it.
    package var anthropicCall: JSONObject {
        [
            "type": "server_tool_use", "id": .string("srvtoolu_\(id)"), "name": "code_execution",
            "input": ["code": .string(code)],
        ]
    }

    package var anthropicResult: JSONObject {
        [
            "type": "code_execution_tool_result", "tool_use_id": .string("srvtoolu_\(id)"),
            "content": [
                "type": "code_execution_result", "stdout": .string(output), "stderr": .string(errors),
                "return_code": .int(exitCode), "content": .array(keptFiles),
            ],
        ]
    }

    /// Files that are kept now, as Anthropic names them.
    private var keptFiles: [JSONValue] {
        (result["files"]?.array ?? []).compactMap { file in
            file["file_id"]?.string.map { ["type": "code_execution_output", "file_id": .string($0)] }
        }
    }

    /// What the model is told.
    package var words: String {
        func cut(_ text: String, _ most: Int) -> String {
            let bytes = Array(text.utf8)
            guard bytes.count > most else { return text }
            // Errors stand at the end, what a program prints first at the beginning.
            return String(decoding: bytes[..<(most / 2)], as: UTF8.self) + "\n[…]\n"
                + String(decoding: bytes[(bytes.count - most / 2)...], as: UTF8.self)
        }
        var lines = ["status: \(result["status"]?.string ?? "failed"), exit code \(exitCode)"]
        if !output.isEmpty { lines.append("stdout:\n" + cut(output, Self.wordsBytesMax / 2)) }
        if !errors.isEmpty { lines.append("stderr:\n" + cut(errors, Self.wordsBytesMax / 4)) }
        if let note = result["note"]?.string { lines.append("note: " + note) }
        let files = (result["files"]?.array ?? []).prefix(20).compactMap { $0["name"]?.string }
        if !files.isEmpty { lines.append("files: " + cut(files.joined(separator: ", "), Self.wordsBytesMax / 8)) }
        return cut(lines.joined(separator: "\n"), Self.wordsBytesMax)
    }

    /// Bytes of a result that the model reads.
    package static let wordsBytesMax = 8 << 10
}
