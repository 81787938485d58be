// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Glibc
import Platform

/// The key of one epoch. It wraps the tenants' keys, and its destruction is what makes every earlier copy of the keyring
/// worthless for what was erased before.
struct EpochKey: Sendable {
    /// Counts the epochs of a keyring, from 1.
    let number: Int
    let bytes: SecretBytes
    let wrap: KeyWrap

    init(_ bytes: SecretBytes, number: Int) {
        self.bytes = bytes
        self.number = number
        wrap = KeyWrap(bytes)
    }

    static func random(number: Int) -> EpochKey { EpochKey(SecretBytes(randomCount: 32), number: number) }

    /// What the keyring remembers of it, to tell another key from it.
    func commitment(keyring: [UInt8]) -> [UInt8] {
        KeyCommitment.make(of: bytes, salt: keyring, label: "epoch")
    }
}

/// The files of the epoch's key. A file of its own, and not a row, because a row of SQLite cannot be destroyed: it lives on in
/// the WAL, in free pages, in backups.
///
///     magic       8   "GHEPOCH1"
///     keyring    16   id of the keyring it belongs to
///     epoch       6   big endian
///     master      4   generation of the master key that seals
///     nonce      12   random
///     key        32   AES-256-GCM, with everything above but the nonce as associated data
///     tag        16
///
/// A roll goes through three names, so that at every moment one start finds the way on:
///
///     epoch.key.next   the coming epoch, from before the first tenant moves to it
///     epoch.key        the epoch in force
///     epoch.key.old    the epoch before, from the exchange until it is overwritten
struct EpochFiles: Sendable {
    let directory: String
    let keyring: [UInt8]
    var steps = Steps.unwatched

    static let name = "epoch.key"
    private static let magic = Array("GHEPOCH1".utf8)
    private static let headByteCount = 34
    private static let byteCount = headByteCount + 12 + 32 + 16

    enum Place: String {
        case current = ""
        case next = ".next"
        case old = ".old"
    }

    func path(_ place: Place) -> String { "\(directory)/\(Self.name)\(place.rawValue)" }

    /// `nil` where there is no such file.
    func read(_ place: Place, master: MasterKey) throws(KeyringFailure) -> EpochKey? {
        let path = path(place)
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try AtomicFile.read(path: path, bytesMax: Self.byteCount)
        } catch .noSuchFile {
            return nil
        } catch .fileTooLarge {
            throw .damaged(path)
        } catch {
            throw .file(path: path, error)
        }
        return try open(bytes, path, master)
    }

    private func open(_ bytes: [UInt8], _ path: String, _ master: MasterKey) throws(KeyringFailure) -> EpochKey {
        var reader = ByteReader(bytes)
        guard reader.take(8) == Self.magic, let keyring = reader.take(16), let number = reader.number(6),
            let generation = reader.number(4), reader.take(12) != nil, bytes.count == Self.byteCount
        else { throw .damaged(path) }
        guard keyring == self.keyring else { throw .refused("\(path) belongs to another keyring") }
        guard generation == master.generation else {
            throw .older(
                file: Self.name, "it is sealed under master key \(generation), and \(master.generation) is in force")
        }
        guard let key = master.epochs.unwrapKey([1] + bytes[Self.headByteCount...], as: data(number, generation)) else {
            throw .damaged(path)
        }
        return EpochKey(key, number: number)
    }

    /// Puts a key into a file of `place`, durably.
    func write(_ key: EpochKey, to place: Place, master: MasterKey) throws(KeyringFailure) {
        try write(key, path: path(place), master)
    }

    private func write(_ key: EpochKey, path: String, _ master: MasterKey) throws(KeyringFailure) {
        var bytes = Self.magic + keyring
        bytes.append(number: key.number, bytes: 6)
        bytes.append(number: master.generation, bytes: 4)
        // Behind the version of the wrap, which the magic stands for here.
        bytes += master.epochs.wrap(key.bytes, as: data(key.number, master.generation)).dropFirst()
        do throws(Errno) {
            try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
        } catch {
            throw .file(path: path, error)
        }
        steps.reached("\(path) is written")
    }

    /// Puts the key in force into a file beside, sealed under another master key.
    func write(_ key: EpochKey, suffix: String, master: MasterKey) throws(KeyringFailure) {
        try write(key, path: path(.current) + suffix, master)
    }

    /// The file beside takes the name, and the old one is destroyed. Nothing happens where there is none.
    func exchange(suffix: String) throws(KeyringFailure) {
        guard unsafe access(path(.current) + suffix, F_OK) == 0 else { return }
        try install(path(.current) + suffix)
    }

    /// The key of `next` takes the name of the one in force, which is destroyed. May be called again after a crash.
    func install() throws(KeyringFailure) { try install(path(.next)) }

    private func install(_ next: String) throws(KeyringFailure) {
        let (current, old) = (path(.current), path(.old))
        do throws(Errno) {
            // A second name first: after rename(2) alone, a crash would leave the old key in blocks that nobody can name.
            do throws(Errno) {
                try Errno.check { unsafe link(current, old) }
            } catch .fileExists {
                // From a roll that failed or was killed here.
                try AtomicFile.destroy(path: old)
                try Errno.check { unsafe link(current, old) }
            }
            try AtomicFile.flushDirectory(of: old)
            steps.reached("the old epoch has a second name")
            try Errno.check { unsafe rename(next, current) }
            try AtomicFile.flushDirectory(of: current)
            steps.reached("the new epoch has the name")
        } catch {
            throw .file(path: current, error)
        }
        try destroy(.old)
        steps.reached("the old epoch is destroyed")
    }

    /// Overwrites a file in its place and takes its name away. Nothing happens where there is none.
    ///
    /// What a file system keeps elsewhere (a journal of data, a snapshot, worn flash) is beyond reach; SECURITY.md says so.
    func destroy(_ place: Place) throws(KeyringFailure) {
        let path = path(place)
        do throws(Errno) {
            try AtomicFile.destroy(path: path)
        } catch .noSuchFile {
        } catch {
            throw .file(path: path, error)
        }
    }

    func exists(_ place: Place) -> Bool { unsafe access(path(place), F_OK) == 0 }

    private func data(_ number: Int, _ generation: Int) -> AssociatedData {
        AssociatedData(label: "epoch", row: Hex.encode(keyring), version: number, keyID: generation)
    }
}
