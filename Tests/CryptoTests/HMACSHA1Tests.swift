// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Platform
import Testing

struct HMACSHA1Tests {
    @Test func `computes what RFC 2202 and RFC 4226 say`() throws {
        let cases: [(key: [UInt8], message: [UInt8], code: String)] = [
            ([UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8), "b617318655057264e28bc0b6fb378c8ef146be00"),
            (
                Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
            ),
            // RFC 4226, appendix D, the first counter.
            (Array("12345678901234567890".utf8), [0, 0, 0, 0, 0, 0, 0, 0], "cc93cf18508d94934c64b65d8ba7667fb7cde4b0"),
        ]
        for (key, message, code) in cases {
            let found = try HMACSHA1.code(of: message.span, key: SecretBytes(copying: key.span))
            #expect(Hex.encode(found) == code)
        }
    }
}
