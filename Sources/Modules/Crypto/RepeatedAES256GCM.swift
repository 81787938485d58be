// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import Platform

/// AES-256-GCM (NIST SP 800-38D) for one thread that seals and opens piece after piece: contexts and key schedules are
/// kept, nothing is allocated for a piece. For single messages there is `AES256GCM`, whose rules on nonces hold here too.
///
/// A piece is begun, given its associated data, then its text, each in as many calls as it takes, and finished; between
/// begin and finish no other piece may begin. Text may be transformed in place. What was opened must not be used, and is
/// the caller's to wipe, unless `finishOpening` says true. Without a key nothing is sealed or opened.
@safe package final class RepeatedAES256GCM {
    private let sealing: OpaquePointer
    private let opening: OpaquePointer
    /// Names the tag to OpenSSL by a pointer, and an end: what EVP_CIPHER_CTX_ctrl would make anew for each piece.
    private let tagParameter: UnsafeMutablePointer<OSSL_PARAM>
    /// False after a call that OpenSSL refused; the finish then fails.
    private var isSound = true

    private static let algorithm = unsafe Algorithm(
        OpenSSLErrors.require(EVP_CIPHER_fetch(nil, "AES-256-GCM", nil), "AES-256-GCM"))

    /// For keys to come.
    package init() {
        unsafe sealing = OpenSSLErrors.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        unsafe opening = OpenSSLErrors.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        unsafe tagParameter = .allocate(capacity: 2)
        // The name is a literal and lives as long as the program; where the tag lies is said with each piece.
        let name: StaticString = "tag"
        let key = unsafe UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
        unsafe tagParameter.initialize(
            to: OSSL_PARAM_construct_octet_string(key, nil, AES256GCM.tagByteCount))
        unsafe (tagParameter + 1).initialize(to: OSSL_PARAM_construct_end())
    }

    /// `key` has 32 bytes; the contexts hold what they need of it, wiped with them.
    package convenience init(key: SecretBytes) throws(CryptoError) {
        self.init()
        try useForSealing(key)
        try useForOpening(key)
    }

    /// Puts another key, 32 bytes, in the place of the one that seals.
    package func useForSealing(_ key: SecretBytes) throws(CryptoError) {
        try unsafe use(key, in: sealing, isSealing: 1)
    }

    /// Puts another key, 32 bytes, in the place of the one that opens.
    package func useForOpening(_ key: SecretBytes) throws(CryptoError) {
        try unsafe use(key, in: opening, isSealing: 0)
    }

    private func use(_ key: SecretBytes, in context: OpaquePointer, isSealing: CInt) throws(CryptoError) {
        guard key.count == AES256GCM.keyByteCount else {
            throw .length(expected: AES256GCM.keyByteCount, actual: key.count)
        }
        let isKeyed = key.withBytes { key in
            // 32 bytes, read during the call.
            unsafe key.withUnsafeBufferPointer { key in
                unsafe EVP_CipherInit_ex2(context, Self.algorithm.pointer, key.baseAddress, nil, isSealing, nil) == 1
            }
        }
        guard isKeyed else { throw OpenSSLErrors.take("AES-256-GCM") }
    }

    deinit {
        // Both were made by init and are used nowhere else; freeing wipes the schedules.
        unsafe EVP_CIPHER_CTX_free(sealing)
        unsafe EVP_CIPHER_CTX_free(opening)
        unsafe tagParameter.deallocate()
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
        unsafe tagParameter.pointee.data = tag
        // GCM leaves nothing over: the final call writes no text, only needs an address.
        guard isSound,
            unsafe EVP_EncryptFinal_ex(sealing, tag.assumingMemoryBound(to: UInt8.self), &rest) == 1,
            unsafe EVP_CIPHER_CTX_get_params(sealing, tagParameter) == 1
        else {
            ERR_clear_error()
            return false
        }
        return true
    }

    /// `nonce` points to 12 bytes, `tag` to 16.
    package func beginOpening(nonce: UnsafeRawPointer, tag: UnsafeRawPointer) {
        // It is read within the call, and written by none.
        unsafe tagParameter.pointee.data = UnsafeMutableRawPointer(mutating: tag)
        isSound =
            unsafe EVP_DecryptInit_ex2(
                opening, nil, nil, nonce.assumingMemoryBound(to: UInt8.self), tagParameter) == 1
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
