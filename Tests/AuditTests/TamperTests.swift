// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform
import Support
import Testing

@testable import Audit

/// Whatever is done to a copy of a log is found with its public key and its last checkpoint.
struct TamperTests {
    @Test func `any change of any record is found`() throws {
        var random = SeededGenerator()
        let log = try LogHarness()
        log.append(400)
        log.append(1200, together: 7)
        try log.sign()
        #expect(log.verify().isSound)
        let numbers = try log.files.segmentNumbers()
        var done: Set<Tampering> = []
        for tampering in Tampering.allCases {
            for _ in 0..<Repetition.rounds(4, full: 300) {
                let number = try #require(numbers.randomElement(using: &random))
                let path = log.directory(SegmentHeader.name(number: number))
                let original = try AtomicFile.read(path: path, bytesMax: 1 << 20)
                let (header, sealed) = try log.files.segment(number)
                let pieces = sealed.map { LoosePiece($0) }
                var changed = pieces
                tampering.apply(to: &changed, &random)
                // Nothing is wrong with records behind the last one that a checkpoint vouches for.
                if changed == pieces || tampering == .append && number == numbers.last { continue }
                done.insert(tampering)
                try Tampering.write(header, changed, to: path)
                #expect(!log.verify().isSound, "\(tampering) in segment \(number)")
                try AtomicFile.write(path: path, bytes: original, mode: 0o600)
            }
        }
        #expect(done.count > Tampering.allCases.count - 4)
        #expect(log.verify().isSound)
    }

    @Test func `a header that was forged with the right checksum is found`() throws {
        let log = try LogHarness()
        log.append(600, together: 5)
        try log.sign()
        let numbers = try log.files.segmentNumbers()
        for number in numbers {
            let path = log.directory(SegmentHeader.name(number: number))
            let original = try AtomicFile.read(path: path, bytesMax: 1 << 20)
            let header = try log.files.header(number)
            for forged in [
                SegmentHeader(
                    number: number, firstSequence: header.firstSequence, created: header.created + .seconds(9),
                    capacity: header.capacity, previous: header.previous, id: header.id, replaces: header.replaces),
                SegmentHeader(
                    number: number, firstSequence: header.firstSequence, created: header.created,
                    capacity: header.capacity, previous: header.previous, id: header.id, replaces: !header.replaces),
                SegmentHeader(
                    number: number, firstSequence: header.firstSequence, created: header.created,
                    capacity: header.capacity, previous: header.previous, id: header.id.map { $0 ^ 1 },
                    replaces: header.replaces),
                SegmentHeader(
                    number: number, firstSequence: header.firstSequence, created: header.created,
                    capacity: header.capacity + 1, previous: header.previous, id: header.id, replaces: header.replaces),
            ] {
                try AtomicFile.write(
                    path: path, bytes: forged.encoded() + original[SegmentHeader.byteCount...], mode: 0o600)
                #expect(!log.verify().isSound)
            }
            try AtomicFile.write(path: path, bytes: original, mode: 0o600)
        }
        #expect(numbers.count > 0 && log.verify().isSound)
    }

    /// No checkpoint vouches for any of it: the key alone does.
    @Test func `of what nobody has signed yet, nothing can be made another without the key`() throws {
        var random = SeededGenerator()
        let log = try LogHarness()
        log.append(20)
        log.append(180, together: 9)
        try log.writer.flush()
        let all = try log.records().records
        let path = log.directory(SegmentHeader.name(number: 1))
        let (header, sealed) = try log.files.segment(1)
        let pieces = sealed.map { LoosePiece($0) }
        #expect(all.count == 200 && pieces.count == 40)
        for tampering in Tampering.allCases {
            for _ in 0..<Repetition.rounds(20, full: 2000) {
                var changed = pieces
                tampering.apply(to: &changed, &random)
                if changed == pieces { continue }
                try Tampering.write(header, changed, to: path)
                let (read, tail) = try log.records()
                #expect(read == Array(all.prefix(read.count)), "\(tampering)")
                switch tampering {
                // What stands before it is all there, and whatever stands behind it is no record of this log.
                case .append: #expect(read.count == 200 && tail.tornBytes > 0)
                case .duplicate: #expect(tail.tornBytes > 0)
                case .truncate: #expect(read.count < 200)
                default:
                    #expect(
                        read.count < 200 && (tail.tornBytes > 0 || tampering == .delete || tampering == .deleteRecord))
                }
            }
        }
    }

    @Test func `any flipped bit outside the records is found, but in what nobody reads`() throws {
        var random = SeededGenerator()
        let log = try LogHarness()
        log.append(600)
        try log.sign()
        for name in log.directory.names where name.hasSuffix(".log") || name == LogDirectory.checkpointName {
            let path = log.directory(name)
            let original = try AtomicFile.read(path: path, bytesMax: 1 << 20)
            for _ in 0..<Repetition.rounds(15, full: 1000) {
                var changed = original
                let used = name == LogDirectory.checkpointName ? original.count : SegmentHeader.byteCount
                let byte = Int.random(in: 0..<used, using: &random)
                changed[byte] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                try AtomicFile.write(path: path, bytes: changed, mode: 0o600)
                #expect(!log.verify().isSound, "\(name), byte \(byte)")
            }
            try AtomicFile.write(path: path, bytes: original, mode: 0o600)
        }
    }

    @Test func `a roll-back is seen from outside only, and there it is`() throws {
        let log = try LogHarness()
        log.append(300)
        try log.sign()
        let earlier = try log.directory.names.filter { !$0.hasPrefix("tile") }.map {
            ($0, try AtomicFile.read(path: log.directory($0), bytesMax: 1 << 20))
        }
        log.append(300)
        let note = try log.sign()
        for name in log.directory.names where !name.hasPrefix("tile") { unsafe _ = unlink(log.directory(name)) }
        for (name, bytes) in earlier { try AtomicFile.write(path: log.directory(name), bytes: bytes, mode: 0o600) }
        #expect(log.verify().isSound, "it is a log that once was")
        #expect(!log.verify(against: [note]).isSound)
    }

    @Test func `a tile that was changed is found`() throws {
        let log = try LogHarness()
        log.append(600)
        try log.sign()
        let (tile, path) = (Tile(level: 0, index: 1), log.directory("tile/0/000000000"))
        let whole = try AtomicFile.read(path: path, bytesMax: 1 << 20)
        var bytes = whole
        bytes[Tile.byteCount + 5000] ^= 1
        try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
        #expect(log.verify().damages.map(\.file) == [tile.path()])
        // One that was signed cannot be said not to have come to the disk.
        for bytes in [whole[..<Tile.byteCount] + [UInt8](repeating: 0, count: Tile.byteCount), whole[..<9000]] {
            try AtomicFile.write(path: path, bytes: Array(bytes), mode: 0o600)
            #expect(log.verify().damages == [.init(file: tile.path(), what: "is missing")])
        }
    }

    @Test func `another key's checkpoint is none`() throws {
        let log = try LogHarness()
        log.append(10)
        try log.sign()
        let other = try Ed25519.PrivateKey(seed: SecretBytes(randomCount: 32))
        let key = NoteKey(name: LogHarness.origin, key: other.publicKey)
        #expect(!LogVerifier(directory: log.files).verify(key: key).isSound)
    }
}
