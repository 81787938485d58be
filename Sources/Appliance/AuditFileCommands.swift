// SPDX-License-Identifier: Apache-2.0

import Arguments
import Audit
import Configuration
import Core
import Glibc
import JSON
import Log
import Platform
import Store

/// `gatehouse audit verify|prove|fsck|export|begin-anew`: the log's files themselves.
struct AuditFileCommands {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    // MARK: Without a secret

    func verify() throws(CommandFailure) {
        var notes: [String] = []
        for path in invocation.strings("against") {
            guard let bytes = try? AtomicFile.read(path: path, bytesMax: 16 << 10) else {
                throw CommandFailure("\(path) cannot be read")
            }
            notes.append(String(decoding: bytes, as: UTF8.self))
        }
        let (key, progress) = (invocation.string("key"), progress())
        do throws(AuditInspection.Failure) {
            let found = try namedInspection().verify(key: key, against: notes, progress: progress)
            try report(found)
        } catch {
            throw CommandFailure(error.message, hint: error.hint)
        }
    }

    func check() throws(CommandFailure) {
        do throws(AuditInspection.Failure) {
            let inspection = try namedInspection()
            try report(inspection.check(progress: progress()))
        } catch {
            throw CommandFailure(error.message, hint: error.hint)
        }
    }

    func prove() throws(CommandFailure) {
        guard let sequence = Int(invocation.operand("sequence") ?? ""), sequence >= 0 else {
            throw CommandFailure("a sequence is a whole number", hint: "gatehouse audit search shows them", exitCode: 2)
        }
        do throws(AuditInspection.Failure) {
            let proof = try namedInspection().prove(sequence, key: invocation.string("key"))
            Terminal.print(String(decoding: proof.serialized(), as: UTF8.self))
        } catch {
            throw CommandFailure(error.message, hint: error.hint)
        }
    }

    func publish() throws(CommandFailure) {
        let target = invocation.operand("folder") ?? ""
        do throws(AuditInspection.Failure) {
            let done = try namedInspection().publish(
                to: target, key: invocation.string("key"), progress: progress(of: "tile"))
            if invocation.has("json") { return Terminal.print(String(decoding: done.serialized(), as: UTF8.self)) }
            Terminal.print(
                "\(target) has the tree over \(done["size"]?.int ?? 0) records, \(done["new_tiles"]?.int ?? 0) tiles of it new"
            )
        } catch {
            throw CommandFailure(error.message, hint: error.hint)
        }
    }

    private func report(_ report: AuditInspection.Report) throws(AuditInspection.Failure) {
        if invocation.has("json") {
            Terminal.print(String(decoding: report.json.serialized(), as: UTF8.self))
        } else {
            Terminal.print(
                Terminal.table(
                    ["RECORDS", "FROM", "SIGNED", "SEGMENTS", "END"],
                    [
                        [
                            "\(report.records)", "\(report.first)", "\(report.signed)", "\(report.segments)",
                            report.hasTornEnd ? "torn" : "whole",
                        ]
                    ]))
            for damage in report.damages { Terminal.print("damaged: \(damage)") }
        }
        guard report.damages.isEmpty else {
            throw .init(
                "the log is not as it was written: \(report.damages.count) finding\(report.damages.count == 1 ? "" : "s")",
                hint: "keep the files as they are, and compare with checkpoints that were kept elsewhere")
        }
    }

    /// Tells a person how far it is.
    ///
    /// - Parameter noun: of what there are so many.
    private func progress(of noun: String = "segment") -> (Int, Int) -> Void {
        let isShown = !invocation.has("json") && isatty(2) == 1
        return { place, count in
            guard isShown, count > 4 else { return }
            let text = Array("\rgatehouse: \(noun) \(place + 1) of \(count)\(place + 1 == count ? "\n" : "")".utf8)
            // The array lives through the call, and is as long as said.
            unsafe text.withUnsafeBytes { unsafe _ = write(2, $0.baseAddress, $0.count) }
        }
    }

    /// The log that `--directory` names, else the configuration's.
    private func namedInspection() throws(AuditInspection.Failure) -> AuditInspection {
        if let directory = invocation.string("directory") {
            // What is not there would pass for a log without a mistake.
            guard (try? FileStatus(path: "\(directory)/audit"))?.kind == .directory else {
                throw .init("there is no log in \(directory)", hint: "name the directory that has audit/ in it")
            }
            return AuditInspection(dataDirectory: directory)
        }
        return try inspection()
    }

    private func inspection() throws(AuditInspection.Failure) -> AuditInspection {
        do throws(ConfigurationError) {
            let configuration = try ConfigurationFile(orEmbedded: invocation).read()
            return AuditInspection(
                dataDirectory: try configuration.root.takePath("data", default: HouseSettings.standardDataDirectory))
        } catch {
            throw .init(error.description)
        }
    }

    // MARK: With the root key

    func export() throws(CommandFailure) {
        try withStore { store, inspection throws(AuditInspection.Failure) in
            try inspection.export(vault: store) { record in
                Terminal.print(String(decoding: record.serialized(), as: UTF8.self))
            }
        }
    }

    func beginAnew() throws(CommandFailure) {
        try withStore { store, inspection throws(AuditInspection.Failure) in
            let old = try inspection.beginAnew(database: store, at: .now())
            Terminal.print(
                old.map { "the old log lies in \($0); the next start begins a new one" }
                    ?? "the next start begins a new log")
        }
    }

    /// A restored store expects the log of before; there is none.
    func expectNewLog(_ store: Store) throws(StartFailure) {
        try store.start()
        defer { store.stop(by: .now()) }
        do throws(AuditInspection.Failure) {
            _ = try inspection().beginAnew(database: store, at: .now())
        } catch {
            throw StartFailure(error.message, hint: error.hint)
        }
    }

    private func withStore(
        _ body: (Store, AuditInspection) throws(AuditInspection.Failure) -> Void
    ) throws(CommandFailure) {
        let composition: Composition
        let file = try ConfigurationFile(invocation)
        do throws(ConfigurationError) {
            let configuration = try file.read()
            composition = try Composition(configuration, log: .disabled)
        } catch {
            throw CommandFailure(error)
        }
        guard let store = composition.roles.store else {
            throw CommandFailure("there is no section [store], so there is no log")
        }
        do throws(StartFailure) {
            try store.start()
        } catch {
            throw CommandFailure(error.message, hint: error.hint)
        }
        defer { store.stop(by: .now()) }
        do throws(AuditInspection.Failure) {
            try body(store, inspection())
        } catch {
            throw CommandFailure(error.message, hint: error.hint)
        }
    }
}
