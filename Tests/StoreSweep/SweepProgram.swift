// SPDX-License-Identifier: Apache-2.0
//
// Looks for texts in a data directory as somebody would who has its files, and as somebody would who has today's keys too:
//
//     raw      the bytes of every file of HOUSE, in which the data directory DATA lies
//     pages    every opened page of every database: free ones, and what the logs kept, included
//     fields   every sealed field, opened with every content key of its tenant
//
// It works on copies and changes nothing. Usage: StoreSweep HOUSE DATA KEYFILE TEXT…, and a line of JSON comes out.

import Core
import Crypto
import Glibc
import JSON
import Platform
import SQLite
import Support
import Synchronization

@testable import Store

@main
struct SweepProgram {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count > 4 else {
            complain("usage: StoreSweep HOUSE DATA KEYFILE TEXT…")
            exit(2)
        }
        do {
            let report = try SweepReport(
                house: arguments[1], data: arguments[2], keyFile: arguments[3], texts: Array(arguments[4...]))
            print(report.json)
        } catch {
            complain("\(error)")
            exit(1)
        }
    }

    private static func complain(_ text: String) {
        let line = Array("StoreSweep: \(text)\n".utf8)
        unsafe line.withUnsafeBytes { unsafe _ = write(2, $0.baseAddress, $0.count) }
    }
}

/// What was found, and how much was looked through: a search that saw nothing finds nothing.
struct SweepReport {
    private var findings: [(text: String, kind: String, finding: Sweep.Finding)] = []
    private var (pages, frames, fields) = (0, 0, 0)
    private var damage: [String] = []
    /// Content keys by the kind of their object: `thr`, `file`, `node`.
    private var objects: [String: Int] = [:]

    private let sweeps: [(text: String, sweep: Sweep)]

    init(house: String, data: String, keyFile: String, texts: [String]) throws {
        sweeps = texts.map { ($0, Sweep($0)) }
        for (text, sweep) in sweeps { note(text, "raw", try sweep.findings(below: house)) }
        // Opening changes files: logs are recovered and folded in. One copy is only read.
        let (kept, opened) = (try TemporaryDirectory(), try TemporaryDirectory())
        for copy in [kept, opened] { try Self.copy(data, to: copy("data")) }
        let keyring = try KeyringOpening(directory: opened("data"), unlock: [.file(keyFile)], makesKeyFile: false)
            .open()
        defer { keyring.close() }
        let (master, slots) = keyring.material.withLock { ($0.master, $0.slots) }
        try scan(KeyringFile.sealed(directory: kept("data"), slots: slots, master: master))
        let control = try keyring.controlKeys()
        try scan(SealedFile(path: kept("data/control.db"), keys: control.pageKeys, identity: control.identity))
        for tenant in try keyring.tenantIDs() {
            let keys = try keyring.tenantKeys(tenant)
            let name = "tenants/\(tenant.text).db"
            try scan(SealedFile(path: kept("data/\(name)"), keys: keys.pageKeys, identity: keys.identity))
            let file = SealedFile(path: opened("data/\(name)"), keys: keys.pageKeys, identity: keys.identity)
            try openFields(of: tenant, file, name, try contentKeys(of: tenant, keys, keyring))
        }
    }

    private mutating func note(_ text: String, _ kind: String, _ found: Set<Sweep.Finding>) {
        for finding in found { findings.append((text, kind, finding)) }
    }

    // MARK: - Pages

    private mutating func scan(_ file: SealedFile) throws {
        var found: [String: Set<Sweep.Finding>] = [:]
        let scan = try PageScan(file) { [sweeps] page in
            for (text, sweep) in sweeps {
                found[text, default: []].formUnion(sweep.findings(in: page, place: file.path))
            }
        }
        for (text, finding) in found { note(text, "pages", finding) }
        pages += scan.pages
        frames += scan.frames
        damage += scan.damage.map(\.description)
    }

    // MARK: - Fields

    private mutating func contentKeys(
        of tenant: TenantID, _ keys: TenantKeySet, _ keyring: Keyring
    ) throws -> [AES256GCM] {
        let rows = try keyring.read { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.query(
                    "SELECT id, generation, kek, wrapped FROM keyring_objects WHERE tenant = ?", keys.number
                ) { row throws(SQLiteError) in
                    (id: try row.text(0), generation: try row.int(1), kek: try row.int(2), wrapped: try row.blob(3))
                }
            }
        }
        return try rows.map { row in
            objects[String(row.id.prefix { $0 != "_" }), default: 0] += 1
            let data = AssociatedData.object(tenant.text, row.id, kek: row.kek, generation: row.generation)
            guard let key = keys.wrap(generation: row.kek)?.unwrapKey(row.wrapped, as: data) else {
                throw KeyringFailure.damaged(row.id)
            }
            return try AES256GCM(key: key)
        }
    }

    private mutating func openFields(
        of tenant: TenantID, _ file: SealedFile, _ name: String, _ keys: [AES256GCM]
    ) throws {
        let database = try file.connect()
        let columns = try database.query(
            """
            SELECT s.name, c.name FROM sqlite_schema s, pragma_table_info(s.name) c
            WHERE s.type = 'table' AND c.type = 'BLOB'
            """
        ) { row throws(SQLiteError) in (table: try row.text(0), column: try row.text(1)) }
        for (table, column) in columns {
            let values = try database.query(
                "SELECT \"\(column)\" FROM \"\(table)\" WHERE \"\(column)\" IS NOT NULL"
            ) { row throws(SQLiteError) in try row.blob(0) }
            for value in values where value.count > 34 && value.starts(with: [1, 1]) {
                fields += 1
                for key in keys {
                    guard let plain = Self.plain(value, key) else { continue }
                    for (text, sweep) in sweeps {
                        note(text, "fields", sweep.findings(in: plain, place: "\(name) \(table).\(column)"))
                    }
                }
            }
        }
    }

    /// What a field's bytes are under a key, right or wrong. Which cell it was sealed for is not asked: whoever steals a key
    /// does not ask either. Zeros sealed with the same nonce are GCM's key stream (SP 800-38D, 7.1).
    private static func plain(_ frame: [UInt8], _ key: AES256GCM) -> [UInt8]? {
        let nonce = Array(frame[6..<18])
        let body = frame[18..<(frame.count - 16)]
        let zeros = [UInt8](repeating: 0, count: body.count)
        let stream = try? key.seal(zeros.span, nonce: nonce.span, associatedData: [UInt8]().span)
        return stream.map { stream in zip(body, stream).map { $0 ^ $1 } }
    }

    // MARK: - The rest

    /// A copy of files and directories, sockets left out.
    private static func copy(_ source: String, to target: String) throws {
        try AtomicFile.makeDirectory(path: target, mode: 0o700)
        for name in try TestFile.names(in: source) {
            let (from, to) = ("\(source)/\(name)", "\(target)/\(name)")
            switch try FileStatus(path: from, followingLinks: false).kind {
            case .directory: try copy(from, to: to)
            case .regular:
                try AtomicFile.write(path: to, bytes: try AtomicFile.read(path: from, bytesMax: 1 << 30), mode: 0o600)
            default: break
            }
        }
    }

    var json: JSONValue {
        [
            "findings": .array(
                findings.map { text, kind, finding in
                    [
                        "text": .string(text), "kind": .string(kind), "form": .string(finding.form),
                        "place": .string(finding.place),
                    ]
                }),
            "pages": .int(pages), "frames": .int(frames), "fields": .int(fields),
            "damage": .array(damage.map(JSONValue.string)),
            "objects": .object(
                objects.sorted { $0.key < $1.key }.reduce(into: JSONObject()) { $0[$1.key] = .int($1.value) }),
        ]
    }
}
