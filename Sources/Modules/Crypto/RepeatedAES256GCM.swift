// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import Platform

/// AES-256-GCM (NIST SP 800-38D) for one thread that seals and opens piece after piece under one key: contexts and key
/// schedule are kept, nothing is allocated for a piece. For single messages there is `AES256GCM`, whose rules on nonces
/// hold here too.
///
/// A piece is begun, given its associated data, then its text, each in as many calls as it takes, and finished; between
/// begin and finish no other piece may begin. Text may be transformed in place. What was opened must not be used, and is
/// the caller's to wipe, unless `finishOpening` says true.
@safe package final class RepeatedAES256GCM {
    private let sealing: OpaquePointer
    private let opening: OpaquePointer
    /// False after a call that OpenSSL refused; the finish then fails.
    private var isSound = true

    private static let algorithm = unsafe Algorithm(
        OpenSSLErrors.require(EVP_CIPHER_fetch(nil, "AES-256-GCM", nil), "AES-256-GCM"))

    /// `key` has 32 bytes; the contexts hold a copy of it, wiped with them.
    package init(key: SecretBytes) throws(CryptoError) {
        guard key.count == AES256GCM.keyByteCount else {
            throw .length(expected: AES256GCM.keyByteCount, actual: key.count)
        }
        let sealing = unsafe OpenSSLErrors.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        let opening = unsafe OpenSSLErrors.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        let isKeyed = key.withBytes { key in
            // 32 bytes, read during the calls.
            unsafe key.withUnsafeBufferPointer { key in
                unsafe EVP_EncryptInit_ex2(sealing, Self.algorithm.pointer, key.baseAddress, nil, nil) == 1
                    && EVP_DecryptInit_ex2(opening, Self.algorithm.pointer, key.baseAddress, nil, nil) == 1
            }
        }
        unsafe self.sealing = sealing
        unsafe self.opening = opening
        guard isKeyed else { throw OpenSSLErrors.take("AES-256-GCM") }
    }

    deinit {
        // Both were made by init and are used nowhere else; freeing wipes the schedules.
        unsafe EVP_CIPHER_CTX_free(sealing)
        unsafe EVP_CIPHER_CTX_free(opening)
    }

    /// `nonce` points to 12 bytes that this key has never seen.
    package func beginSealing(nonce: UnsafeRawPointer) {
        isSound =
            unsafe EVP_EncryptInit_ex2(
                sealing, nil, nil, nonce.assumingMemoryBound(to: UInt8.self), nil) == 1
    }

    /// `count` bytes that are bound, not hidden.
    package func associateSealing(_ data: UnsafeRawPointer, count: Int) {
        var written: CInt = 0
        if unsafe EVP_EncryptUpdate(
            sealing, nil, &written, data.assumingMemoryBound(to: UInt8.self), CInt(count)) != 1
        {
            isSound = false
        }
    }

    /// The next `count` bytes of text, sealed from `source` to `target`.
    package func seal(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
        var written: CInt = 0
        if unsafe EVP_EncryptUpdate(
            sealing, target.assumingMemoryBound(to: UInt8.self), &written,
            source.assumingMemoryBound(to: UInt8.self), CInt(count)) != 1
        {
            isSound = false
        }
    }

    /// Writes 16 bytes to `tag`. False where OpenSSL refused something: the piece is then void.
    package func finishSealing(tag: UnsafeMutableRawPointer) -> Bool {
        var rest: CInt = 0
        // GCM leaves nothing over: the final call writes no text, only needs an address.
        guard isSound,
            unsafe EVP_EncryptFinal_ex(sealing, tag.assumingMemoryBound(to: UInt8.self), &rest) == 1,
            unsafe EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_GET_TAG, CInt(AES256GCM.tagByteCount), tag) == 1
        else {
            ERR_clear_error()
            return false
        }
        return true
    }

    /// `nonce` points to 12 bytes, `tag` to 16.
    package func beginOpening(nonce: UnsafeRawPointer, tag: UnsafeRawPointer) {
        isSound =
            unsafe EVP_DecryptInit_ex2(
                opening, nil, nil, nonce.assumingMemoryBound(to: UInt8.self), nil) == 1
            && EVP_CIPHER_CTX_ctrl(
                opening, EVP_CTRL_AEAD_SET_TAG, CInt(AES256GCM.tagByteCount), UnsafeMutableRawPointer(mutating: tag))
                == 1
    }

    /// `count` bytes that were bound.
    package func associateOpening(_ data: UnsafeRawPointer, count: Int) {
        var written: CInt = 0
        if unsafe EVP_DecryptUpdate(
            opening, nil, &written, data.assumingMemoryBound(to: UInt8.self), CInt(count)) != 1
        {
            isSound = false
        }
    }

    /// The next `count` bytes of text, opened from `source` to `target`; not to be believed yet.
    package func open(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
        var written: CInt = 0
        if unsafe EVP_DecryptUpdate(
            opening, target.assumingMemoryBound(to: UInt8.self), &written,
            source.assumingMemoryBound(to: UInt8.self), CInt(count)) != 1
        {
            isSound = false
        }
    }

    /// True where all of it is what was sealed under this key.
    package func finishOpening() -> Bool {
        var rest: CInt = 0
        var nothing: UInt8 = 0
        // GCM leaves nothing over: the final call writes no text.
        guard isSound, unsafe EVP_DecryptFinal_ex(opening, &nothing, &rest) == 1 else {
            ERR_clear_error()
            return false
        }
        return true
    }
}
