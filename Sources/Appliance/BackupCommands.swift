// SPDX-License-Identifier: Apache-2.0

import Arguments
import Configuration
import Core
import Glibc
import HTTP
import JSON
import Log
import Platform
import Store

/// `gatehouse backup create|list|restore`.
struct BackupCommands {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    // MARK: - Create

    /// Asks the running server; where none runs, opens the store itself.
    func create() throws(CommandFailure) {
        let client = try OperatorClient(invocation)
        guard try client.callIfRunning(.get, "/admin/v1/backups") != nil else { return try createStopped() }
        _ = try client.call(.post, "/admin/v1/backups")
        let meter = Meter(isShown: !invocation.has("json"))
        while true {
            let work = try client.call(.get, "/admin/v1/backups")["work"] ?? .null
            guard work["status"]?.string == "running" else {
                meter.end()
                return try tell(work)
            }
            let progress = work["progress"] ?? .null
            meter.show(progress["files"]?.int ?? 0, of: progress["files_total"]?.int ?? 0, progress["bytes"]?.int ?? 0)
            usleep(200_000)
        }
    }

    private func tell(_ work: JSONValue) throws(CommandFailure) {
        if let failure = work["failure"]?.string {
            throw CommandFailure("no backup was made: \(failure)", hint: work["hint"]?.string)
        }
        let backup = work["result"] ?? .null
        if invocation.has("json") { return Terminal.print(String(decoding: backup.serialized(), as: UTF8.self)) }
        Terminal.print(
            "\(backup["name"]?.string ?? "?"): \(backup["tenants"]?.int ?? 0) tenants, \(backup["bytes"]?.int ?? 0) bytes"
        )
    }

    private func createStopped() throws(CommandFailure) {
        let (store, _) = try makeStore()
        let name: String
        do throws(StartFailure) {
            try store.start()
            defer { store.stop(by: .now()) }
            name = try store.backupBlocking()
        } catch {
            throw CommandFailure(error.message, hint: error.hint)
        }
        let result: JSONValue = ["object": "backup", "name": .string(name)]
        Terminal.print(invocation.has("json") ? String(decoding: result.serialized(), as: UTF8.self) : name)
    }

    // MARK: - List

    func list() throws(CommandFailure) {
        let (store, _) = try makeStore()
        if let place = invocation.string("from"), (try? FileStatus(path: place))?.kind != .directory {
            throw CommandFailure("there is no directory \(place)", hint: "name the one that backups are in")
        }
        let backups: [JSONValue]
        do throws(StartFailure) {
            backups = try store.backups(at: invocation.string("from"))
        } catch {
            throw CommandFailure(error.message, hint: error.hint)
        }
        if invocation.has("json") {
            return Terminal.print(String(decoding: JSONValue.array(backups).serialized(), as: UTF8.self))
        }
        let rows = backups.map { backup in
            [
                backup["name"]?.string ?? "?", backup["created_at"]?.string ?? "?", "\(backup["tenants"]?.int ?? 0)",
                "\(backup["bytes"]?.int ?? 0)",
            ]
        }
        Terminal.print(Terminal.table(["BACKUP", "CREATED", "TENANTS", "BYTES"], rows))
    }

    // MARK: - Restore

    func restore() throws(CommandFailure) {
        let (store, data) = try makeStore()
        let meter = Meter(isShown: !invocation.has("json"))
        let report: RestoreReport
        do throws(StartFailure) {
            report = try store.restore(invocation.operand("name"), from: invocation.string("from")) {
                meter.note($0, of: $1, $2)
            }
            meter.end()
            // Backups hold no audit log, and the restored control.db expects the one that was: a new one begins.
            try AuditFileCommands(invocation).expectNewLog(store)
        } catch {
            meter.end()
            throw CommandFailure("nothing was restored: \(error.message)", hint: error.hint)
        }
        if invocation.has("json") {
            let json: JSONValue = [
                "object": "backup.restored", "name": .string(report.name),
                "created_at": .string(report.createdAt.rfc3339), "keys_at": .string(report.keysAt.rfc3339),
                "tenants": .int(report.tenants), "deleted_tenants": .int(report.deletedTenants),
                "bytes": .int(report.bytes),
            ]
            return Terminal.print(String(decoding: json.serialized(), as: UTF8.self))
        }
        Terminal.print(
            """
            \(report.name) is restored to \(data): \(report.tenants) tenants, \(report.bytes) bytes
            as of \(report.createdAt.rfc3339); what was deleted up to \(report.keysAt.rfc3339) stays deleted
            """)
        if report.deletedTenants > 0 {
            Terminal.print("\(report.deletedTenants) of the tenants were deleted since and go when the server starts")
        }
    }

    // MARK: - The store

    /// The store that the configuration describes, not started, and its data directory.
    private func makeStore() throws(CommandFailure) -> (store: Store, data: String) {
        do {
            let composition = try Composition(try ConfigurationFile(orEmbedded: invocation).read(), log: .disabled)
            guard let store = composition.roles.store else {
                throw CommandFailure("there is no section [store], so nothing is stored")
            }
            return (store, composition.settings.dataDirectory)
        } catch let error as ConfigurationError {
            throw CommandFailure(error)
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure("\(error)")
        }
    }
}

/// Says on standard error, on one line, how far long work is; only to people.
private final class Meter {
    private let isShown: Bool
    private var files: Set<String> = []
    private var bytes = 0
    private var shown = Instant.now()
    private var hasShown = false

    init(isShown: Bool) { self.isShown = isShown && isatty(2) == 1 }

    /// A file is under way, and a piece of it is done.
    func note(_ file: String, of total: Int, _ bytes: Int) {
        files.insert(file)
        self.bytes += bytes
        guard Instant.now() - shown > .milliseconds(200) else { return }
        shown = .now()
        show(files.count, of: total, self.bytes)
    }

    func show(_ files: Int, of total: Int, _ bytes: Int) {
        guard isShown else { return }
        hasShown = true
        write("\rgatehouse: file \(files) of \(total), \(bytes >> 20) MiB")
    }

    func end() {
        if hasShown { write("\n") }
    }

    private func write(_ text: String) {
        // SAFETY: the array lives through the call, and is as long as said.
        unsafe Array(text.utf8).withUnsafeBytes { unsafe _ = Glibc.write(2, $0.baseAddress, $0.count) }
    }
}
