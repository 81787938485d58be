// SPDX-License-Identifier: Apache-2.0

import Admin
import Arguments
import Bytes
import Configuration
import Core
import HTTP
import JSON

/// What the operator's commands share: the running server's socket, calls of its routes, and what is printed.
struct OperatorClient {
    private let client: AdminClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        client = AdminClient(socketPath: try Self.socketPath(ConfigurationFile(orEmbedded: invocation)))
    }

    func call(
        _ method: HTTP.Method, _ path: String, _ body: JSONValue? = nil
    ) throws(CommandFailure) -> JSONValue {
        do throws(AdminClient.Failure) {
            return try client.call(method, path, body: body)
        } catch {
            throw CommandFailure(error)
        }
    }

    /// The same; `nil` where no server runs.
    func callIfRunning(_ method: HTTP.Method, _ path: String) throws(CommandFailure) -> JSONValue? {
        do throws(AdminClient.Failure) {
            return try client.call(method, path)
        } catch .notRunning {
            return nil
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Every element of a list, page by page.
    ///
    /// - Parameter query: what else stands in it (`tenant=acme`).
    func list(_ path: String, _ query: String = "") throws(CommandFailure) -> [JSONValue] {
        let query = query.isEmpty ? "" : "&\(query)"
        var all: [JSONValue] = []
        var after = ""
        while true {
            let page = try call(.get, "\(path)?limit=100\(after)\(query)")
            all += page["data"]?.array ?? []
            guard page["has_more"]?.bool == true, let next = page["next_cursor"]?.string else { return all }
            after = "&after=\(Percent.encode(next))"
        }
    }

    /// As JSON, for programs.
    func show(_ value: JSONValue) {
        Terminal.print(String(decoding: value.serialized(), as: UTF8.self))
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
