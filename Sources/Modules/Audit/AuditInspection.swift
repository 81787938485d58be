// SPDX-License-Identifier: Apache-2.0

import Bytes
package import Core
import Crypto
import Glibc
package import JSON
package import Platform
import SQLite

/// What commands do with the log's files themselves, with or without a running server.
package struct AuditInspection: Sendable {
    private let directory: LogDirectory
    /// The log's own word for what its key is.
    private static let keyName = "key"
    private static let keyBytesMax = 1024

    /// - Parameter dataDirectory: of the server.
    package init(dataDirectory: String) { directory = LogDirectory(path: "\(dataDirectory)/audit") }

    /// Why the log's files cannot be looked at.
    package struct Failure: Error {
        package let message: String
        package let hint: String?

        package init(_ message: String, hint: String? = nil) { (self.message, self.hint) = (message, hint) }
    }

    /// What was found.
    package struct Report: Sendable {
        package let records: Int
        package let first: Int
        package let signed: Int
        package let segments: Int
        package let hasTornEnd: Bool
        /// What is not as it was written, one sentence each; empty for a sound log.
        package let damages: [String]

        package var json: JSONValue {
            [
                "object": "audit.report", "ok": .bool(damages.isEmpty), "records": .int(records), "first": .int(first),
                "signed": .int(signed), "segments": .int(segments), "torn_end": .bool(hasTornEnd),
                "damages": .array(damages.map { .string($0) }),
            ]
        }
    }

    /// The public key: as given, or as it lies beside the log, where whoever can change the log can change it too.
    private func key(_ text: String?) throws(Failure) -> NoteKey {
        let own = try? AtomicFile.read(path: "\(directory.path)/\(Self.keyName)", bytesMax: Self.keyBytesMax)
        guard let text = text ?? own.map({ String(decoding: $0, as: UTF8.self) }) else {
            throw Failure("there is no key beside the log", hint: "--key, from `gatehouse audit key`")
        }
        guard let key = NoteKey(String(text.prefix { !$0.isNewline })) else {
            throw Failure("this is no key of a log", hint: "name+hash+base64, from `gatehouse audit key`")
        }
        return key
    }

    /// Puts the public key beside the log.
    static func write(_ key: NoteKey, to directory: LogDirectory) throws(Errno) {
        try AtomicFile.write(
            path: "\(directory.path)/\(keyName)", bytes: Array((key.text + "\n").utf8), mode: 0o600)
    }

    /// Compares records, tiles and checkpoints.
    ///
    /// - Parameters:
    ///   - key: the log's public key.
    ///   - notes: checkpoints that were kept elsewhere.
    package func verify(
        key: String?, against notes: [String], progress: @escaping (Int, Int) -> Void
    ) throws(Failure) -> Report {
        let key = try self.key(key)
        return report(LogVerifier(directory: directory).verify(key: key, against: notes, progress: progress))
    }

    /// Compares records and tiles alone: whether the files are whole, not whether they are the ones that were signed.
    package func check(progress: @escaping (Int, Int) -> Void) -> Report {
        report(LogVerifier(directory: directory).verify(key: nil, progress: progress))
    }

    private func report(_ report: LogVerifier.Report) -> Report {
        Report(
            records: report.size, first: report.first, signed: report.signed, segments: report.segments,
            hasTornEnd: report.hasTornEnd, damages: report.damages.map(\.description))
    }

    /// The proof that a record stands in the log: for whoever has the public key and nothing else of this server.
    package func prove(_ sequence: Int, key: String?) throws(Failure) -> JSONValue {
        let key = try self.key(key)
        do throws(LogDirectory.Damage) {
            let proof = try LogProver(directory: directory).proof(of: sequence, under: key)
            return [
                "object": "audit.proof", "sequence": .int(proof.sequence), "size": .int(proof.checkpoint.size),
                "leaf": .string(Base64.encode(proof.leaf.bytes)),
                "path": .array(proof.path.map { .string(Base64.encode($0.bytes)) }),
                "root": .string(Base64.encode(proof.checkpoint.root.bytes)), "checkpoint": .string(proof.note),
                "key": .string(key.text),
            ]
        } catch {
            throw Failure(error.description)
        }
    }

    /// Lays hashes and checkpoint out as transparency logs are published: for a web server, and tools that read such logs.
    ///
    /// - Parameters:
    ///   - target: a folder, made where there is none.
    ///   - progress: told before each tile: its place, and how many there are.
    package func publish(
        to target: String, key: String?, progress: (Int, Int) -> Void
    ) throws(Failure) -> JSONValue {
        let key = try self.key(key)
        do throws(LogDirectory.Damage) {
            let done = try TilePublisher(directory: directory).publish(to: target, under: key, progress: progress)
            return [
                "object": "audit.published", "path": .string(target), "size": .int(done.checkpoint.size),
                "root": .string(Base64.encode(done.checkpoint.root.bytes)), "new_tiles": .int(done.new),
                "key": .string(key.text),
            ]
        } catch {
            throw Failure(error.description)
        }
    }

    /// Every record as JSON, the oldest first.
    ///
    /// - Parameter vault: of an opened store.
    package func export(vault: any SecretVault, _ body: (JSONValue) -> Void) throws(Failure) {
        let search = LogSearch(directory: directory) { number throws(AuditFailure) in
            try Audit.key(of: number, in: vault)
        }
        do throws(LogReader.Failure) {
            try search.export(RecordFilter()) { record in body(.object(record.json(id: nil, isWhole: true))) }
        } catch {
            throw Failure(error.description, hint: "gatehouse audit fsck")
        }
    }

    /// Begins a new log where the old one cannot be continued: after a restore, or when the operator has looked at what was
    /// damaged. The old one is moved aside, and the new one says that it followed it.
    ///
    /// - Returns: where the old one lies now; `nil` where there was none.
    package func beginAnew(database: any Database, at now: WallTime) throws(Failure) -> String? {
        do {
            try database.migrate(AuditState.migrations)
            try database.writeBlocking { connection throws(SQLiteError) in try AuditState.forget(connection) }
        } catch {
            throw Failure("control.db cannot be written: \(error)")
        }
        let old = "\(directory.path).until-\(now.milliseconds)"
        return unsafe rename(directory.path, old) == 0 ? old : nil
    }
}
