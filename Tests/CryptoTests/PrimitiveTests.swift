// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Platform
import Support
import Synchronization
import Testing

private func bytes(_ hex: String) -> [UInt8] { Hex.decode(hex) ?? [] }

@Suite struct DigestTests {
    // FIPS 180-4 examples and the empty message.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `SHA-256 gives the published digests`(message: String, digest: String) {
        #expect(SHA256.digest(Array(message.utf8)).bytes == bytes(digest))
    }

    @Test func `parts give the digest of the whole`() {
        let message = Random.bytes(10_000)
        for cut in [0, 1, 63, 64, 65, 5000, 10_000] {
            var hash = SHA256()
            hash.update(Array(message[..<cut]).span)
            hash.update(Array(message[cut...]).span)
            #expect(hash.finish() == SHA256.digest(message))
        }
    }

    @Test func `a digest behind a byte is that of the byte and the rest, whatever its length`() {
        let message = Random.bytes(700)
        for count in 0...message.count {
            let part = Array(message[..<count])
            #expect(SHA256.digest(UInt8(count & 0xFF), part.span) == SHA256.digest([UInt8(count & 0xFF)] + part))
        }
        let (left, right) = (SHA256.digest([1]), SHA256.digest([2]))
        #expect(SHA256.digest(9, left, right) == SHA256.digest([9] + left.bytes + right.bytes))
    }

    @Test func `a digest is 32 bytes and equal to itself alone`() {
        #expect(Digest(Random.bytes(31).span) == nil && Digest(Random.bytes(33).span) == nil)
        let source = Random.bytes(32)
        let digest = digest(of: source)
        #expect(digest?.bytes == source && digest == self.digest(of: source))
        for index in 0..<32 {
            var other = source
            other[index] ^= 1
            #expect(self.digest(of: other) != digest)
        }
    }

    /// Through a function, since a span may not pass through `#expect`.
    private func digest(of bytes: [UInt8]) -> Digest? { Digest(bytes.span) }

    @Test(
        arguments: [
            ([1, 2, 3], [1, 2, 3], true), ([1, 2, 3], [1, 2, 4], false), ([1, 2, 3], [1, 2], false), ([], [], true),
        ] as [([UInt8], [UInt8], Bool)])
    func `compares in constant time what has one length`(left: [UInt8], right: [UInt8], areEqual: Bool) {
        let result = constantTimeEquals(left.span, right.span)
        #expect(result == areEqual)
    }

    @Test(arguments: [("", 0), ("123456789", 0xCBF4_3926), ("a", 0xE8B7_BE43)] as [(String, UInt32)])
    func `CRC-32 gives the published checksums`(text: String, checksum: UInt32) {
        #expect(CRC32.checksum(Array(text.utf8).span) == checksum)
    }
}

@Suite struct HMACTests {
    // RFC 4231 test case 2, and the empty key (which must not be taken for "the key before").
    @Test func `gives the published codes, again and again`() {
        let mac = HMACSHA256(key: Array("Jefe".utf8).span)
        let empty = HMACSHA256(key: [UInt8]().span)
        for _ in 0..<3 {
            #expect(
                mac.code(of: Array("what do ya want for nothing?".utf8)).bytes
                    == bytes("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"))
            #expect(
                empty.code(of: [UInt8]()).bytes
                    == bytes("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"))
        }
    }

    @Test func `gives the same codes on four threads at once`() throws {
        let mac = HMACSHA256(key: SecretBytes(randomCount: 32))
        let messages = (0..<200).map { _ in Random.bytes(50) }
        let codes = messages.map { mac.code(of: $0) }
        let wrong = Atomic(0)
        try withThreads(4) { _ in
            for _ in 0..<50 {
                for (message, code) in zip(messages, codes) where mac.code(of: message) != code {
                    wrong.add(1, ordering: .relaxed)
                }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
        let (first, second) = (messages[0], messages[1])
        let own = mac.isValid(codes[0], of: first.span)
        let foreign = mac.isValid(codes[0], of: second.span)
        #expect(own && !foreign)
    }
}

@Suite struct SealTests {
    private let box: AES256GCM
    private let nonce = Random.bytes(12)
    private let associated: [UInt8] = Array("page 7".utf8)

    init() throws { box = try AES256GCM(key: SecretBytes(randomCount: 32)) }

    @Test(arguments: [0, 1, 15, 16, 17, 4096, 65_536]) func `opens what it sealed`(count: Int) throws {
        let plaintext = Random.bytes(count)
        let sealed = try box.seal(plaintext.span, nonce: nonce.span, associatedData: associated.span)
        #expect(sealed.count == count + 16)
        #expect(try box.open(sealed.span, nonce: nonce.span, associatedData: associated.span) == plaintext)
    }

    @Test func `opens nothing that was changed`() throws {
        let sealed = try box.seal(Random.bytes(40).span, nonce: nonce.span, associatedData: associated.span)
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 0x80
            #expect(throws: CryptoError.notAuthentic) { try open(changed) }
        }
        for count in 0..<sealed.count {
            #expect(throws: CryptoError.notAuthentic) { try open(Array(sealed.prefix(count))) }
        }
        let other = try AES256GCM(key: SecretBytes(randomCount: 32))
        #expect(throws: CryptoError.notAuthentic) {
            try other.open(sealed.span, nonce: nonce.span, associatedData: associated.span)
        }
        #expect(throws: CryptoError.notAuthentic) {
            try box.open(sealed.span, nonce: nonce.span, associatedData: [UInt8]().span)
        }
        #expect(throws: CryptoError.notAuthentic) {
            try box.open(sealed.span, nonce: Random.bytes(12).span, associatedData: associated.span)
        }
    }

    @Test func `refuses keys and nonces of other lengths`() {
        for count in [0, 16, 24, 31, 33] {
            #expect(throws: CryptoError.length(expected: 32, actual: count)) {
                try AES256GCM(key: SecretBytes(randomCount: count))
            }
        }
        for count in [0, 11, 13, 16] {
            #expect(throws: CryptoError.length(expected: 12, actual: count)) {
                try box.seal([1].span, nonce: Random.bytes(count).span, associatedData: [1].span)
            }
        }
    }

    private func open(_ sealed: [UInt8]) throws(CryptoError) -> [UInt8] {
        try box.open(sealed.span, nonce: nonce.span, associatedData: associated.span)
    }
}

@Suite struct SignatureTests {
    // RFC 8032 §7.1, tests 1 to 3.
    @Test(arguments: [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ])
    func `signs as RFC 8032 does`(seed: String, publicKey: String, message: String, signature: String) throws {
        let key = try Ed25519.PrivateKey(seed: SecretBytes(copying: bytes(seed).span))
        #expect(key.publicKey.bytes == bytes(publicKey))
        let made = try key.signature(of: bytes(message).span)
        #expect(made == bytes(signature))
        let own = key.publicKey.isValid(made.span, of: bytes(message).span)
        let longer = key.publicKey.isValid(made.span, of: (bytes(message) + [0]).span)
        let cut = key.publicKey.isValid(Array(made.dropLast()).span, of: bytes(message).span)
        #expect(own && !longer && !cut)
    }

    @Test func `refuses seeds and keys of other lengths`() {
        #expect(throws: CryptoError.length(expected: 32, actual: 31)) {
            try Ed25519.PrivateKey(seed: SecretBytes(randomCount: 31))
        }
        #expect(throws: CryptoError.length(expected: 32, actual: 33)) { try Ed25519.PublicKey(Random.bytes(33).span) }
    }
}

@Suite struct ScryptTests {
    // RFC 7914 §12.
    @Test func `derives as RFC 7914 does`() throws {
        let cases: [(String, String, Int, Int, Int, String)] = [
            (
                "", "", 16, 1, 1,
                "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
            ),
            (
                "password", "NaCl", 1024, 8, 16,
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
            ),
        ]
        for (password, salt, cost, blockSize, parallelism, expected) in cases {
            let scrypt = try Scrypt(cost: cost, blockSize: blockSize, parallelism: parallelism)
            let key = try scrypt.derive(password: Array(password.utf8).span, salt: Array(salt.utf8).span, count: 64)
            #expect(key.withBytes { Array(copying: $0) } == bytes(expected))
        }
    }

    @Test func `has room for the parameters of passwords`() throws {
        #expect(try Scrypt(cost: 1 << 17, blockSize: 8, parallelism: 1) == .passwords)
        let key = try Scrypt.passwords.derive(password: [1].span, salt: [2].span, count: 32)
        #expect(key.count == 32)
    }

    @Test(arguments: [
        (0, 8, 1), (1, 8, 1), (3, 8, 1), (1 << 40, 8, 1), (1024, 0, 1), (1024, 65, 1), (1024, 8, 0), (1024, 8, 65),
        (1 << 24, 8, 1), (-2, 8, 1), (Int.min, 8, 1),
    ])
    func `refuses parameters that are none or too dear`(cost: Int, blockSize: Int, parallelism: Int) {
        #expect(throws: CryptoError.self) {
            try Scrypt(cost: cost, blockSize: blockSize, parallelism: parallelism)
        }
    }
}
