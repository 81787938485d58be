// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Glibc
import Platform

/// The files of a log, read without any key: by the log itself when it starts, and by whoever verifies it.
///
///     audit/
///       00000000000000000001.log   segments; the numbers have no gaps, the oldest may have gone by retention
///       tile/…                     whole tiles of the tree over all records ever (``TileFiles``)
///       checkpoint                 the last one, signed
struct LogDirectory: Sendable {
    static let checkpointName = "checkpoint"
    /// What is said of a file, or a tile, that is not there.
    static let isMissing = "is missing"
    /// Bytes of a segment that are read; larger files are not ours.
    static let segmentBytesMax = 1 << 30

    let path: String

    /// What is wrong with the files, by name.
    struct Damage: Error, Equatable, Sendable, CustomStringConvertible {
        let file: String
        let what: String

        var description: String { "\(file): \(what)" }
    }

    /// The numbers of the segments there are, ascending.
    func segmentNumbers() throws(Damage) -> [Int] {
        var numbers = try fileNumbers()
        // The process ended between making the newest file and beginning it.
        if let last = numbers.last, try isUnbegun(last) { numbers.removeLast() }
        return numbers
    }

    /// The newest file, where it was made and never begun: nothing stands in it, and it stands in the way of the next.
    func unbegunNumber() throws(Damage) -> Int? {
        guard let last = try fileNumbers().last, try isUnbegun(last) else { return nil }
        return last
    }

    private func fileNumbers() throws(Damage) -> [Int] {
        guard let directory = unsafe opendir(path) else {
            if Errno.last == .noSuchFile { return [] }
            throw Damage(file: path, what: "cannot be read: \(Errno.last)")
        }
        defer { unsafe closedir(directory) }
        var numbers: [Int] = []
        while let entry = unsafe readdir(directory) {
            // SAFETY: d_name is ended by a zero within the entry, which lives until the next readdir.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            if let number = SegmentHeader.number(inName: name) { numbers.append(number) }
        }
        return numbers.sorted()
    }

    private func isUnbegun(_ number: Int) throws(Damage) -> Bool {
        try head(of: SegmentHeader.name(number: number)).allSatisfy { $0 == 0 }
    }

    /// One segment's header, without reading what is behind it.
    func header(_ number: Int) throws(Damage) -> SegmentHeader {
        let name = SegmentHeader.name(number: number)
        return try header(in: head(of: name), number, name)
    }

    private func header(in bytes: [UInt8], _ number: Int, _ name: String) throws(Damage) -> SegmentHeader {
        guard let header = SegmentHeader(bytes) else { throw Damage(file: name, what: "has no header of a segment") }
        guard header.number == number else {
            throw Damage(file: name, what: "is segment \(header.number) under another name")
        }
        return header
    }

    private func head(of name: String) throws(Damage) -> [UInt8] {
        do throws(Errno) {
            let path = "\(path)/\(name)"
            let file = FileDescriptor(
                owning: try Errno.check { unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY) })
            var bytes = [UInt8](repeating: 0, count: SegmentHeader.byteCount)
            // The array's buffer for the length of the closure.
            let count = try Errno.check {
                unsafe bytes.withUnsafeMutableBytes { unsafe pread(file.rawValue, $0.baseAddress, $0.count, 0) }
            }
            return Array(bytes[..<count])
        } catch {
            throw Damage(file: name, what: error == .noSuchFile ? Self.isMissing : "cannot be read: \(error)")
        }
    }

    /// One segment's header and pieces.
    func segment(_ number: Int) throws(Damage) -> (header: SegmentHeader, pieces: SegmentPieces) {
        let name = SegmentHeader.name(number: number)
        let bytes = try read(name, bytesMax: Self.segmentBytesMax)
        return (try header(in: bytes, number, name), SegmentPieces(bytes))
    }

    /// The hashes of a whole tile.
    func tile(_ tile: Tile) throws(Damage) -> [Digest] {
        do throws(Errno) {
            if let hashes = try TileFiles(in: path).read(tile) { return hashes }
        } catch {
            guard error == .noSuchFile else { throw Damage(file: tile.path(), what: "cannot be read: \(error)") }
        }
        throw Damage(file: tile.path(), what: Self.isMissing)
    }

    /// The last checkpoint as a note; nil where there is none yet.
    func checkpoint() throws(Damage) -> String? {
        do throws(Errno) {
            let bytes = try AtomicFile.read(path: "\(path)/\(Self.checkpointName)", bytesMax: SignedNote.bytesMax)
            return String(validating: bytes, as: UTF8.self) ?? ""
        } catch .noSuchFile {
            return nil
        } catch {
            throw Damage(file: Self.checkpointName, what: "cannot be read: \(error)")
        }
    }

    /// Puts whole tiles on the disk. Some may be there already, after a crash: the same hashes give the same bytes.
    func write(_ tiles: [(tile: Tile, hashes: [Digest])]) throws(Errno) {
        try TileFiles(in: path).write(tiles)
    }

    func write(checkpoint note: SignedNote) throws(Errno) {
        try AtomicFile.write(path: "\(path)/\(Self.checkpointName)", bytes: Array(note.note.utf8), mode: 0o600)
    }

    private func read(_ name: String, bytesMax: Int) throws(Damage) -> [UInt8] {
        do throws(Errno) {
            return try AtomicFile.read(path: "\(path)/\(name)", bytesMax: bytesMax)
        } catch {
            throw Damage(file: name, what: error == .noSuchFile ? Self.isMissing : "cannot be read: \(error)")
        }
    }
}
