// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Platform
import Testing

@testable import Audit

struct SignedNoteTests {
    private static let origin = "ai.example.org/audit"

    private static func key(_ byte: UInt8 = 7) throws -> Ed25519.PrivateKey {
        let seed = [UInt8](repeating: byte, count: 32)
        return try Ed25519.PrivateKey(seed: SecretBytes(copying: seed.span))
    }

    @Test func `the example of the specification is read`() throws {
        // golang.org/x/mod/sumdb/note, package documentation: key and note.
        let key = try #require(NoteKey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"))
        let text =
            "If you think cryptography is the answer to your problem,\n"
            + "then you don't know what your problem is.\n"
        let note =
            text
            + "\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        let read = try #require(SignedNote(note))
        #expect(read.text == text)
        #expect(read.isSigned(by: key))
        #expect(read.note == note)
        #expect(!SignedNote(text: text + "More.\n", signatures: read.signatures).isSigned(by: key))
        #expect(key.text == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    }

    @Test func `a checkpoint comes back from its note, and only under its key and its name`() throws {
        let key = try Self.key()
        let checkpoint = Checkpoint(origin: Self.origin, size: 4711, root: SHA256.digest([1]))
        let note = try checkpoint.signed(by: key).note
        let own = NoteKey(name: Self.origin, key: key.publicKey)
        #expect(Checkpoint(note: note, signedBy: own) == checkpoint)
        #expect(Checkpoint(note: note, signedBy: NoteKey(name: "other", key: key.publicKey)) == nil)
        #expect(Checkpoint(note: note, signedBy: NoteKey(name: Self.origin, key: try Self.key(8).publicKey)) == nil)
        #expect(NoteKey(own.text)?.id == own.id)
    }

    @Test func `a checkpoint says with which record the log begins`() throws {
        let key = try Self.key()
        let own = NoteKey(name: Self.origin, key: key.publicKey)
        let checkpoint = Checkpoint(origin: Self.origin, size: 4711, root: SHA256.digest([1]), oldest: 256)
        #expect(Checkpoint(note: try checkpoint.signed(by: key).note, signedBy: own) == checkpoint)
        #expect(checkpoint.text.hasSuffix("\noldest 256\n"))
        for bad in ["oldest 4712", "oldest 0", "oldest -1", "oldest x", "oldest 1\noldest 2"] {
            #expect(Checkpoint(text: checkpoint.text.replacing("oldest 256", with: bad)) == nil, "\(bad)")
        }
    }

    @Test func `no byte of a note can be changed`() throws {
        let key = try Self.key()
        let own = NoteKey(name: Self.origin, key: key.publicKey)
        let checkpoint = Checkpoint(origin: Self.origin, size: 12, root: SHA256.digest([1]))
        let note = Array(try checkpoint.signed(by: key).note.utf8)
        for place in note.indices {
            for bit in 0..<8 {
                var changed = note
                changed[place] ^= 1 << UInt8(bit)
                guard let text = String(validating: changed, as: UTF8.self) else { continue }
                #expect(Checkpoint(note: text, signedBy: own) == nil, "byte \(place), bit \(bit)")
            }
            let cut = String(decoding: note[..<place], as: UTF8.self)
            #expect(Checkpoint(note: cut, signedBy: own) == nil)
        }
    }

    @Test(arguments: [
        "", "\n\n", "a\n\n", "a\n\n\n", "a\n\n- n AAAAAAA=\n", "a\n\n\u{2014} n AAAA\n", "a\n\n\u{2014} n+m AAAAAAA=\n",
        "a\r\n\n\u{2014} n AAAAAAA=\n", "a\n\n\u{2014} n AAAAAAA=", "a\n\n\u{2014} n AAAAAAA= \n",
        "a\n\u{2014} n AAAAAAA=\n",
    ])
    func `what is no note is refused`(_ text: String) {
        #expect(SignedNote(text) == nil)
    }

    @Test(arguments: ["o\n1\n", "o\n01\nAAAA\n", "o\n-1\nAAAA\n", "o\n1\nAAAA\n", "\n1\n", "o\nx\n"])
    func `what is no checkpoint is refused`(_ text: String) {
        #expect(Checkpoint(text: text) == nil)
    }
}
