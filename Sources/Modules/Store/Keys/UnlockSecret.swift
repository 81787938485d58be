// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import Glibc
import Platform

/// What somebody has who may unlock the store.
struct UnlockSecret: Sendable {
    enum Kind: Int, Sendable {
        /// 32 random bytes in a file or a credential: the root key.
        case key = 1
        /// Something a person remembers.
        case passphrase = 2
        /// 32 random bytes on paper.
        case recovery = 3

        var name: String {
            switch self {
            case .key: "key"
            case .passphrase: "passphrase"
            case .recovery: "recovery"
            }
        }
    }

    /// A passphrase shorter than this is guessed whatever scrypt costs.
    static let passphraseBytes = 12...1024

    let kind: Kind
    private let bytes: SecretBytes

    init(_ kind: Kind, _ bytes: SecretBytes) {
        self.kind = kind
        self.bytes = bytes
    }

    /// The key that opens a slot: the secret's own where it is one, else scrypt's.
    func slotKey(scrypt: Scrypt?, salt: [UInt8]) throws(CryptoError) -> SecretBytes {
        guard kind == .passphrase else { return bytes }
        return try bytes.withBytes { password throws(CryptoError) in
            try (scrypt ?? .passwords).derive(password: password, salt: salt.span, count: 32)
        }
    }

    // MARK: Where it comes from

    /// What is at a place; `nil` where nothing is.
    ///
    /// - Throws: for what is there and is no secret, or is open to others: then nothing is guessed.
    init?(at source: UnlockSource) throws(StartFailure) {
        switch source {
        case .file(let path):
            guard let key = try Self.content(of: path) else { return nil }
            self = try Self.key(in: key, path)
        case .credential(let name):
            guard let path = Self.credential(name), let key = try Self.content(of: path, isCredential: true)
            else { return nil }
            self = try Self.key(in: key, path)
        case .passphrase(.file(let path)):
            guard let text = try Self.content(of: path) else { return nil }
            self = try Self.typed(text, from: path)
        case .passphrase(.credential(let name)):
            guard let path = Self.credential(name), let text = try Self.content(of: path, isCredential: true)
            else { return nil }
            self = try Self.typed(text, from: path)
        case .passphrase(.terminal):
            guard let text = try Self.ask("passphrase or recovery key: ") else { return nil }
            self = try Self.typed(text, from: "the terminal")
        }
    }

    /// Makes a key file for a keyring that is new.
    init(makingFile path: String) throws(StartFailure) {
        let key = SecretBytes(randomCount: 32)
        var text = Array((key.withBytes { Hex.encode($0) } + "\n").utf8)
        defer { SecretBytes.wipe(&text) }
        do {
            try AtomicFile.write(path: path, bytes: text, mode: 0o400)
        } catch {
            throw StartFailure("the root key \(path) cannot be made: \(error)")
        }
        self.init(.key, key)
    }

    /// Asks a person twice, for a passphrase that is new.
    static func askForNewPassphrase() throws(StartFailure) -> UnlockSecret? {
        guard let first = try ask("new passphrase: "), let second = try ask("once more: ") else { return nil }
        let isSame = first.withBytes { first in second.withBytes { constantTimeEquals(first, $0) } }
        guard isSame else { throw StartFailure("the two passphrases differ") }
        return try typed(first, from: "the terminal")
    }

    /// A passphrase, or a recovery key, as somebody typed it.
    static func typed(_ text: SecretBytes, from place: String) throws(StartFailure) -> UnlockSecret {
        var bytes = text.withBytes { text in text.indices.map { text[$0] } }
        defer { SecretBytes.wipe(&bytes) }
        while bytes.last == UInt8(ascii: "\n") || bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        do throws(RecoveryKey.Problem) {
            return UnlockSecret(.recovery, try RecoveryKey.parse(bytes))
        } catch .mistyped {
            throw StartFailure(
                "what comes from \(place) looks like a recovery key with a typing mistake",
                hint: "it has 56 characters behind \"ghr\"; small letters and missing hyphens do no harm")
        } catch {
            guard passphraseBytes.contains(bytes.count) else {
                throw StartFailure(
                    "a passphrase has \(passphraseBytes.lowerBound) to \(passphraseBytes.upperBound) bytes (\(place))",
                    hint: "six words of a dice list are easy to remember and hard to guess")
            }
            return UnlockSecret(.passphrase, SecretBytes(copying: bytes.span))
        }
    }

    /// The key in a file's content: 32 bytes, 64 hexadecimal digits, or a recovery key.
    private static func key(in content: SecretBytes, _ path: String) throws(StartFailure) -> UnlockSecret {
        if content.count == 32 { return UnlockSecret(.key, content) }
        var bytes = content.withBytes { content in content.indices.map { content[$0] } }
        defer { SecretBytes.wipe(&bytes) }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        if bytes.count == 64, var key = Hex.decode(String(decoding: bytes, as: UTF8.self)) {
            return UnlockSecret(.key, SecretBytes(taking: &key))
        }
        if let key = try? RecoveryKey.parse(bytes) { return UnlockSecret(.recovery, key) }
        throw StartFailure(
            "\(path) holds no root key", hint: "a root key is 32 random bytes, or 64 hexadecimal digits")
    }

    /// The bytes of a file that nobody else can read; `nil` if there is no such file.
    private static func content(
        of path: String, isCredential: Bool = false
    ) throws(StartFailure) -> SecretBytes? {
        do throws(Errno) {
            let descriptor = FileDescriptor(
                owning: try Errno.check { unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) })
            // The file that was opened is the one that is judged, whatever its name leads to by now.
            let status = try FileStatus(of: descriptor)
            guard
                !status.isOpenToOthers
                    || isCredential && isList(status.mode, owner: status.owner, group: status.group)
            else { throw Errno.permissionDenied }
            var bytes = try AtomicFile.read(descriptor, bytesMax: passphraseBytes.upperBound + 2)
            return SecretBytes(taking: &bytes)
        } catch .noSuchFile {
            return nil
        } catch .permissionDenied {
            throw StartFailure(
                "the root key \(path) can be read by others, or not by this user",
                hint: "chmod 0400 \(path), and consider whether the key is still secret")
        } catch {
            throw StartFailure("the root key \(path) cannot be read: \(error)")
        }
    }

    /// Whether a credential is root's and readable by whom an access control list names: systemd 254 and later keep credentials
    /// so where the kernel lets them (a tmpfs), and acl(5) shows the list's mask as the group's bits. The group is root's, and
    /// the folder is closed to everybody but the service.
    static func isList(_ mode: UInt32, owner: UInt32, group: UInt32) -> Bool {
        owner == 0 && group == 0 && mode & 0o037 == 0
    }

    /// The file of a credential; `nil` when systemd handed over none.
    private static func credential(_ name: String) -> String? {
        // Set by systemd before the first thread; the text is copied at once.
        guard let directory = unsafe getenv("CREDENTIALS_DIRECTORY") else { return nil }
        return unsafe String(cString: directory) + "/" + name
    }

    private static func ask(_ prompt: String) throws(StartFailure) -> SecretBytes? {
        do throws(Errno) {
            return try TerminalSecret.ask(prompt, bytesMax: passphraseBytes.upperBound)
        } catch {
            throw StartFailure(
                "there is no terminal to ask for the passphrase: \(error)",
                hint: "unlock = [\"passphrase:credential:NAME\"] takes it from systemd")
        }
    }
}
