// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Support
import Testing

@testable import Nodes

@Suite struct UploadTests {
    private static let type = "multipart/form-data; boundary=b"

    private func part(_ name: String, _ content: String, filename: String? = nil) -> String {
        let file = filename.map { "; filename=\"\($0)\"" } ?? ""
        return "--b\r\ncontent-disposition: form-data; name=\"\(name)\"\(file)\r\n\r\n\(content)\r\n"
    }

    /// The chunks of a form's file, the last one last.
    private func read(_ text: String, bytesMax: Int = 1 << 20, step: Int = 1_000) throws(Failure) -> [[UInt8]] {
        var form = try UploadForm(contentType: Self.type, fileBytesMax: bytesMax)
        let bytes = Array(text.utf8)
        var chunks: [[UInt8]] = []
        for start in stride(from: 0, to: bytes.count, by: step) {
            chunks += try form.take(Array(bytes[start..<min(start + step, bytes.count)]))
        }
        return chunks + [try form.finish()]
    }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])
    func `a file is cut into chunks of one size, but for the last`(_ count: Int) throws {
        let content = String(repeating: "x", count: count)
        let file = part("file", content, filename: "a.txt")
        for text in [file + part("purpose", "user_data"), part("purpose", "user_data") + file] {
            let chunks = try read(text + "--b--\r\n")
            #expect(chunks.count == FileChunk.count(ofBytes: count))
            #expect(chunks.dropLast().allSatisfy { $0.count == FileChunk.bytes })
            #expect(Array(chunks.joined()) == Array(content.utf8))
        }
    }

    @Test func `what is wrong is named`() {
        let file = part("file", "x", filename: "a")
        let purpose = part("purpose", "user_data")
        let cases: [(String, ErrorCode, String?)] = [
            (purpose, .invalidParameter, "file"), (file, .invalidParameter, "purpose"),
            (file + part("purpose", "stealing"), .invalidParameter, "purpose"),
            (file + file + purpose, .invalidParameter, "file"),
            (file + purpose + purpose, .invalidParameter, "purpose"),
            (file + purpose + part("model", "x"), .unknownParameter, "model"),
            (part("file", "x") + purpose, .invalidParameter, "file"),
            (part("file", "x", filename: "") + purpose, .invalidParameter, "file"),
            (part("file", "x", filename: String(repeating: "n", count: 513)) + purpose, .invalidParameter, "file"),
            (file + part("purpose", String(repeating: "p", count: 100)), .invalidParameter, "purpose"),
            (file + purpose + part("expires_after[seconds]", "3600"), .invalidParameter, "expires_after"),
            (file + purpose + part("expires_after[anchor]", "created_at"), .invalidParameter, "expires_after"),
            (file + purpose + part("expires_after[anchor]", "now"), .invalidParameter, "expires_after[anchor]"),
            (file + purpose + part("expires_after[seconds]", "10"), .invalidParameter, "expires_after[seconds]"),
            (part("file", String(repeating: "x", count: 101), filename: "a") + purpose, .payloadTooLarge, "file"),
        ]
        for (text, code, name) in cases {
            do throws(Failure) {
                _ = try read(text + "--b--", bytesMax: 100)
                Issue.record("it was taken: \(text.prefix(200))")
            } catch {
                #expect(error.code == code && error.param == name, "\(error) of \(text.prefix(200))")
            }
        }
        #expect(throws: Failure.self) { try read(file + purpose) }
        #expect(throws: Failure.self) { try UploadForm(contentType: "application/json", fileBytesMax: 1) }
    }

    private func store(_ chunks: [[UInt8]], in house: TestHouse) throws -> String {
        let now = house.now
        let id = ULID.make(prefix: FileRecord.prefix, at: now)
        var form = try UploadForm(contentType: Self.type, fileBytesMax: 1 << 20)
        _ = try form.take(
            Array((part("file", "", filename: "a") + part("purpose", "user_data") + "--b--").utf8))
        _ = try form.finish()
        let whole = form
        try house.tenant.run { transaction throws(SQLiteError) in
            try FileTables.begin(id, by: "key_1", at: now, in: transaction)
            _ = try FileTables.append(chunks, first: 0, endsFile: true, to: id, in: transaction)
            try FileTables.finish(id, whole, in: transaction)
        }
        return id
    }

    private func content(of id: String, _ chunks: Range<Int>, in house: TestHouse) throws -> [[UInt8]]? {
        try house.tenant.run { transaction throws(SQLiteError) in
            try FileTables.content(of: id, chunks: chunks, in: transaction)
        }
    }

    /// Index and last flag are part of a chunk's seal.
    @Test(arguments: [
        "UPDATE nodes_chunks SET place = place + 10 WHERE place & 16777215 = 0; UPDATE nodes_chunks SET place = place - 1 WHERE place & 16777215 = 1; UPDATE nodes_chunks SET place = place - 9 WHERE place & 16777215 = 10",
        "DELETE FROM nodes_chunks WHERE place & 16777215 = 2; UPDATE nodes_files SET bytes = 131072",
        "DELETE FROM nodes_chunks WHERE place & 16777215 = 1",
    ])
    func `chunks that were swapped, dropped or cut off do not open`(_ sql: String) throws {
        let house = try TestHouse()
        let chunks = [1, 2, 3].map { [UInt8](repeating: $0, count: $0 == 3 ? 10 : FileChunk.bytes) }
        let id = try store(chunks, in: house)
        #expect(try content(of: id, 0..<3, in: house) == chunks)
        #expect(try content(of: id, 1..<2, in: house) == [chunks[1]])
        try house.tenant.run { transaction throws(SQLiteError) in try transaction.connection.run(script: sql) }
        let count = try house.tenant.count("SELECT bytes FROM nodes_files")
        #expect(throws: DatabaseFailure.self) {
            try content(of: id, 0..<FileChunk.count(ofBytes: count), in: house)
        }
    }

    @Test func `a key of a creation is remembered a day, for its body alone, and no longer than what it made`() throws {
        let house = try TestHouse()
        let body = SHA256.digest([1, 2, 3])
        let key = IdempotencyKey(text: "key_1 POST /v1/threads abc", body: body)
        let other = IdempotencyKey(text: "key_1 POST /v1/threads abc", body: SHA256.digest([4]))
        let start = house.now
        func earlier(_ key: IdempotencyKey, after seconds: Int) throws -> String? {
            try house.tenant.run { transaction throws(SQLiteError) in
                try key.earlier(in: transaction, at: start + .seconds(seconds))
            }.get()
        }
        #expect(try earlier(key, after: 0) == nil)
        try house.tenant.run { transaction throws(SQLiteError) in
            try key.remember("thr_1", in: transaction, at: start)
        }
        #expect(try earlier(key, after: 86_399) == "thr_1")
        #expect(throws: Failure.self) { try earlier(other, after: 86_399) }
        #expect(try earlier(key, after: 86_400) == nil)
        #expect(try earlier(other, after: 86_400) == nil)
        try house.tenant.run { transaction throws(SQLiteError) in try IdempotencyKey.forget("thr_1", in: transaction) }
        #expect(try earlier(key, after: 0) == nil)
    }
}
