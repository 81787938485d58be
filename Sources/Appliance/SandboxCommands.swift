// SPDX-License-Identifier: Apache-2.0

import Arguments
import Configuration
import Core
import Glibc
import JSON
import Log
import Platform
import Sandbox

/// `gatehouse sandbox check|run|languages`: a sandbox of this process's own, without a server.
struct SandboxCommands {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    /// What a box's self-test finds on this host.
    func inspection() throws(CommandFailure) -> Sandbox.Inspection { try with { $0.inspection } }

    func check() throws(CommandFailure) {
        let found = try inspection()
        if invocation.has("json") {
            let json: JSONValue = [
                "held": .array(found.held.map { .string($0) }), "troubles": .array(found.troubles.map { .string($0) }),
                "enforcement": .object(
                    JSONObject(found.enforcement.map { (name: $0.limit, value: .string($0.by)) })),
                "landlock": .int(found.landlock),
            ]
            Terminal.print(String(decoding: json.serialized(), as: UTF8.self))
        } else {
            let rows =
                found.held.map { [$0, "holds"] } + found.enforcement.map { [$0.limit, $0.by] }
                + [["Landlock", found.landlock > 0 ? "version \(found.landlock)" : "not in this kernel"]]
            Terminal.print(Terminal.table(["LAYER", ""], rows))
        }
        guard found.troubles.isEmpty else {
            let isGroupless = found.enforcement.contains { $0.by == "partial" }
            throw CommandFailure(
                "this host cannot keep what a sandbox promises: " + found.troubles.joined(separator: "; "),
                // A shell shares its group with what it starts, and such a group cannot be divided (cgroups(7)).
                hint: isGroupless
                    ? "a shell has no control group to give: systemd-run --scope -p Delegate=yes gatehouse sandbox check"
                    : nil)
        }
    }

    func languages() throws(CommandFailure) {
        let found = try with { $0.languagesBlocking() }
        if invocation.has("json") {
            let rows = found.map { language -> JSONValue in
                [
                    "name": .string(language.name), "version": language.version.map { .string($0) } ?? .null,
                    "command": .string(language.command), "file": .string(language.file),
                ]
            }
            return Terminal.print(String(decoding: JSONValue.array(rows).serialized(), as: UTF8.self))
        }
        Terminal.print(
            Terminal.table(
                ["LANGUAGE", "VERSION", "COMMAND", "FILE"],
                found.map { [$0.name, $0.version ?? "-", $0.command, $0.file] }))
    }

    func run() throws(CommandFailure) {
        guard let path = invocation.operand("file") else { throw CommandFailure("name a file", exitCode: 2) }
        guard let code = try? AtomicFile.read(path: path, bytesMax: 16 << 20) else {
            throw CommandFailure("\(path) cannot be read")
        }
        let answer: Result<JSONObject, Failure> = try with { sandbox in
            do throws(Failure) {
                return .success(
                    try sandbox.runBlocking(
                        code: code, named: path, language: invocation.string("language"),
                        arguments: invocation.operands("argument"), input: []))
            } catch {
                return .failure(error)
            }
        }
        switch answer {
        case .failure(let failure): throw CommandFailure(failure.message)
        case .success(let json): try show(json)
        }
    }

    /// Prints as the program did, and leaves as it did.
    private func show(_ json: JSONObject) throws(CommandFailure) {
        if invocation.has("json") {
            return Terminal.print(String(decoding: JSONValue.object(json).serialized(), as: UTF8.self))
        }
        let output = json["stdout"]?.string ?? ""
        if !output.isEmpty { Terminal.print(output.hasSuffix("\n") ? String(output.dropLast()) : output) }
        let errors = json["stderr"]?.string ?? ""
        if !errors.isEmpty { Terminal.complain(errors) }
        guard json["status"]?.string == "ok" else {
            let code = json["exit_code"]?.int.map { ", exit code \($0)" } ?? ""
            throw CommandFailure(
                "the run ended: \(json["status"]?.string ?? "?")\(code)", hint: json["note"]?.string)
        }
    }

    /// A sandbox as the configuration says, started, and stopped at the end.
    private func with<Answer>(_ body: (Sandbox) -> Answer) throws(CommandFailure) -> Answer {
        let sandbox: Sandbox
        do throws(ConfigurationError) {
            let configuration = try ConfigurationFile(orEmbedded: invocation).read()
            let section = try configuration.section("sandbox")
            let empty = try Configuration(text: "", file: configuration.file).root
            sandbox = try Sandbox(
                section ?? empty, settings: try HouseSettings(configuration), log: .disabled)
        } catch {
            throw CommandFailure(error)
        }
        do throws(StartFailure) {
            try sandbox.start()
        } catch {
            throw CommandFailure(error.message, hint: error.hint)
        }
        defer { sandbox.stop(by: .now() + .seconds(3)) }
        return body(sandbox)
    }
}
