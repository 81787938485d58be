// SPDX-License-Identifier: Apache-2.0

import Admin
import Arguments
import Configuration
import Core
import HTTP
import JSON

/// `gatehouse key …`: a thin client of the routes below `/admin/v1/keys`, at the socket of the running server.
struct KeyCommands {
    private let invocation: Invocation
    private let client: AdminClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = AdminClient(socketPath: try Self.socketPath(ConfigurationFile(orEmbedded: invocation)))
    }

    func create() throws(CommandFailure) {
        var body: JSONObject = ["name": .string(invocation.string("name") ?? "")]
        let scopes = invocation.strings("scope")
        if !scopes.isEmpty { body["scopes"] = .array(scopes.map(JSONValue.string)) }
        let models = invocation.strings("model")
        if !models.isEmpty { body["models"] = .array(models.map(JSONValue.string)) }
        if let tenant = invocation.string("tenant") { body["tenant"] = .string(tenant) }
        if let expiry = invocation.duration("expires") {
            body["expires_in_seconds"] = .number(JSONNumber(Int(expiry.components.seconds)))
        }
        let answer = try call(.post, "/admin/v1/keys", .object(body))
        if invocation.has("json") { return show(answer) }
        Terminal.print(answer["key"]?.string ?? "")
        Terminal.complain(
            "gatehouse: \(answer["id"]?.string ?? "?"), shown this once; keep it where your program finds it")
    }

    func list() throws(CommandFailure) {
        let answer = try call(.get, "/admin/v1/keys")
        if invocation.has("json") { return show(answer) }
        let rows = (answer["data"]?.array ?? []).map { key in
            ["id", "prefix", "name", "created_at", "expires_at", "revoked_at"].map { key[$0]?.string ?? "-" }
        }
        Terminal.print(Terminal.table(["ID", "PREFIX", "NAME", "CREATED", "EXPIRES", "REVOKED"], rows))
    }

    func revoke() throws(CommandFailure) {
        let id = invocation.operand("id") ?? ""
        guard id.hasPrefix("key_"), id.utf8.allSatisfy({ $0 == 0x5F || ($0 >= 0x30 && $0 <= 0x7A) }) else {
            throw CommandFailure("\"\(id)\" is no key's id", hint: "gatehouse key list shows them: key_…", exitCode: 2)
        }
        let answer = try call(.delete, "/admin/v1/keys/\(id)")
        if invocation.has("json") { return show(answer) }
        Terminal.print("\(answer["prefix"]?.string ?? id) is revoked")
    }

    private func show(_ value: JSONValue) {
        Terminal.print(String(decoding: value.serialized(), as: UTF8.self))
    }

    private func call(
        _ method: HTTP.Method, _ path: String, _ body: JSONValue? = nil
    ) throws(CommandFailure) -> JSONValue {
        do throws(AdminClient.Failure) {
            return try client.call(method, path, body: body)
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Where the configuration puts the socket. Nothing else of the file is looked at, so that a server that runs can be
    /// reached while somebody edits its file.
    private static func socketPath(_ file: ConfigurationFile) throws(CommandFailure) -> String {
        do throws(ConfigurationError) {
            let configuration = try file.read()
            let data = try configuration.root.takePath("data", default: HouseSettings.standardDataDirectory)
            guard let section = try configuration.section("admin") else {
                throw configuration.root.error("there is no section [admin], so the server has no admin socket")
            }
            return try AdminSettings(section, dataDirectory: data).socketPath
        } catch {
            throw CommandFailure(error)
        }
    }
}

extension CommandFailure {
    init(_ failure: AdminClient.Failure) {
        switch failure {
        case .notRunning(let path):
            self.init("no server listens at \(path)", hint: "start one: gatehouse serve")
        case .forbidden(let path):
            self.init("\(path) may not be opened by this user", hint: "run this as root or as the server's user")
        case .broken(let what): self.init(what)
        case .refused(let message, let code, let requestID):
            self.init("\(message) (\(code), \(requestID))")
        }
    }
}
