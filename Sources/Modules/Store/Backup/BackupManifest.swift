// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import JSON
import Platform

/// What a backup consists of: the file `manifest` in it.
///
///     one line of JSON      format, name, time, the keyring's id and how far it was, and of every file name, size and SHA-256
///     one line of 64 hex    HMAC-SHA256 of the first line under a key of the keyring
///     one line of 64 hex    SHA-256 of the first line
///
/// The digests name a file that was changed, cut short or exchanged, the manifest included, before any key is at hand; the
/// code shows that nobody without the keys has written the digests.
struct BackupManifest: Sendable, Equatable {
    struct File: Sendable, Equatable {
        /// Below the backup: `control.db`, `tenants/ten_….db`.
        let name: String
        let bytes: Int
        let digest: Digest
    }

    static let fileName = "manifest"
    static let format = 1
    /// A line for each of a hundred thousand tenants, and room.
    static let bytesMax = 64 << 20

    let name: String
    let createdAt: WallTime
    /// The id of the keyring that opens it.
    let keyring: [UInt8]
    /// How far the keyring was: one that is less far has not seen all that is in the files.
    let generation: Int
    let epoch: Int
    /// Revision of the unlock slots.
    let slots: Int
    let files: [File]

    var bytes: Int { files.reduce(0) { $0 + $1.bytes } }

    func serialized(_ mac: HMACSHA256) -> [UInt8] {
        let json: JSONValue = [
            "format": .int(Self.format), "name": .string(name), "created_at": .string(createdAt.rfc3339),
            "keyring": .string(Hex.encode(keyring)), "generation": .int(generation), "epoch": .int(epoch),
            "slots": .int(slots),
            "files": .array(
                files.map { file in
                    [
                        "name": .string(file.name), "bytes": .int(file.bytes),
                        "sha256": .string(Hex.encode(file.digest.bytes)),
                    ]
                }),
        ]
        let line = json.serialized()
        let code = mac.code(of: line)
        let digest = SHA256.digest(line)
        return line + Array("\n\(Hex.encode(code.bytes))\n\(Hex.encode(digest.bytes))\n".utf8)
    }
}

/// A manifest as it was found: its words are not to be believed before `trusted`.
struct FoundManifest: Sendable {
    let manifest: BackupManifest
    private let line: [UInt8]
    private let code: Digest
    private let path: String

    /// - Throws: `damaged` where it is not one; `file` where it cannot be read.
    init(path: String) throws(BackupFailure) {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try AtomicFile.read(path: path, bytesMax: BackupManifest.bytesMax)
        } catch {
            throw .file(path: path, error)
        }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count == 4, lines[3].isEmpty else { throw .damaged(file: path, "it is no manifest") }
        let line = Array(lines[0])
        guard let code = Self.digest(lines[1]), let digest = Self.digest(lines[2]), digest == SHA256.digest(line),
            let json = try? JSONValue(parsing: line), let manifest = BackupManifest(json)
        else { throw .damaged(file: path, "it is not as it was written") }
        self.manifest = manifest
        self.code = code
        self.path = path
        self.line = line
    }

    private static func digest(_ hex: ArraySlice<UInt8>) -> Digest? {
        guard let bytes = Hex.decode(String(decoding: hex, as: UTF8.self)) else { return nil }
        return Digest(bytes.span)
    }

    /// The manifest, if the keyring of this key has written it.
    func trusted(_ mac: HMACSHA256) throws(BackupFailure) -> BackupManifest {
        guard mac.isValid(code, of: line.span) else {
            throw .damaged(file: path, "it was not written by this keyring, or was changed")
        }
        return manifest
    }
}

extension BackupManifest {
    fileprivate init?(_ json: JSONValue) {
        guard json["format"]?.int == Self.format, let name = json["name"]?.string,
            let createdAt = json["created_at"]?.string.flatMap({ WallTime(rfc3339: $0) }),
            let keyring = json["keyring"]?.string.flatMap({ Hex.decode($0) }), let generation = json["generation"]?.int,
            let epoch = json["epoch"]?.int, let slots = json["slots"]?.int, let entries = json["files"]?.array
        else { return nil }
        var files: [File] = []
        for entry in entries {
            guard let file = File(entry) else { return nil }
            files.append(file)
        }
        self.init(
            name: name, createdAt: createdAt, keyring: keyring, generation: generation, epoch: epoch, slots: slots,
            files: files)
    }
}

extension BackupManifest.File {
    fileprivate init?(_ json: JSONValue) {
        guard let name = json["name"]?.string, Self.isPlain(name), let bytes = json["bytes"]?.int, bytes >= 0,
            let digest = json["sha256"]?.string.flatMap({ Hex.decode($0) }).flatMap({ Digest($0.span) })
        else { return nil }
        self.init(name: name, bytes: bytes, digest: digest)
    }

    /// Names lead to files below the backup and nowhere else: it may come from a disk that others write to.
    private static func isPlain(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return !name.isEmpty && parts.count <= 2
            && parts.allSatisfy { part in
                part.utf8.first.map { $0 != UInt8(ascii: ".") } ?? false
                    && part.utf8.allSatisfy { byte in
                        byte.isASCIILetter || byte.isASCIIDigit || [0x2D, 0x2E, 0x5F].contains(byte)
                    }
            }
    }
}
