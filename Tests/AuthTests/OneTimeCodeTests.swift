// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import Testing

@testable import Auth

@Suite struct OneTimeCodeTests {
    private let secret = SecretBytes(copying: Array("12345678901234567890".utf8).span)

    /// RFC 6238, appendix B; its codes have eight digits, of which ours are the last six.
    @Test(arguments: [
        (59, "94287082"), (1_111_111_109, "07081804"), (1_111_111_111, "14050471"), (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"), (20_000_000_000, "65353130"),
    ])
    func `computes what RFC 6238 says`(seconds: Int, code: String) throws {
        let step = OneTimeCode.step(at: WallTime(seconds: Int64(seconds)))
        #expect(try OneTimeCode.code(secret, step: step) == code.suffix(6))
    }

    @Test func `takes the present code and its neighbours, each once and none before it`() throws {
        let now = WallTime(seconds: 2_000_000_000)
        let present = OneTimeCode.step(at: now)
        func step(_ code: String, after spent: Int = 0) throws -> Int? {
            try OneTimeCode.step(of: code, secret: secret, after: spent, at: now)
        }
        for offset in -1...1 {
            let code = try OneTimeCode.code(secret, step: present + offset)
            #expect(try step(code) == present + offset)
            #expect(try step(code, after: present + offset) == nil)
        }
        for offset in [-2, 2] { #expect(try step(try OneTimeCode.code(secret, step: present + offset)) == nil) }
        // A code that was used takes those before it with it.
        #expect(try step(try OneTimeCode.code(secret, step: present - 1), after: present) == nil)
        for code in ["", "1", "0000000", "abcdef", "٠٠٠٠٠٠"] { #expect(try step(code) == nil, "\(code)") }
    }

    @Test func `a secret opens for its owner alone`() throws {
        let vault = try SecondFactorVault(key: SecretBytes(randomCount: 32))
        let sealed = try vault.seal(secret, of: UserID("usr_1"))
        let opened = try vault.open(sealed, of: UserID("usr_1"))
        #expect(opened.withBytes { $0.count } == 20)
        #expect(throws: CryptoError.notAuthentic) { try vault.open(sealed, of: UserID("usr_2")) }
        #expect(throws: CryptoError.notAuthentic) { try vault.open([], of: UserID("usr_1")) }
    }

    @Test func `a recovery code is known however it is typed, and for its owner alone`() throws {
        let key = HMACSHA256(key: SecretBytes(randomCount: 32))
        let code = RecoveryCode.random()
        #expect(code.split(separator: "-").map(\.count) == [4, 4, 4, 4])
        let digest = try #require(RecoveryCode.digest(code, of: UserID("usr_1"), under: key))
        #expect(
            RecoveryCode.digest(code.lowercased().replacing("-", with: " "), of: UserID("usr_1"), under: key) == digest)
        #expect(RecoveryCode.digest(code, of: UserID("usr_2"), under: key) != digest)
        for text in ["", "ABCD", code + "A", String(repeating: "A", count: 100), "1111-1111-1111-1111"] {
            #expect(RecoveryCode.digest(text, of: UserID("usr_1"), under: key) == nil)
        }
    }

    @Test func `a QR code is as large as it must be, and no larger`() {
        // ISO/IEC 18004, table 7: bytes of the level M.
        for (bytes, version) in [(14, 1), (15, 2), (26, 2), (27, 3), (180, 9), (213, 10), (214, 11), (2331, 40)] {
            let code = QRCode([UInt8](repeating: 0x61, count: bytes))
            #expect(code?.version == version, "\(bytes)")
            #expect(code?.size == 17 + 4 * version)
        }
        #expect(QRCode([UInt8](repeating: 0x61, count: 2332)) == nil)
    }
}
