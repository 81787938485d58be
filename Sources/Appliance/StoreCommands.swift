// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import Configuration
import Core
import Glibc
import HTTP
import JSON
import Log
import Platform
import Store

/// `gatehouse store …`: a thin client of the routes below `/admin/v1/store`.
struct StoreCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    func status() throws(CommandFailure) {
        let status = try client.call(.get, "/admin/v1/store/status")
        if invocation.has("json") { return client.show(status) }
        var rows = [
            "master_key", "epoch", "rolled_at", "roll_interval_seconds", "erasures_before_roll", "tenants", "objects",
            "tombstones", "secrets", "slots",
        ].map { [$0, Self.text(status[$0])] }
        for (label, generations) in status["keys"]?.object?.members ?? [] {
            rows.append(["key \(label)", (generations.array ?? []).map(Self.text).joined(separator: " ")])
        }
        if let work = status["work"], !work.isNull {
            rows.append(["work", "\(Self.text(work["name"])): \(Self.text(work["status"]))"])
            if let failure = work["failure"]?.string { rows.append(["", failure]) }
        }
        Terminal.print(Terminal.table(["STORE", ""], rows))
    }

    // MARK: Rotation

    func rotate() throws(CommandFailure) {
        let what = invocation.operand("what") ?? ""
        guard what != "master" else { return try rotateMaster() }
        var body: JSONObject = ["what": .string(what)]
        if let tenant = invocation.operand("tenant") { body["tenant"] = .string(tenant) }
        _ = try client.call(.post, "/admin/v1/store/rotate", .object(body))
        let work = try wait()
        if invocation.has("json") { return client.show(work) }
        if let failure = work["failure"]?.string { throw CommandFailure(failure) }
        let results = (work["result"]?.object?.members ?? []).map { "\($0) \(Self.text($1))" }
        Terminal.print("\(what): done" + (results.isEmpty ? "" : " (\(results.joined(separator: ", ")))"))
    }

    /// Asks until the work is over, and shows how far it is.
    private func wait() throws(CommandFailure) -> JSONValue {
        let shows = isatty(2) == 1 && !invocation.has("json")
        while true {
            let work = try client.call(.get, "/admin/v1/store/status")["work"] ?? .null
            guard work["status"]?.string == "running" else { return work }
            if shows {
                Terminal.complain(
                    "gatehouse: \(Self.text(work["progress"]?["tenants"])) tenants, \(Self.text(work["progress"]?["objects"])) objects, \(Self.text(work["progress"]?["pages"])) pages"
                )
            }
            usleep(300_000)
        }
    }

    private func rotateMaster() throws(CommandFailure) {
        var secrets: [JSONValue] = []
        for path in invocation.strings("key-file") {
            secrets.append(["kind": "key", "secret": .string(try Self.key(inFile: path))])
        }
        if isatty(0) == 1 {
            let slots = try client.call(.get, "/admin/v1/store/slots")["data"]?.array ?? []
            for slot in slots where slot["kind"]?.string == "passphrase" {
                let prompt =
                    "passphrase of slot \(Self.text(slot["number"])) (\(Self.text(slot["name"]))), or nothing: "
                guard let text = try TypedSecret.ask(prompt) else { continue }
                secrets.append(["kind": "passphrase", "secret": .string(text)])
            }
        }
        let answer = try client.call(
            .post, "/admin/v1/store/rotate", ["what": "master", "secrets": .array(secrets)])
        if invocation.has("json") { return client.show(answer) }
        Terminal.print("master: done")
        for key in answer["recovery_keys"]?.array ?? [] { Self.show(recoveryKey: key["recovery_key"], key["slot"]) }
    }

    // MARK: Slots

    func slots() throws(CommandFailure) {
        switch invocation.operand("action") {
        case nil: try listSlots()
        case "add": try put(.post, "/admin/v1/store/slots", "is added")
        case "change": try put(.put, try slotPath(), "is changed")
        case "remove":
            let answer = try client.call(.delete, try slotPath())
            if invocation.has("json") { return client.show(answer) }
            Terminal.print("slot \(Self.text(answer["number"])) is removed")
        case let action?:
            throw CommandFailure("slots cannot be told to \(action)", hint: "add, change or remove", exitCode: 2)
        }
    }

    private func listSlots() throws(CommandFailure) {
        let slots = try client.call(.get, "/admin/v1/store/slots")["data"]?.array ?? []
        if invocation.has("json") { return client.show(.array(slots)) }
        let rows = slots.map { slot in ["number", "kind", "name", "created_at"].map { Self.text(slot[$0]) } }
        Terminal.print(Terminal.table(["SLOT", "KIND", "NAME", "CREATED"], rows))
    }

    private func put(_ method: HTTP.Method, _ path: String, _ outcome: String) throws(CommandFailure) {
        var body = try newSecret()
        if method == .post, let name = invocation.string("name") { body["name"] = .string(name) }
        let slot = try client.call(method, path, .object(body))
        if invocation.has("json") { return client.show(slot) }
        Terminal.print("slot \(Self.text(slot["number"])) (\(Self.text(slot["kind"]))) \(outcome)")
        Self.show(recoveryKey: slot["recovery_key"], slot["number"])
    }

    private func newSecret() throws(CommandFailure) -> JSONObject {
        let chosen = [invocation.string("key-file") != nil, invocation.has("passphrase"), invocation.has("recovery")]
        guard chosen.count(where: { $0 }) == 1 else {
            throw CommandFailure("one of --key-file, --passphrase and --recovery is needed", exitCode: 2)
        }
        if let path = invocation.string("key-file") {
            return ["kind": "key", "secret": .string(try Self.key(inFile: path))]
        }
        if invocation.has("recovery") { return ["kind": "recovery"] }
        guard isatty(0) == 1 else {
            return ["kind": "passphrase", "secret": .string(try TypedSecret.readStandardInput())]
        }
        guard let text = try TypedSecret.ask("new passphrase: "), try TypedSecret.ask("once more: ") == text else {
            throw CommandFailure("nothing was typed, or the two differ")
        }
        return ["kind": "passphrase", "secret": .string(text)]
    }

    private func slotPath() throws(CommandFailure) -> String {
        guard let number = invocation.int("slot") else {
            throw CommandFailure("which slot?", hint: "gatehouse store slots shows their numbers", exitCode: 2)
        }
        return "/admin/v1/store/slots/\(number)"
    }

    /// A key file's content as 64 hexadecimal digits.
    private static func key(inFile path: String) throws(CommandFailure) -> String {
        var bytes: [UInt8]
        do throws(Errno) {
            bytes = try AtomicFile.read(path: path, bytesMax: 256)
        } catch {
            throw CommandFailure("\(path) cannot be read: \(error)")
        }
        defer { SecretBytes.wipe(&bytes) }
        if bytes.count == 32 { return Hex.encode(bytes) }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        guard bytes.count == 64, bytes.allSatisfy({ $0.hexDigitValue != nil }) else {
            throw CommandFailure("\(path) holds no key", hint: "a key is 32 random bytes, or 64 hexadecimal digits")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func show(recoveryKey: JSONValue?, _ slot: JSONValue?) {
        guard let key = recoveryKey?.string else { return }
        Terminal.print(key)
        Terminal.complain(
            "gatehouse: the recovery key of slot \(text(slot)), shown this once; print it, and lock it away")
    }

    private static func text(_ value: JSONValue?) -> String {
        value?.string ?? value?.int.map(String.init) ?? "-"
    }

    // MARK: Without a server

    /// `gatehouse store accept-restored`, on the files of a stopped server.
    static func acceptRestored(_ invocation: Invocation) throws(CommandFailure) {
        guard invocation.has("yes") else {
            throw CommandFailure(
                "what was revoked, erased or changed since the older copy was made will be undone",
                hint: "if that is meant: gatehouse store accept-restored --yes", exitCode: 2)
        }
        do {
            let composition = try Composition(try ConfigurationFile(orEmbedded: invocation).read(), log: .disabled)
            guard let store = composition.roles.store else { throw CommandFailure("there is no section [store]") }
            try store.acceptRestored()
        } catch let error as StartFailure {
            throw CommandFailure(error.message, hint: error.hint)
        } catch let error as ConfigurationError {
            throw CommandFailure(error)
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure("\(error)")
        }
        Terminal.print("the files are taken as they are")
    }
}
