// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto

/// A text and the signatures on it (C2SP, signed-note).
///
///     text, of lines that end in a line feed
///     (an empty line)
///     — <name> <base64: 4 bytes of key id, signature>
struct SignedNote: Equatable, Sendable {
    /// Bytes of a note that are read; a checkpoint has some 200.
    static let bytesMax = 16 * 1024
    private static let signaturesMax = 16

    let text: String
    let signatures: [Signature]

    struct Signature: Equatable, Sendable {
        let name: String
        let keyID: [UInt8]
        let bytes: [UInt8]
    }

    init(text: String, signatures: [Signature]) {
        (self.text, self.signatures) = (text, signatures)
    }

    /// Reads a note from outside; nil for what is none.
    init?(_ note: String) {
        let bytes = Array(note.utf8)
        guard bytes.count <= Self.bytesMax, bytes.last == 0x0A, bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x0A }),
            let end = bytes.indices.dropFirst().last(where: { bytes[$0] == 0x0A && bytes[$0 - 1] == 0x0A })
        else { return nil }
        text = String(decoding: bytes[..<end], as: UTF8.self)
        let lines = String(decoding: bytes[(end + 1)...].dropLast(), as: UTF8.self)
        var signatures: [Signature] = []
        for line in lines.split(separator: "\n", omittingEmptySubsequences: false) {
            guard signatures.count < Self.signaturesMax, let signature = Self.signature(line) else { return nil }
            signatures.append(signature)
        }
        guard !signatures.isEmpty else { return nil }
        self.signatures = signatures
    }

    private static func signature(_ line: Substring) -> Signature? {
        let parts = line.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "\u{2014}", NoteKey.isName(parts[1]), let bytes = Base64.decode(parts[2]),
            bytes.count > 4
        else { return nil }
        return Signature(name: String(parts[1]), keyID: Array(bytes[..<4]), bytes: Array(bytes[4...]))
    }

    var note: String {
        signatures.reduce(text + "\n") { note, signature in
            note + "\u{2014} \(signature.name) \(Base64.encode(signature.keyID + signature.bytes))\n"
        }
    }

    /// Whether a key has signed the text.
    func isSigned(by key: NoteKey) -> Bool {
        let text = Array(text.utf8)
        return signatures.contains { signature in
            signature.name == key.name && signature.keyID == key.id
                && key.key.isValid(signature.bytes.span, of: text.span)
        }
    }
}

/// A public key with a name, as verifiers are given it (C2SP, signed-note): `name+hash+base64(0x01 ‖ key)`.
struct NoteKey: Sendable {
    private static let ed25519: UInt8 = 1

    let name: String
    let key: Ed25519.PublicKey
    /// The first four bytes of SHA-256 over name, line feed, algorithm and key.
    let id: [UInt8]

    init(name: String, key: Ed25519.PublicKey) {
        (self.name, self.key) = (name, key)
        id = Array(SHA256.digest(Array(name.utf8) + [0x0A, Self.ed25519] + key.bytes).bytes[..<4])
    }

    /// Reads the text that ``text`` writes; nil for anything else.
    init?(_ text: String) {
        let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, Self.isName(parts[0]), let bytes = Base64.decode(parts[2]), bytes.first == Self.ed25519,
            let key = try? Ed25519.PublicKey(bytes.span.extracting(1...))
        else { return nil }
        self.init(name: String(parts[0]), key: key)
        guard Hex.encode(id) == parts[1] else { return nil }
    }

    var text: String { "\(name)+\(Hex.encode(id))+\(Base64.encode([Self.ed25519] + key.bytes))" }

    static func isName(_ name: some StringProtocol) -> Bool {
        !name.isEmpty && name.utf8.count <= 255
            && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "+") }
    }
}

/// What a log says of itself: so many records, with this root (C2SP, tlog-checkpoint).
struct Checkpoint: Equatable, Sendable {
    /// Names the log: no two logs have the same.
    let origin: String
    let size: Int
    let root: Digest
    /// The first record that is still kept; those before it went by retention. In the note as the extension `oldest 4711`
    /// where it is not 0. Without it, who removes the oldest file could say that retention did.
    var oldest = 0

    init(origin: String, size: Int, root: Digest, oldest: Int = 0) {
        (self.origin, self.size, self.root, self.oldest) = (origin, size, root, oldest)
    }

    /// Reads the text of a note; nil for what is no checkpoint. Other extensions are left alone.
    init?(text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 4, !lines[0].isEmpty, let size = Int(lines[1]), size >= 0, String(size) == lines[1],
            let bytes = Base64.decode(lines[2]), let root = Digest(bytes.span)
        else { return nil }
        self.init(origin: String(lines[0]), size: size, root: root)
        for line in lines[3...] where line.hasPrefix(Self.oldestPrefix) {
            guard oldest == 0, let number = Int(line.dropFirst(Self.oldestPrefix.count)), (1...size).contains(number)
            else { return nil }
            oldest = number
        }
    }

    private static let oldestPrefix = "oldest "

    var text: String {
        let extensions = oldest > 0 ? "\(Self.oldestPrefix)\(oldest)\n" : ""
        return "\(origin)\n\(size)\n\(Base64.encode(root.bytes))\n\(extensions)"
    }

    /// The checkpoint as a note with the log's signature.
    func signed(by key: Ed25519.PrivateKey) throws(CryptoError) -> SignedNote {
        let text = text
        let bytes = Array(text.utf8)
        let signature = try key.signature(of: bytes.span)
        let named = NoteKey(name: origin, key: key.publicKey)
        return SignedNote(text: text, signatures: [.init(name: origin, keyID: named.id, bytes: signature)])
    }

    /// The checkpoint in a note from outside, if a key has signed it.
    init?(note: String, signedBy key: NoteKey) {
        guard let note = SignedNote(note), note.isSigned(by: key), let checkpoint = Checkpoint(text: note.text),
            checkpoint.origin == key.name
        else { return nil }
        self = checkpoint
    }
}
