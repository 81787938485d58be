// SPDX-License-Identifier: Apache-2.0

import Arguments
import Configuration
import Core
import HTTP
import JSON
import Log
import Platform
import SQLite
import Store

/// `gatehouse store verify` and `gatehouse store inventory`.
struct StoreFileCommands {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    // MARK: - Verify

    /// Asks the running server; where none runs, opens the store itself.
    func verify() throws(CommandFailure) {
        let client = try OperatorClient(invocation)
        var checks: [JSONValue] = []
        if let files = try client.callIfRunning(.get, "/admin/v1/store/files") {
            for file in files["data"]?.array ?? [] {
                checks.append(try client.call(.post, "/admin/v1/store/verify", ["file": file]))
            }
        } else {
            checks = try verifyStopped()
        }
        if invocation.has("json") {
            client.show(.array(checks))
        } else {
            Terminal.print(Self.table(checks))
        }
        let damaged = checks.count { $0["ok"]?.bool != true }
        guard damaged == 0 else {
            throw CommandFailure(
                "\(damaged) of \(checks.count) files \(damaged == 1 ? "is" : "are") damaged",
                hint: "restore them from a backup; what is whole in them can still be read")
        }
    }

    private static func table(_ checks: [JSONValue]) -> String {
        let rows = checks.flatMap { check -> [[String]] in
            let file = check["file"]?.string ?? "?"
            let pages = "\(check["pages"]?.int ?? 0)"
            let problems = check["problems"]?.array ?? []
            guard !problems.isEmpty else { return [[file, pages, "whole"]] }
            let more = check["more"]?.int ?? 0
            return problems.map { [file, pages, $0["message"]?.string ?? ""] }
                + (more > 0 ? [[file, pages, "and \(more) damaged pages more"]] : [])
        }
        return Terminal.table(["FILE", "PAGES", ""], rows)
    }

    private func verifyStopped() throws(CommandFailure) -> [JSONValue] {
        do {
            let composition = try Composition(try ConfigurationFile(invocation).read(), log: .disabled)
            guard let store = composition.modules.lazy.compactMap({ $0.module as? Store }).first else {
                throw CommandFailure("there is no section [store], so nothing is stored")
            }
            try store.start()
            defer { store.stop(by: .now()) }
            var checks: [JSONValue] = []
            for file in store.tenants.files() { checks.append(try store.tenants.checkBlocking(file)) }
            return checks
        } catch let error as ConfigurationError {
            throw CommandFailure(error)
        } catch let failure as StartFailure {
            throw CommandFailure(failure.message, hint: failure.hint)
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure("the store cannot be checked: \(error)")
        }
    }

    // MARK: - Inventory

    /// Needs no server: the tables are in the program.
    func inventory() throws(CommandFailure) {
        let file = ConfigurationFile(orEmbedded: invocation)
        let inventory: Inventory
        do {
            inventory = try Inventory(Composition(try file.read(), log: .disabled).modules.flatMap(\.module.schemas))
        } catch let error as ConfigurationError {
            throw CommandFailure(error)
        } catch {
            throw CommandFailure("the inventory cannot be made: \(error)")
        }
        if invocation.has("json") {
            return Terminal.print(String(decoding: inventory.json.serialized(), as: UTF8.self))
        }
        let rows = inventory.rows.map { row in
            [
                "\(row.place.rawValue)", "\(row.table).\(row.column)", row.note?.kind.rawValue ?? "?",
                row.note?.sealing.rawValue ?? "?", row.note?.what ?? "?", row.kept,
            ]
        }
        Terminal.print(Terminal.table(["FILE", "COLUMN", "KIND", "SEALED", "WHAT", "KEPT"], rows))
    }
}

extension Inventory {
    /// Every column, for programs and for the page about what is stored.
    var json: JSONValue {
        .array(
            rows.map { row in
                [
                    "file": .string(row.place.rawValue), "table": .string(row.table), "column": .string(row.column),
                    "what": row.note.map { .string($0.what) } ?? .null,
                    "kind": row.note.map { .string($0.kind.rawValue) } ?? .null,
                    "sealed": row.note.map { .string($0.sealing.rawValue) } ?? .null, "kept": .string(row.kept),
                ]
            })
    }
}
