// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import Glibc
import HTTP
import JSON
import Platform

/// `gatehouse provider …`: providers, and the keys they are called with.
struct ProviderCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    func list() throws(CommandFailure) {
        let providers = try client.call(.get, "/admin/v1/providers")["data"]?.array ?? []
        let secrets = try client.call(.get, "/admin/v1/store/secrets")["data"]?.array ?? []
        if invocation.has("json") { return client.show(["providers": .array(providers), "secrets": .array(secrets)]) }
        let rows = providers.map { provider in
            let key = provider["key"]?.string ?? "-"
            let secret = secrets.first { "keyring:\($0["name"]?.string ?? "")" == key }
            return ["name", "kind", "base_url"].map { provider[$0]?.string ?? "-" } + [
                key, provider["key_state"]?.string ?? "-", secret?["set_at"]?.string ?? "-",
                secret?["generation"]?.int.map(String.init) ?? "-",
            ]
        }
        Terminal.print(Terminal.table(["NAME", "KIND", "BASE", "KEY", "STATE", "SET", "GENERATION"], rows))
    }

    func setKey() throws(CommandFailure) {
        let name = invocation.operand("name") ?? ""
        let key = try read(name)
        let answer = try client.call(.put, path(name), ["value": .string(key)])
        if invocation.has("json") { return client.show(answer) }
        Terminal.print("\(name): key \(answer["generation"]?.int ?? 0) is set, and in use")
        try adviseIfUnused(name)
    }

    func removeKey() throws(CommandFailure) {
        let name = invocation.operand("name") ?? ""
        let answer = try client.call(.delete, path(name))
        if invocation.has("json") { return client.show(answer) }
        Terminal.print("\(name): the key is forgotten")
    }

    private func adviseIfUnused(_ name: String) throws(CommandFailure) {
        let providers = try client.call(.get, "/admin/v1/providers")["data"]?.array ?? []
        guard !providers.contains(where: { $0["key"]?.string == "keyring:\(name)" }) else { return }
        Terminal.complain("gatehouse: hint: no provider uses it yet: key = \"keyring:\(name)\"")
    }

    private func path(_ name: String) -> String { "/admin/v1/store/secrets/\(Percent.encode(name))" }

    private func read(_ name: String) throws(CommandFailure) -> String {
        guard isatty(0) == 0 else {
            guard let key = try TypedSecret.ask("key for \(name): ") else { throw CommandFailure("no key was given") }
            return key
        }
        return try TypedSecret.readStandardInput()
    }
}

/// Secrets that a command is given by a person or a pipe.
enum TypedSecret {
    static let bytesMax = 8192

    /// What is typed at the terminal, without showing it; `nil` for nothing.
    static func ask(_ prompt: String) throws(CommandFailure) -> String? {
        do throws(Errno) {
            return try TerminalSecret.ask(prompt, bytesMax: bytesMax).map { secret in
                secret.withBytes { String(decoding: $0) }
            }
        } catch {
            throw CommandFailure("there is no terminal to ask at: \(error)", hint: "give it on standard input")
        }
    }

    /// All of standard input, without the line break at its end.
    static func readStandardInput() throws(CommandFailure) -> String {
        var bytes: [UInt8]
        do throws(Errno) {
            // A descriptor of its own, so that closing it leaves standard input alone.
            bytes = try AtomicFile.read(
                FileDescriptor(owning: try Errno.check { fcntl(0, F_DUPFD_CLOEXEC, 3) }), bytesMax: bytesMax)
        } catch {
            throw CommandFailure("standard input cannot be read: \(error)")
        }
        defer { SecretBytes.wipe(&bytes) }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        guard bytes.span.isValidUTF8 else { throw CommandFailure("what came is not text") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
