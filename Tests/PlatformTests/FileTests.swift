// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

@testable import Platform

@Suite struct FileTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func `writes, replaces and reads back`() throws {
        let path = directory("file")
        try AtomicFile.write(path: path, bytes: [1, 2, 3], mode: 0o600)
        #expect(try AtomicFile.read(path: path, bytesMax: 3) == [1, 2, 3])
        let before = try FileStatus(path: path)
        try AtomicFile.write(path: path, bytes: [], mode: 0o600)
        #expect(try AtomicFile.read(path: path, bytesMax: 0) == [])
        #expect(try FileStatus(path: path).inode != before.inode)
        #expect(directory.names == ["file"])
    }

    @Test func `reads many blocks, and files that say they are empty`() throws {
        let bytes = Random.bytes(100_001)
        try AtomicFile.write(path: directory("large"), bytes: bytes, mode: 0o600)
        #expect(try AtomicFile.read(path: directory("large"), bytesMax: 200_000) == bytes)
        #expect(try AtomicFile.read(path: "/proc/self/stat", bytesMax: 10_000).count > 20)
    }

    @Test func `refuses one byte too many`() throws {
        let path = directory("file")
        try AtomicFile.write(path: path, bytes: [1, 2, 3], mode: 0o600)
        #expect(throws: Errno(EFBIG)) { try AtomicFile.read(path: path, bytesMax: 2) }
        #expect(throws: Errno(EISDIR)) { try AtomicFile.read(path: directory.path, bytesMax: 2) }
        #expect(throws: Errno(ENOENT)) { try AtomicFile.read(path: "\(path)x", bytesMax: 2) }
    }

    @Test(arguments: [0o600, 0o644, 0o400] as [UInt32])
    func `gives a file exactly the mode that was asked`(mode: UInt32) throws {
        let path = directory("file")
        try AtomicFile.write(path: path, bytes: [1], mode: mode)
        let status = try FileStatus(path: path)
        #expect(status.mode == mode)
        #expect(status.kind == .regular && status.size == 1 && status.owner == geteuid())
        #expect(status.isOpenToOthers == (mode & 0o077 != 0))
    }

    @Test func `leaves nothing behind when it cannot write`() throws {
        try AtomicFile.makeDirectory(path: directory("taken"), mode: 0o700)
        #expect(throws: Errno.self) { try AtomicFile.write(path: directory("taken"), bytes: [1], mode: 0o600) }
        #expect(directory.names == ["taken"])
        #expect(throws: Errno(ENOENT)) {
            try AtomicFile.write(path: directory("absent/file"), bytes: [1], mode: 0o600)
        }
    }

    @Test func `makes directories and empty files once`() throws {
        #expect(try AtomicFile.makeDirectory(path: directory("d"), mode: 0o750))
        #expect(try !AtomicFile.makeDirectory(path: directory("d"), mode: 0o700))
        #expect(try FileStatus(path: directory("d")).mode == 0o750)
        #expect(try AtomicFile.makeEmpty(path: directory("e"), mode: 0o600))
        try AtomicFile.write(path: directory("e"), bytes: [1], mode: 0o600)
        #expect(try !AtomicFile.makeEmpty(path: directory("e"), mode: 0o600))
        #expect(try FileStatus(path: directory("e")).size == 1)
        #expect(throws: Errno(ENOTDIR)) {
            try AtomicFile.makeDirectory(path: directory("e"), mode: 0o700)
        }
    }

    @Test func `reads a secret and shows nothing of it`() throws {
        let path = directory("key")
        try AtomicFile.write(path: path, bytes: Array("hunter2hunter2".utf8), mode: 0o600)
        let secret = try AtomicFile.readSecret(path: path, bytesMax: 100)
        #expect(secret.count == 14)
        var dumped = "\(secret) \(String(reflecting: secret))"
        dump(secret, to: &dumped)
        #expect(!dumped.contains("hunter") && !dumped.contains("104"))
        #expect(secret.withBytes { $0[0] } == UInt8(ascii: "h"))
    }
}

@Suite struct RandomTests {
    @Test func `fills every byte and never the same twice`() {
        #expect(Random.bytes(0) == [])
        let first = Random.bytes(1000)
        #expect(first.count == 1000 && first != Random.bytes(1000))
        // A byte that is never written would stay 0 in each of 32 rounds; by chance that is 1 in 2^256.
        var seen = [UInt8](repeating: 0, count: 1000)
        for _ in 0..<32 { for (index, byte) in Random.bytes(1000).enumerated() { seen[index] |= byte } }
        #expect(!seen.contains(0))
        #expect(Random.uint64() != Random.uint64())
    }

    @Test func `takes a secret and wipes the source`() {
        var source: [UInt8] = [1, 2, 3]
        let secret = SecretBytes(taking: &source)
        #expect(source.isEmpty)
        #expect(secret.withBytes { span in span.indices.map { span[$0] } } == [1, 2, 3])
        #expect(SecretBytes(copying: [7, 8].span).withBytes { $0[1] } == 8)
        #expect(SecretBytes(randomCount: 32).count == 32)
    }
}

@Suite struct ULIDTests {
    @Test func `writes the time as the specification's example does`() throws {
        // https://github.com/ulid/spec: 1469918176385 is 01ARYZ6S41.
        let id = ULID.make(prefix: "key_", at: WallTime(milliseconds: 1_469_918_176_385))
        #expect(id.hasPrefix("key_01ARYZ6S41") && id.utf8.count == 30)
        #expect(ULID.isValid(id, prefix: "key_"))
        #expect(ULID.make(prefix: "", at: WallTime(milliseconds: 0)).hasPrefix("0000000000"))
    }

    @Test func `writes five bits a character, every character in its place`() {
        let table: [(UInt64, UInt64, String)] = [
            (0x0110_C853_1D09_52D8, 0xD73E_1194_E95B_5F19, "0123456789ABCDEFGHJKMNPQRS"),
            (0xFADF_3BEF_8022_190A, 0x63A1_2A5B_1AE7_C232, "7TVWXYZ0123456789ABCDEFGHJ"),
            (.max, .max, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), (0, 0, "00000000000000000000000000"),
        ]
        for (high, low, text) in table { #expect(ULID.make(prefix: "a_", high: high, low: low) == "a_" + text) }
    }

    @Test func `sorts by time and does not repeat`() {
        var ids: Set<String> = []
        var last = ""
        for milliseconds in 1...1000 {
            let id = ULID.make(prefix: "req_", at: WallTime(milliseconds: Int64(milliseconds)))
            #expect(id > last)
            last = id
            ids.insert(ULID.make(prefix: "req_", at: WallTime(milliseconds: 5)))
        }
        #expect(ids.count == 1000)
    }

    @Test(arguments: [
        "", "key_", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "key_81ARZ3NDEKTSV4RRFFQ69G5FAV", "key_01ARZ3NDEKTSV4RRFFQ69G5FA",
        "key_01ARZ3NDEKTSV4RRFFQ69G5FAVV", "key_01arz3ndektsv4rrffq69g5fav", "key_01ARZ3NDEKTSV4RRFFQ69G5FAI",
        "kez_01ARZ3NDEKTSV4RRFFQ69G5FAV", "key_01ARZ3NDEKTSV4RRFFQ69G5FA\u{e9}",
    ])
    func `refuses what is not exactly an identifier`(text: String) {
        #expect(ULID.isValid("key_01ARZ3NDEKTSV4RRFFQ69G5FAV", prefix: "key_"))
        #expect(!ULID.isValid(text, prefix: "key_"))
    }
}
