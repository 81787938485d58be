// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

@testable import Crypto

@Suite struct RepeatedGCMTests {
    private static let counts = [0, 1, 15, 16, 17, 255, 288, 1024, 4064, 5000]

    private let key = SecretBytes(randomCount: 32)
    private let nonces = (0..<64).map { _ in Random.bytes(12) }

    /// Text and tag.
    private func seal(_ text: [UInt8], _ nonce: [UInt8], _ data: [UInt8], _ gcm: RepeatedAES256GCM) -> [UInt8] {
        var sealed = text + [UInt8](repeating: 0, count: 16)
        let isSealed = unsafe sealed.withUnsafeMutableBytes { sealed in
            unsafe nonce.withUnsafeBytes { unsafe gcm.beginSealing(nonce: $0.baseAddress.unsafelyUnwrapped) }
            unsafe data.withUnsafeBytes {
                unsafe gcm.associateSealing($0.baseAddress.unsafelyUnwrapped, count: data.count)
            }
            let base = unsafe sealed.baseAddress.unsafelyUnwrapped
            if !text.isEmpty { unsafe gcm.seal(base, to: base, count: text.count) }
            return unsafe gcm.finishSealing(tag: base + text.count)
        }
        return isSealed ? sealed : []
    }

    private func open(_ sealed: [UInt8], _ nonce: [UInt8], _ data: [UInt8], _ gcm: RepeatedAES256GCM) -> [UInt8]? {
        var (text, count) = (sealed, sealed.count - 16)
        let isOpen = unsafe text.withUnsafeMutableBytes { text in
            let base = unsafe text.baseAddress.unsafelyUnwrapped
            unsafe nonce.withUnsafeBytes {
                unsafe gcm.beginOpening(nonce: $0.baseAddress.unsafelyUnwrapped, tag: base + count)
            }
            unsafe data.withUnsafeBytes {
                unsafe gcm.associateOpening($0.baseAddress.unsafelyUnwrapped, count: data.count)
            }
            if count > 0 { unsafe gcm.open(base, to: base, count: count) }
            return gcm.finishOpening()
        }
        count = isOpen ? count : 0
        return isOpen ? Array(text[..<count]) : nil
    }

    @Test func `this OpenSSL takes a nonce as a parameter`() {
        #expect(RepeatedAES256GCM.isNonceSettable)
    }

    @Test(arguments: [false, true])
    func `piece after piece is what one message is, with either way to give the nonce`(_ setsNonce: Bool) throws {
        let (gcm, single) = (RepeatedAES256GCM(setsNonce: setsNonce), try AES256GCM(key: key))
        try gcm.useForSealing(key)
        try gcm.useForOpening(key)
        for (index, count) in Self.counts.enumerated() {
            let (text, data, nonce) = (Random.bytes(count), Random.bytes(192), nonces[index])
            let whole = try single.seal(text.span, nonce: nonce.span, associatedData: data.span)
            #expect(seal(text, nonce, data, gcm) == whole)
            #expect(open(whole, nonce, data, gcm) == text)
        }
    }

    @Test(arguments: [false, true])
    func `what another nonce, key or tag sealed does not open, and the next piece does`(_ setsNonce: Bool) throws {
        let gcm = RepeatedAES256GCM(setsNonce: setsNonce)
        try gcm.useForSealing(key)
        try gcm.useForOpening(key)
        let (text, data) = (Random.bytes(100), Random.bytes(192))
        let sealed = seal(text, nonces[0], data, gcm)
        for _ in 0..<3 {
            #expect(open(sealed, nonces[1], data, gcm) == nil)
            #expect(open(sealed, nonces[0], data.reversed(), gcm) == nil)
            #expect(open(sealed.dropLast() + [sealed[115] ^ 1], nonces[0], data, gcm) == nil)
            #expect(open(sealed, nonces[0], data, gcm) == text)
        }
        try gcm.useForOpening(SecretBytes(randomCount: 32))
        #expect(open(sealed, nonces[0], data, gcm) == nil)
        try gcm.useForOpening(key)
        #expect(open(sealed, nonces[0], data, gcm) == text)
    }

    @Test(arguments: [false, true])
    func `nothing is sealed without a nonce of its own`(_ setsNonce: Bool) throws {
        let gcm = RepeatedAES256GCM(setsNonce: setsNonce)
        try gcm.useForSealing(key)
        #expect(!seal([1, 2, 3], nonces[0], [4], gcm).isEmpty)
        // Begun once, it is finished once.
        var more: [UInt8] = [1, 2, 3] + [UInt8](repeating: 0, count: 16)
        let isSealed = unsafe more.withUnsafeMutableBytes { more in
            let base = unsafe more.baseAddress.unsafelyUnwrapped
            unsafe gcm.seal(base, to: base, count: 3)
            return unsafe gcm.finishSealing(tag: base + 3)
        }
        #expect(!isSealed)
    }
}
