// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import Glibc
import Platform

/// The appliance's root key: 32 bytes from outside the data directory, from which every other key is derived by HKDF with a
/// label of its own (RFC 5869), so that no two purposes share a key.
struct RootKey: Sendable {
    static let byteCount = 32

    private let bytes: SecretBytes

    /// Takes the first place that has a key.
    ///
    /// - Parameter mayCreate: makes the first file of the list if no place has a key.
    /// - Throws: if a place holds something else than a key, or a file is open to others: then nothing is guessed.
    static func unlock(_ sources: [UnlockSource], mayCreate: Bool) throws(StartFailure) -> RootKey {
        for source in sources {
            if let path = path(of: source), let key = try RootKey(file: path) { return key }
        }
        if mayCreate, case .file(let path)? = sources.first { return try create(path) }
        let places = sources.map(\.description).joined(separator: ", ")
        throw StartFailure(
            "there is no root key at \(places)",
            hint:
                "make one: (umask 277; head -c 32 /dev/urandom > /etc/gatehouse/root.key), and keep a copy off this server"
        )
    }

    /// 32 bytes for one purpose.
    func derive(label: String) throws(StartFailure) -> SecretBytes {
        do {
            return try HKDFSHA256.derive(key: bytes, info: "gatehouse/v1/\(label)", count: Self.byteCount)
        } catch {
            throw StartFailure("a key cannot be derived: \(error)")
        }
    }

    /// The file of a place; `nil` for a credential when systemd handed over none.
    private static func path(of source: UnlockSource) -> String? {
        switch source {
        case .file(let path): return path
        case .credential(let name):
            // Set by systemd before the first thread; the text is copied at once.
            guard let directory = unsafe getenv("CREDENTIALS_DIRECTORY") else { return nil }
            return unsafe String(cString: directory) + "/" + name
        }
    }

    /// `nil` if there is no such file.
    private init?(file path: String) throws(StartFailure) {
        var content: [UInt8]
        do throws(Errno) {
            let status = try FileStatus(path: path)
            guard !status.isOpenToOthers else {
                throw Errno.permissionDenied
            }
            content = try AtomicFile.read(path: path, bytesMax: 256)
        } catch .noSuchFile {
            return nil
        } catch .permissionDenied {
            throw StartFailure(
                "the root key \(path) can be read by others, or not by this user",
                hint: "chmod 0400 \(path), and consider whether the key is still secret")
        } catch {
            throw StartFailure("the root key \(path) cannot be read: \(error)")
        }
        defer { SecretBytes.wipe(&content) }
        guard let key = Self.parse(content) else {
            throw StartFailure(
                "\(path) holds no root key", hint: "a root key is 32 random bytes, or 64 hexadecimal digits")
        }
        bytes = key
    }

    private init(_ bytes: SecretBytes) {
        self.bytes = bytes
    }

    private static func parse(_ content: [UInt8]) -> SecretBytes? {
        if content.count == byteCount { return SecretBytes(copying: content.span) }
        let text = content.last == UInt8(ascii: "\n") ? content.dropLast() : content[...]
        guard text.count == byteCount * 2, var key = Hex.decode(String(decoding: text, as: UTF8.self)) else {
            return nil
        }
        return SecretBytes(taking: &key)
    }

    private static func create(_ path: String) throws(StartFailure) -> RootKey {
        let key = SecretBytes(randomCount: byteCount)
        var text = Array((key.withBytes { Hex.encode($0) } + "\n").utf8)
        defer { SecretBytes.wipe(&text) }
        do {
            try AtomicFile.write(path: path, bytes: text, mode: 0o600)
        } catch {
            throw StartFailure("the root key \(path) cannot be made: \(error)")
        }
        return RootKey(key)
    }
}
