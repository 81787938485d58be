// SPDX-License-Identifier: Apache-2.0

import Arguments
import Configuration
import Core
import Crypto
import Glibc
import Log
import Platform

/// `gatehouse setup`: writes a minimal configuration that passes `check`, and what it needs beside it: a root key, and a
/// certificate where none is named.
let setupCommand = Command(
    "setup", "write a first configuration, with a root key and a certificate",
    explanation: """
        Asks for what is not given, on a terminal and without --yes. What is there already is kept: a configuration is never \
        written over, and a root key never made anew, since the data directory could not be read without it.
        """,
    options: [
        CommandOption(
            "host", .text("NAME"), "a name this server answers to (default: the machine's)", isRepeatable: true),
        CommandOption("listen", .text("ADDRESS"), "where it speaks TLS", default: "[::]:8443"),
        CommandOption("certificate", .file, "the certificate with its chain, PEM (default: self-signed, made here)"),
        CommandOption("key", .file, "its private key, PEM"),
        CommandOption(
            "provider", .choice(["openai", "anthropic", "builtin"]), "the first provider's protocol (default: builtin)"),
        CommandOption("base-url", .text("URL"), "the provider's address, where it is not OpenAI's or Anthropic's own"),
        CommandOption("model", .text("NAME"), "the first model, as the provider calls it"),
        CommandOption("directory", .file, "where the configuration is written", default: "/etc/gatehouse"),
        CommandOption("data", .file, "the data directory", default: "/var/lib/gatehouse"),
        CommandOption(flag: "yes", "ask nothing"),
    ],
    examples: [
        "gatehouse setup --host ai.example.org --provider openai --model gpt-4o-mini --yes",
        "gatehouse setup --host ai.example.org --certificate /etc/ssl/ai.pem --key /etc/ssl/private/ai.key",
    ])

struct SetupCommand {
    private let invocation: Invocation
    private let directory: String
    /// The user that the package's service runs as; nil where there is none.
    private let group: gid_t?

    init(_ invocation: Invocation) {
        self.invocation = invocation
        directory = invocation.string("directory") ?? ""
        // Only root can give a file to a group that is not its own.
        // SAFETY: the entry is read at once, before anybody asks again; there is one thread.
        group = getuid() == 0 ? unsafe getgrnam("gatehouse").map { unsafe $0.pointee.gr_gid } : nil
    }

    private var file: String { directory + "/gatehouse.toml" }
    private var rootKey: String { directory + "/root.key" }
    private var madeCertificate: (certificate: String, key: String) {
        (directory + "/tls/cert.pem", directory + "/tls/key.pem")
    }

    func run() throws(CommandFailure) {
        guard unsafe access(file, F_OK) != 0 else {
            throw CommandFailure(
                "\(file) is there already; nothing was changed",
                hint: "edit it, then: gatehouse --config \(file) check")
        }
        let answers = try answers()
        let text = try answers.configuration(
            rootKey: rootKey, made: madeCertificate, data: invocation.string("data") ?? "")
        try check(text)
        try perform("\(directory) cannot be made") { () throws(Errno) in
            try AtomicFile.makeDirectory(path: directory, mode: 0o755)
        }
        try makeRootKey()
        if answers.certificate == nil { try makeCertificate(for: answers.names) }
        // Last: whatever failed before can be tried again.
        try perform("\(file) cannot be written") { () throws(Errno) in
            try AtomicFile.write(path: file, bytes: Array(text.utf8), mode: 0o644)
        }
        let isForService = group != nil && file == ConfigurationFile.packaged
        Terminal.print(answers.nextSteps(file: file, isServiceInstalled: isForService))
    }

    private func answers() throws(CommandFailure) -> SetupAnswers {
        let asks = !invocation.has("yes") && isatty(0) == 1 && isatty(1) == 1
        var hosts = invocation.strings("host")
        if hosts.isEmpty {
            let name = Self.machineName
            hosts = [asks ? Self.ask("Name under which clients reach this server", or: name) : name]
        }
        let certificate = invocation.string("certificate")
        guard (certificate == nil) == (invocation.string("key") == nil) else {
            throw CommandFailure("--certificate and --key go together", exitCode: 2)
        }
        var kind = invocation.string("provider")
        if kind == nil, asks { kind = Self.ask("First provider: openai, anthropic or builtin", or: "builtin") }
        let provider = kind ?? "builtin"
        guard ["openai", "anthropic", "builtin"].contains(provider) else {
            throw CommandFailure("\(provider) is none of openai, anthropic, builtin")
        }
        var model = invocation.string("model")
        if model == nil, provider != "builtin" {
            guard asks else {
                throw CommandFailure("--provider \(provider) needs --model, as the provider calls it", exitCode: 2)
            }
            model = Self.ask(
                "First model, as the provider calls it", or: provider == "openai" ? "gpt-4o-mini" : "claude-sonnet-4-5")
        }
        return SetupAnswers(
            hosts: hosts, listen: invocation.string("listen") ?? "",
            certificate: certificate.flatMap { certificate in
                invocation.string("key").map { (certificate, $0) }
            },
            provider: provider, baseURL: invocation.string("base-url"), model: model ?? "builtin-chat")
    }

    /// Refuses what `gatehouse check` would refuse, before anything is written.
    private func check(_ text: String) throws(CommandFailure) {
        do throws(ConfigurationError) {
            _ = try Composition(try Configuration(text: text, file: file), log: .disabled)
        } catch {
            throw CommandFailure(error)
        }
    }

    private func makeRootKey() throws(CommandFailure) {
        guard unsafe access(rootKey, F_OK) != 0 else { return }
        let digits = Random.bytes(32).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
        try perform("\(rootKey) cannot be written") { () throws(Errno) in
            try AtomicFile.write(path: rootKey, bytes: Array((digits + "\n").utf8), mode: 0o600)
        }
    }

    private func makeCertificate(for hosts: [String]) throws(CommandFailure) {
        let (certificate, key) = madeCertificate
        guard unsafe access(certificate, F_OK) != 0 || access(key, F_OK) != 0 else { return }
        let names = hosts.map { $0.hasPrefix("[") ? String($0.dropFirst().dropLast()) : $0 }
        let pair: SelfSignedCertificate
        do {
            pair = try SelfSignedCertificate(names: names, at: .now())
        } catch {
            throw CommandFailure("a certificate cannot be made for \(names.joined(separator: ", ")): \(error)")
        }
        try perform("\(key) cannot be written") { () throws(Errno) in
            try AtomicFile.makeDirectory(path: directory + "/tls", mode: 0o755)
            var bytes = pair.keyPEM.withBytes { bytes in bytes.indices.map { bytes[$0] } }
            defer { SecretBytes.wipe(&bytes) }
            try AtomicFile.write(path: key, bytes: bytes, mode: 0o600)
            if let group {
                // The service reads its key anew whenever the file changes, so it must be able to; nobody else.
                try Errno.check { unsafe chown(key, uid_t.max, group) }
                try Errno.check { unsafe chmod(key, 0o640) }
            }
            try AtomicFile.write(path: certificate, bytes: pair.certificatePEM, mode: 0o644)
        }
    }

    private func perform(_ what: String, _ body: () throws(Errno) -> Void) throws(CommandFailure) {
        do throws(Errno) {
            try body()
        } catch {
            throw CommandFailure("\(what): \(error)", hint: getuid() == 0 ? nil : "run it as root, or name --directory")
        }
    }

    private static func ask(_ question: String, or standard: String) -> String {
        Terminal.prompt("\(question) [\(standard)]: ")
        guard let line = readLine(), !line.isEmpty else { return standard }
        return line
    }

    private static var machineName: String {
        var name = [CChar](repeating: 0, count: 256)
        // SAFETY: the buffer is as long as said; its last byte stays zero, whatever the call leaves out.
        guard unsafe gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.isEmpty ? "localhost" : text.lowercased()
    }
}

/// What `gatehouse setup` was told, and the file it makes of it.
struct SetupAnswers {
    let hosts: [String]
    let listen: String
    /// The files of a certificate of one's own.
    let certificate: (certificate: String, key: String)?
    let provider: String
    let baseURL: String?
    let model: String

    /// The names it answers to: also the one under which its own machine reaches it.
    var names: [String] { hosts.contains("localhost") ? hosts : hosts + ["localhost"] }

    func configuration(
        rootKey: String, made: (certificate: String, key: String), data: String
    ) throws(CommandFailure) -> String {
        let files = certificate ?? made
        var lines = [
            "# Gatehouse's configuration: gatehouse.toml(5) explains every key. After a change:",
            "#     gatehouse check && systemctl reload gatehouse", "mode = \"production\"",
            "data = \(try quoted(data))", "",
            "[http]", "listen = [\(try quoted(listen))]", "redirect = []",
            "hosts = [\(try names.map(quoted).joined(separator: ", "))]",
            "tls = { certificate = \(try quoted(files.certificate)), key = \(try quoted(files.key)) }", "", "[store]",
            "# Without this key nothing in the data directory can be read: keep a copy of it elsewhere.",
            "unlock = [\"credential:root-key\", \(try quoted("file:" + rootKey))]", "", "[audit]", "[auth]",
            "[limiter]", "[nodes]",
            "[log]", "[admin]", "", "[gateway]", "[[gateway.provider]]", "name = \(try quoted(provider))",
            "kind = \(try quoted(provider))",
        ]
        if let baseURL { lines.append("base_url = \(try quoted(baseURL))") }
        if provider != "builtin" {
            lines.append("key = \"keyring:\(provider)\"        # gatehouse provider set-key \(provider)")
        }
        lines += [
            "", "[[gateway.model]]", "name = \(try quoted(provider == "builtin" ? "builtin" : model))",
            "provider = \(try quoted(provider))", "upstream = \(try quoted(model))",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    /// A string of TOML. What a person types here has neither quotes nor line breaks in it.
    private func quoted(_ text: String) throws(CommandFailure) -> String {
        guard text.utf8.allSatisfy({ $0 > 0x1F && $0 != 0x22 && $0 != 0x5C && $0 != 0x7F }) else {
            throw CommandFailure("this cannot stand in the configuration: \(text.debugDescription)", exitCode: 2)
        }
        return "\"\(text)\""
    }

    func nextSteps(file: String, isServiceInstalled: Bool) -> String {
        var lines = ["\(file) is written. Next:"]
        let command = file == ConfigurationFile.packaged ? "gatehouse" : "gatehouse --config \(file)"
        lines.append(isServiceInstalled ? "    systemctl enable --now gatehouse" : "    \(command) serve")
        if provider != "builtin" { lines.append("    \(command) provider set-key \(provider)") }
        lines.append("    \(command) key create --name first")
        if certificate == nil {
            lines.append(
                "Clients do not trust the self-signed certificate by themselves: give them its file, or name one of")
            lines.append("your own in [http] tls.")
        }
        return lines.joined(separator: "\n")
    }
}
