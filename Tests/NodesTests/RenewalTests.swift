// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Testing

@testable import Nodes

@Suite struct RenewalTests {
    /// Sealed values by column that are, or are not, under a key of a generation.
    private func count(_ house: TestHouse, _ generation: Int) throws -> Int {
        let columns = [
            ("nodes_versions", "configuration"), ("nodes_threads", "sheet"), ("nodes_messages", "content"),
            ("nodes_messages", "name"), ("nodes_files", "sheet"), ("nodes_chunks", "content"),
        ]
        return try columns.reduce(0) { sum, column in
            try sum
                + house.tenant.count(
                    "SELECT count(*) FROM \(column.0) WHERE instr(\(column.1), CAST('>\(generation):' AS BLOB)) > 0")
        }
    }

    private func renew(_ object: ObjectID, in house: TestHouse) throws -> ContentRenewal.Step {
        var step = ContentRenewal.Step.more(0)
        while case .more(let place) = step {
            step = try house.tenant.run { transaction throws(SQLiteError) in
                try Renewal.content.step(object, place, transaction)
            }
        }
        return step
    }

    private func file(in house: TestHouse, bytes: Int, isWhole: Bool) throws -> String {
        let now = house.now
        let id = ULID.make(prefix: FileRecord.prefix, at: now)
        let head =
            "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data"
            + "\r\n--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n"
        let content = [UInt8](repeating: 0x61, count: bytes)
        var form = try UploadForm(contentType: "multipart/form-data; boundary=b", fileBytesMax: 1 << 22)
        var chunks = try form.take(Array(head.utf8) + content + Array("\r\n--b--\r\n".utf8))
        chunks.append(try form.finish())
        let (whole, all) = (form, chunks)
        try house.tenant.run { transaction throws(SQLiteError) in
            try FileTables.begin(id, by: "key_1", at: now, in: transaction)
            _ = try FileTables.append(all, first: 0, endsFile: isWhole, to: id, in: transaction)
            if isWhole { try FileTables.finish(id, whole, in: transaction) }
        }
        return id
    }

    @Test func `everything that is sealed is sealed anew, in steps`() throws {
        let house = try TestHouse()
        let node = try house.node("a")
        let thread = try house.thread(node: node, correlation: "c")
        try house.append((0..<300).map { "message \($0)" }, to: thread)
        let file = try file(in: house, bytes: 20 * FileChunk.bytes + 7, isWhole: true)
        let total = try count(house, 1)
        #expect(total > 300 + 20 + 3)
        house.tenant.generation = 2
        #expect(try count(house, 2) == 0)
        for id in [node, thread, file] { #expect(try renew(ObjectID(id), in: house) == .done) }
        // A column that was forgotten would be lost with the old key.
        #expect(try count(house, 1) == 0)
        #expect(try count(house, 2) == total)
        #expect(try house.texts(of: thread)?.count == 100)
        let chunks = try house.tenant.run { transaction throws(SQLiteError) in
            try FileTables.content(of: file, chunks: 0..<21, in: transaction)
        }
        #expect(chunks?.joined().count == 20 * FileChunk.bytes + 7)
        // Twice is harmless.
        for id in [node, thread, file] { #expect(try renew(ObjectID(id), in: house) == .done) }
        #expect(try count(house, 2) == total)
    }

    @Test func `half a file keeps its keys, and what is gone needs none`() throws {
        let house = try TestHouse()
        let half = try file(in: house, bytes: 3 * FileChunk.bytes, isWhole: false)
        #expect(try renew(ObjectID(half), in: house) == .later)
        #expect(try renew(ObjectID(ULID.make(prefix: ThreadRecord.prefix, at: house.now)), in: house) == .done)
    }
}
