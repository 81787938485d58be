// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform
import Support
import Testing

@testable import Audit

/// Whatever is done to a copy of a log is found with its public key and its last checkpoint.
struct TamperTests {
    private typealias Frames = [[UInt8]]

    /// One way to change the sealed records of one segment.
    private enum Tampering: CaseIterable {
        case edit, delete, insert, duplicate, swap, truncate, append

        func apply(to frames: Frames, _ random: inout SeededGenerator) -> Frames {
            var frames = frames
            let place = Int.random(in: 0..<frames.count, using: &random)
            switch self {
            case .edit:
                let byte = Int.random(in: 0..<frames[place].count, using: &random)
                frames[place][byte] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case .delete: frames.remove(at: place)
            case .insert:
                frames.insert((0..<120).map { _ in UInt8.random(in: 0...255, using: &random) }, at: place)
            case .duplicate: frames.insert(frames[place], at: place)
            case .swap:
                let other = (place + 1 + Int.random(in: 0..<frames.count - 1, using: &random)) % frames.count
                frames.swapAt(place, other)
            case .truncate: frames.removeLast(frames.count - place)
            case .append: frames.append(frames[place])
            }
            return frames
        }
    }

    private static func write(_ header: SegmentHeader, _ frames: Frames, to path: String) throws {
        var bytes = header.encoded()
        for frame in frames {
            bytes.appendBigEndian(UInt32(frame.count))
            bytes += frame
        }
        bytes += [UInt8](repeating: 0, count: max(0, header.capacity - bytes.count))
        try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
    }

    @Test func `any change of any record is found`() throws {
        var random = SeededGenerator()
        let log = try LogHarness()
        log.append(1000)
        try log.sign()
        #expect(log.verify().isSound)
        let numbers = try log.files.segmentNumbers()
        for tampering in Tampering.allCases {
            for _ in 0..<Repetition.rounds(4, full: 300) {
                let number = try #require(numbers.randomElement(using: &random))
                let path = log.directory(SegmentHeader.name(number: number))
                let original = try AtomicFile.read(path: path, bytesMax: 1 << 20)
                let (header, frames) = try log.files.segment(number)
                let changed = tampering.apply(to: Array(frames), &random)
                // Nothing is wrong with records behind the last one that a checkpoint vouches for.
                if tampering == .append, number == numbers.last { continue }
                try Self.write(header, changed, to: path)
                #expect(!log.verify().isSound, "\(tampering) in segment \(number)")
                try AtomicFile.write(path: path, bytes: original, mode: 0o600)
            }
        }
        #expect(log.verify().isSound)
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
