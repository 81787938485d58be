// SPDX-License-Identifier: Apache-2.0

import Bytes
import Platform
import SQLite
import Store
import Support
import Testing

@Suite struct SweepTests {
    private let marker = "MARKER-\(Random.uint64())-\(Random.uint64())"

    /// Inserts, changes and deletes texts with the marker, and leaves the files as a killed process would: copied to
    /// `copy` while they are open.
    private func fill(_ database: SQLiteConnection, path: String, copy: String) throws {
        try database.run(script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT; PRAGMA secure_delete = OFF")
        for id in 1...200 {
            try database.execute("INSERT INTO t VALUES (?, ?)", id, "\(marker) " + String(repeating: "z", count: 900))
        }
        try database.checkpoint()
        try database.execute("DELETE FROM t WHERE id > 100")
        try database.execute("UPDATE t SET a = ? WHERE id = 7", "again \(marker)")
        for suffix in ["", "-wal", "-shm"] {
            let bytes = try AtomicFile.read(path: path + suffix, bytesMax: 64 << 20)
            try AtomicFile.write(path: copy + suffix, bytes: bytes, mode: 0o600)
        }
    }

    @Test func `nothing of what is stored can be read in the files, and all of it in the opened pages`() throws {
        let sealed = try Sealed()
        let copy = try TemporaryDirectory()
        let sweep = Sweep(marker)
        try fill(try sealed.connect(), path: sealed.path, copy: copy("c.db"))
        #expect(try sweep.findings(below: copy.path) == [])
        #expect(try sweep.findings(below: sealed.directory.path) == [])
        #expect(try sweep.findings(inPagesOf: Sealed.file(copy("c.db"))) == [.init(form: "plain", place: copy("c.db"))])
        let scan = try PageScan(Sealed.file(copy("c.db")))
        #expect(scan.damage == [] && scan.pages > 50 && scan.frames > 0)
    }

    @Test func `the same search finds it in plain files`() throws {
        let plain = try TemporaryDirectory()
        let copy = try TemporaryDirectory()
        try fill(
            try SQLiteConnection(path: plain("p.db"), options: Sealed.options()), path: plain("p.db"),
            copy: copy("p.db"))
        let found = try Sweep(marker).findings(below: copy.path)
        #expect(found.map(\.place).contains(copy("p.db")) && found.map(\.place).contains(copy("p.db-wal")))
    }

    @Test(arguments: ["plain", "hex", "HEX", "UTF-16", "percent", "JSON escapes", "base64"])
    func `finds what is written in another form`(form: String) throws {
        let bytes = Array(marker.utf8)
        let written: [UInt8] =
            switch form {
            case "hex": bytes.flatMap { Array("\($0 < 16 ? "0" : "")\(String($0, radix: 16))".utf8) }
            case "HEX": bytes.flatMap { Array("\($0 < 16 ? "0" : "")\(String($0, radix: 16))".uppercased().utf8) }
            case "UTF-16": bytes.flatMap { [$0, 0] }
            case "percent": bytes.flatMap { Array("%\(String($0, radix: 16))".utf8) }
            case "JSON escapes": bytes.flatMap { Array("\\u00\(String($0, radix: 16))".utf8) }
            case "base64": Array(Base64.encode([9] + bytes + [9]).utf8)
            default: bytes
            }
        #expect(!Sweep(marker).findings(in: [1, 2] + written + [3], place: "").isEmpty)
        #expect(Sweep(marker).findings(in: [1, 2] + written.dropFirst(12) + [3], place: "").isEmpty)
    }
}
