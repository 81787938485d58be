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
    /// Name to OpenSSL where nonce and tag of a piece lie, with an end behind each list: what EVP_CIPHER_CTX_ctrl would make
    /// anew for each. The nonce alone, to seal; nonce and tag, to open; the second of these is the tag alone.
    private let nonceParameter: UnsafeMutablePointer<OSSL_PARAM>
    private let parameters: UnsafeMutablePointer<OSSL_PARAM>
    private let setsNonce: Bool
    /// False after a call that OpenSSL refused; the finish then fails.
    private var isSound = true

    private static let algorithm = unsafe Algorithm(
        OpenSSLErrors.require(EVP_CIPHER_fetch(nil, "AES-256-GCM", nil), "AES-256-GCM"))

    /// For keys to come.
    package convenience init() { self.init(setsNonce: Self.isNonceSettable) }

    /// - Parameter setsNonce: gives the nonce as a parameter. With EVP_CipherInit_ex2, which does the same, OpenSSL 3.0 first
    ///   asks itself how long a nonce is, by a dozen comparisons of names: a fifth of the work on 1 KB.
    init(setsNonce: Bool) {
        self.setsNonce = setsNonce
        unsafe sealing = OpenSSLErrors.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        unsafe opening = OpenSSLErrors.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        unsafe nonceParameter = .allocate(capacity: 2)
        unsafe parameters = .allocate(capacity: 3)
        // As EVP_CTRL_GCM_SET_IV_FIXED has it, the length -1 says that it is the whole nonce.
        let nonce = unsafe Self.parameter("tlsivfixed", count: -1)
        unsafe nonceParameter.initialize(to: nonce)
        unsafe parameters.initialize(to: nonce)
        unsafe (parameters + 1).initialize(to: Self.parameter("tag", count: AES256GCM.tagByteCount))
        unsafe (nonceParameter + 1).initialize(to: OSSL_PARAM_construct_end())
        unsafe (parameters + 2).initialize(to: OSSL_PARAM_construct_end())
    }

    /// A name is a literal and lives as long as the program; where the bytes lie is said with each piece.
    private static func parameter(_ name: StaticString, count: Int) -> OSSL_PARAM {
        let name = unsafe UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
        return unsafe OSSL_PARAM_construct_octet_string(name, nil, count)
    }

    /// Whether this OpenSSL takes the nonce as a parameter, told by sealing with it: what comes out must be what comes out
    /// of the ordinary way, twice, since a nonce that is not taken would be a nonce that is used again.
    static let isNonceSettable = sample(setsNonce: true) == sample(setsNonce: false)

    /// Two texts sealed under two nonces, and opened again.
    private static func sample(setsNonce: Bool) -> [UInt8] {
        let gcm = RepeatedAES256GCM(setsNonce: setsNonce)
        var bytes = [UInt8](repeating: 0, count: 128)
        // No secret: nothing else is sealed with it.
        var zeros = [UInt8](repeating: 0, count: AES256GCM.keyByteCount)
        let key = SecretBytes(taking: &zeros)
        guard (try? gcm.useForSealing(key)) != nil, (try? gcm.useForOpening(key)) != nil else { return [] }
        // 12 bytes of nonce, 12 of text, 16 of tag, 12 of the opened text; twice, 64 bytes apart.
        let isGood = unsafe bytes.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return (0..<2).allSatisfy { index in
                let nonce = unsafe base + index * 64
                unsafe nonce.storeBytes(of: UInt8(index + 1), as: UInt8.self)
                unsafe gcm.beginSealing(nonce: nonce)
                unsafe gcm.associateSealing(nonce, count: AES256GCM.nonceByteCount)
                unsafe gcm.seal(nonce, to: nonce + 12, count: 12)
                guard unsafe gcm.finishSealing(tag: nonce + 24) else { return false }
                unsafe gcm.beginOpening(nonce: nonce, tag: nonce + 24)
                unsafe gcm.associateOpening(nonce, count: AES256GCM.nonceByteCount)
                unsafe gcm.open(nonce + 12, to: nonce + 40, count: 12)
                return gcm.finishOpening()
            }
        }
        return isGood ? bytes : [setsNonce ? 1 : 0]
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
        unsafe nonceParameter.deallocate()
        unsafe parameters.deallocate()
    }

    /// `nonce` points to 12 bytes that this key has never seen.
    package func beginSealing(nonce: UnsafeRawPointer) {
        if setsNonce {
            // It is copied within the call, and not written.
            unsafe nonceParameter.pointee.data = UnsafeMutableRawPointer(mutating: nonce)
            isSound = unsafe EVP_CIPHER_CTX_set_params(sealing, nonceParameter) == 1
        } else {
            isSound =
                unsafe EVP_EncryptInit_ex2(sealing, nil, nil, nonce.assumingMemoryBound(to: UInt8.self), nil) == 1
        }
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
        unsafe (parameters + 1).pointee.data = tag
        // GCM leaves nothing over: the final call writes no text, only needs an address.
        guard isSound,
            unsafe EVP_EncryptFinal_ex(sealing, tag.assumingMemoryBound(to: UInt8.self), &rest) == 1,
            unsafe EVP_CIPHER_CTX_get_params(sealing, parameters + 1) == 1
        else {
            ERR_clear_error()
            return false
        }
        return true
    }

    /// `nonce` points to 12 bytes, `tag` to 16.
    package func beginOpening(nonce: UnsafeRawPointer, tag: UnsafeRawPointer) {
        // Both are copied within the call, and not written.
        unsafe (parameters + 1).pointee.data = UnsafeMutableRawPointer(mutating: tag)
        if setsNonce {
            unsafe parameters.pointee.data = UnsafeMutableRawPointer(mutating: nonce)
            isSound = unsafe EVP_CIPHER_CTX_set_params(opening, parameters) == 1
        } else {
            isSound =
                unsafe EVP_DecryptInit_ex2(
                    opening, nil, nil, nonce.assumingMemoryBound(to: UInt8.self), parameters + 1) == 1
        }
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
