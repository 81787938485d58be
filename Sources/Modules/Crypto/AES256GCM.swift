// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import Platform

/// AES-256-GCM (NIST SP 800-38D) under one key: sealing hides the bytes and binds them, with the associated data, to the
/// key. Any thread may use it.
///
/// A nonce must never seal twice under one key: whoever repeats one gives away both texts and the means to forge. With
/// random nonces a key is good for 2^32 messages; owners of keys count. GCM does not commit to its key: where somebody
/// else can choose the key, check a commitment first.
package final class AES256GCM: Sendable {
    package static let keyByteCount = 32
    package static let nonceByteCount = 12
    package static let tagByteCount = 16

    private let key: SecretBytes

    private static let algorithm = unsafe Algorithm(
        OpenSSLErrors.require(EVP_CIPHER_fetch(nil, "AES-256-GCM", nil), "AES-256-GCM"))

    /// Holds on to `key`, 32 bytes.
    package init(key: SecretBytes) throws(CryptoError) {
        guard key.count == AES256GCM.keyByteCount else {
            throw .length(expected: AES256GCM.keyByteCount, actual: key.count)
        }
        self.key = key
    }

    /// The ciphertext of `plaintext`, as long as that, and 16 bytes of tag behind it.
    package func seal(
        _ plaintext: Span<UInt8>, nonce: Span<UInt8>, associatedData: Span<UInt8>
    ) throws(CryptoError) -> [UInt8] {
        let context = try start(sealing: true, nonce: nonce, associatedData: associatedData, count: plaintext.count)
        let count = plaintext.count
        var success = true
        // The array has room for text and tag; each call writes its part of it: GCM writes as much as it reads.
        let sealed = unsafe [UInt8](unsafeUninitializedCapacity: count + AES256GCM.tagByteCount) {
            target, initialized in
            var written: CInt = 0
            var rest: CInt = 0
            let base = target.baseAddress
            success = unsafe plaintext.withUnsafeBufferPointer { source in
                unsafe (count == 0
                    || EVP_EncryptUpdate(context.pointer, base, &written, source.baseAddress, CInt(count)) == 1)
                    && EVP_EncryptFinal_ex(context.pointer, base.map { unsafe $0 + count }, &rest) == 1
            }
            if success {
                success =
                    unsafe EVP_CIPHER_CTX_ctrl(
                        context.pointer, EVP_CTRL_AEAD_GET_TAG, CInt(AES256GCM.tagByteCount),
                        base.map { unsafe $0 + count })
                    == 1
            }
            initialized = success ? count + AES256GCM.tagByteCount : 0
        }
        guard success else { throw OpenSSLErrors.take("AES-256-GCM") }
        return sealed
    }

    /// The plaintext of what `seal` gave for the same nonce and associated data; otherwise `notAuthentic`, and no byte.
    package func open(
        _ sealed: Span<UInt8>, nonce: Span<UInt8>, associatedData: Span<UInt8>
    ) throws(CryptoError) -> [UInt8] {
        let count = sealed.count - AES256GCM.tagByteCount
        guard count >= 0 else { throw .notAuthentic }
        let context = try start(sealing: false, nonce: nonce, associatedData: associatedData, count: count)
        var success = false
        // The array has room for the text, GCM writes as much as it reads, and the tag lies behind it in `sealed`.
        var plaintext = unsafe [UInt8](unsafeUninitializedCapacity: max(count, 1)) { target, initialized in
            var written: CInt = 0
            var rest: CInt = 0
            let base = target.baseAddress
            success = unsafe sealed.withUnsafeBufferPointer { source in
                let tag = unsafe UnsafeMutableRawPointer(mutating: source.baseAddress.map { unsafe $0 + count })
                return
                    unsafe (count == 0
                    || EVP_DecryptUpdate(context.pointer, base, &written, source.baseAddress, CInt(count)) == 1)
                    && EVP_CIPHER_CTX_ctrl(
                        context.pointer, EVP_CTRL_AEAD_SET_TAG, CInt(AES256GCM.tagByteCount), tag) == 1
                    && EVP_DecryptFinal_ex(context.pointer, base.map { unsafe $0 + count }, &rest) == 1
            }
            initialized = count
        }
        guard success else {
            SecretBytes.wipe(&plaintext)
            ERR_clear_error()
            throw .notAuthentic
        }
        return plaintext
    }

    /// A context with key, nonce and associated data worked in, ready for `count` bytes of text.
    private func start(
        sealing: Bool, nonce: Span<UInt8>, associatedData: Span<UInt8>, count: Int
    ) throws(CryptoError) -> Context {
        guard nonce.count == AES256GCM.nonceByteCount else {
            throw .length(expected: AES256GCM.nonceByteCount, actual: nonce.count)
        }
        // OpenSSL counts in CInt; nothing of ours comes near (the largest is a chunk of a file).
        guard let associatedCount = CInt(exactly: associatedData.count), CInt(exactly: count) != nil else {
            throw .parameter("count")
        }
        let context = Context()
        var written: CInt = 0
        // Key and nonce have the lengths the cipher reads: checked above and in `init`. All live for the calls.
        let success = key.withBytes { key in
            unsafe key.withUnsafeBufferPointer { key in
                unsafe nonce.withUnsafeBufferPointer { nonce in
                    unsafe EVP_CipherInit_ex2(
                        context.pointer, AES256GCM.algorithm.pointer, key.baseAddress, nonce.baseAddress,
                        sealing ? 1 : 0, nil) == 1
                }
            }
        }
        let associated = unsafe associatedData.withUnsafeBufferPointer { data in
            unsafe associatedCount == 0
                || EVP_CipherUpdate(context.pointer, nil, &written, data.baseAddress, associatedCount) == 1
        }
        guard success, associated else { throw OpenSSLErrors.take("AES-256-GCM") }
        return context
    }

    /// An EVP_CIPHER_CTX with one owner; freeing it wipes the schedule of the key.
    @safe private struct Context: ~Copyable {
        let pointer: OpaquePointer

        init() { unsafe pointer = OpenSSLErrors.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new") }

        deinit { unsafe EVP_CIPHER_CTX_free(pointer) }
    }
}
