// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform
import Support
import Testing

@Suite(.enabled(if: Suites.isPresent, Comment(rawValue: Suites.absence)))
struct WycheproofTests {
    @Test func `AES-256-GCM seals and opens every valid vector and opens no invalid one`() throws {
        let suite = try Wycheproof("aes_gcm")
        var tally = Wycheproof.Tally()
        for test in suite.cases {
            let sealed = test.bytes("ct") + test.bytes("tag")
            let nonce = test.bytes("iv")
            let associated = test.bytes("aad")
            let outcome = opened(key: test.bytes("key"), sealed: sealed, nonce: nonce, associated: associated)
            switch outcome {
            case .success(let plaintext):
                #expect(test.isValid && plaintext == test.bytes("msg"), "vector \(test.number)")
                let box = try AES256GCM(key: SecretBytes(copying: test.bytes("key").span))
                let again = try box.seal(test.bytes("msg").span, nonce: nonce.span, associatedData: associated.span)
                #expect(again == sealed, "vector \(test.number)")
                tally.accepted += 1
            case .failure(.length):
                #expect(test.number("keySize") != 256 || test.number("ivSize") != 96, "vector \(test.number)")
                tally.outside += 1
            case .failure(let error):
                #expect(!test.isValid && error == .notAuthentic, "vector \(test.number)")
                tally.refused += 1
            }
        }
        suite.report(tally)
        #expect(tally.accepted == 39 && tally.refused == 27 && tally.outside == suite.cases.count - 66)
    }

    private func opened(
        key: [UInt8], sealed: [UInt8], nonce: [UInt8], associated: [UInt8]
    ) -> Result<[UInt8], CryptoError> {
        Result { () throws(CryptoError) in
            let box = try AES256GCM(key: SecretBytes(copying: key.span))
            return try box.open(sealed.span, nonce: nonce.span, associatedData: associated.span)
        }
    }

    @Test func `HMAC-SHA256 agrees with every vector, whole or cut`() throws {
        let suite = try Wycheproof("hmac_sha256")
        var tally = Wycheproof.Tally()
        for test in suite.cases {
            let mac = HMACSHA256(key: test.bytes("key").span)
            let code = Array(mac.code(of: test.bytes("msg")).bytes.prefix(test.number("tagSize") / 8))
            #expect((code == test.bytes("tag")) == test.isValid, "vector \(test.number)")
            if test.isValid { tally.accepted += 1 } else { tally.refused += 1 }
        }
        suite.report(tally)
        #expect(tally.accepted == 66 && tally.refused == 108)
    }

    @Test func `HKDF-SHA256 agrees with every vector and refuses what is too long`() throws {
        let suite = try Wycheproof("hkdf_sha256")
        var tally = Wycheproof.Tally()
        for test in suite.cases {
            do throws(CryptoError) {
                let key = try HKDFSHA256.derive(
                    key: test.bytes("ikm").span, salt: test.bytes("salt").span, info: test.bytes("info").span,
                    count: test.number("size"))
                #expect(
                    test.isValid && key.withBytes { Array(copying: $0) } == test.bytes("okm"), "vector \(test.number)")
                tally.accepted += 1
            } catch {
                #expect(!test.isValid && error == .parameter("count"), "vector \(test.number)")
                tally.refused += 1
            }
        }
        suite.report(tally)
        #expect(tally.accepted == 83 && tally.refused == 3)
    }

    @Test func `Ed25519 accepts every valid signature and no invalid one`() throws {
        let suite = try Wycheproof("ed25519")
        var tally = Wycheproof.Tally()
        for test in suite.cases {
            let key = try Ed25519.PublicKey(test.bytes("pk").span)
            let isValid = key.isValid(test.bytes("sig").span, of: test.bytes("msg").span)
            #expect(isValid == test.isValid, "vector \(test.number)")
            if isValid { tally.accepted += 1 } else { tally.refused += 1 }
        }
        suite.report(tally)
        #expect(tally.accepted == 88 && tally.refused == 63)
    }
}

extension [UInt8] {
    init(copying span: Span<UInt8>) { self = span.indices.map { span[$0] } }
}
