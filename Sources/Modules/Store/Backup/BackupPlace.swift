// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Platform

/// Where backups are: one directory, of this form.
///
///     keys/                    keyring.slots, epoch.key, keyring.db and their manifest: the newest, and nothing but the newest
///     20261121T084000Z/        control.db, tenants/….db and their manifest: never changed once it has this name
///     20261121T084000Z.partial what an attempt that failed or was killed has left; the next one removes it
///
/// The keys are apart because a history of them would undo every erasure: a copy of the data from before a deletion is
/// opened with keys from after it, and those of the deleted content are not among them. Whoever copies this directory
/// elsewhere must overwrite `keys` there too.
struct BackupPlace: Sendable {
    let path: String

    static let keysName = "keys"
    private static let partial = ".partial"
    /// Copies that a list tells of.
    static let listMax = 10_000

    var keys: String { "\(path)/\(Self.keysName)" }

    func directory(_ name: String) -> String { "\(path)/\(name)" }

    // MARK: What is there

    /// The names of the copies, the oldest first.
    func names() throws(BackupFailure) -> [String] { try Directory.names(in: path).filter(Self.isName).sorted() }

    /// A name is the time of its making in UTC, `20261121T084000Z`, and behind a dash a number where there was one already.
    static func isName(_ name: String) -> Bool {
        let parts = name.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard let time = parts.first?.utf8, time.count == 16, parts.count == 1 || Int(parts[1]) != nil else {
            return false
        }
        return time.enumerated().allSatisfy { place, byte in
            switch place {
            case 8: byte == UInt8(ascii: "T")
            case 15: byte == UInt8(ascii: "Z")
            default: byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
            }
        }
    }

    private func freeName(at time: WallTime) throws(BackupFailure) -> String {
        // 2026-11-21T08:40:00.123Z
        let text = time.rfc3339.prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
        let taken = try names().filter { $0.hasPrefix(text) }
        let last = taken.map { Int($0.dropFirst(text.count + 1)) ?? 1 }.max()
        return last.map { "\(text)-\($0 + 1)" } ?? String(text)
    }

    // MARK: Making one

    /// Makes the place if it is missing, and removes what was not finished. One attempt at a time: the caller sees to it.
    func prepare() throws(BackupFailure) {
        let status = try BackupFailure.file(path) { () throws(Errno) in
            try AtomicFile.makeDirectory(path: path, mode: 0o700)
            return try FileStatus(path: path)
        }
        guard status.owner == geteuid(), !status.isOpenToOthers else {
            throw .refused(
                "the directory of backups \(path) is open to others, or somebody else's",
                hint: "chmod 0700 \(path), or give `[store] backup` another place")
        }
        for name in try Directory.names(in: path) where name.hasSuffix(Self.partial) {
            try Directory.remove(directory(name))
        }
    }

    /// A directory for a new copy, which is none before `publish`.
    func begin(at time: WallTime) throws(BackupFailure) -> (name: String, path: String) {
        let name = try freeName(at: time)
        let path = directory(name) + Self.partial
        try BackupFailure.file(path) { () throws(Errno) in
            for path in [path, "\(path)/tenants"] { try AtomicFile.makeDirectory(path: path, mode: 0o700) }
        }
        return (name, path)
    }

    /// The copy gets its name, durably.
    func publish(_ name: String) throws(BackupFailure) {
        let path = directory(name)
        try BackupFailure.file(path) { () throws(Errno) in
            for inner in ["\(path)\(Self.partial)/tenants/", "\(path)\(Self.partial)/"] {
                try AtomicFile.flushDirectory(of: inner)
            }
            try Errno.check { unsafe rename(path + Self.partial, path) }
            try AtomicFile.flushDirectory(of: path)
        }
    }

    // MARK: The keys

    /// A directory beside the keys, which take its place with `publishKeys`.
    func beginKeys() throws(BackupFailure) -> String {
        let path = keys + Self.partial
        try Directory.remove(path)
        _ = try BackupFailure.file(path) { () throws(Errno) in try AtomicFile.makeDirectory(path: path, mode: 0o700) }
        return path
    }

    /// The new keys take the name, and the old ones are destroyed. A crash leaves either, and the other under the name of
    /// what is not finished.
    func publishKeys() throws(BackupFailure) {
        let new = keys + Self.partial
        try BackupFailure.file(keys) { () throws(Errno) in
            try AtomicFile.flushDirectory(of: new + "/")
            do throws(Errno) {
                try AtomicFile.exchange(new, keys)
            } catch .noSuchFile {
                try Errno.check { unsafe rename(new, keys) }
            }
            try AtomicFile.flushDirectory(of: keys)
        }
        try Directory.remove(new)
    }
}

/// Directories of a backup.
enum Directory {
    /// What stands in it; empty where there is none.
    static func names(in path: String) throws(BackupFailure) -> [String] {
        guard let stream = unsafe opendir(path) else {
            guard Errno.last != .noSuchFile else { return [] }
            throw .file(path: path, Errno.last)
        }
        defer { unsafe _ = closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            // d_name is zero-terminated within the entry, which lives until the next readdir.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a directory of a backup with what is in it; nothing happens where there is none. Links are not followed, and
    /// keys are overwritten first, so that no block keeps them.
    static func remove(_ path: String) throws(BackupFailure) {
        for name in try names(in: path) {
            let inner = "\(path)/\(name)"
            let kind = try BackupFailure.file(inner) { () throws(Errno) in
                try FileStatus(path: inner, followingLinks: false).kind
            }
            guard kind != .directory else {
                try remove(inner)
                continue
            }
            try BackupFailure.file(inner) { () throws(Errno) in
                if [EpochFiles.name, KeyringOpening.slotsName].contains(name) {
                    try AtomicFile.destroy(path: inner)
                } else {
                    try Errno.check { unsafe unlink(inner) }
                }
            }
        }
        try BackupFailure.file(path) { () throws(Errno) in
            do throws(Errno) {
                try Errno.check { unsafe rmdir(path) }
            } catch .noSuchFile {}
        }
    }
}

extension BackupPlace {
    /// What the manifests of the copies say, unproved, the oldest first: for lists. One that says nothing is left out.
    func manifests() throws(BackupFailure) -> [BackupManifest] {
        try names().suffix(Self.listMax).compactMap { name in
            try? FoundManifest(path: "\(directory(name))/\(BackupManifest.fileName)").manifest
        }
    }
}
