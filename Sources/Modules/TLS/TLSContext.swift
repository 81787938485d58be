// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import Platform

/// An SSL_CTX with one owner. Once it is set up it is only read, by any thread (openssl-threads(7)).
@safe final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer

    /// A context with everything that server and client have in common.
    init(isServer: Bool, minimum: TLSVersion) throws(TLSContextFailure) {
        OpenSSLQueue.clear()
        guard let context = unsafe SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
            throw .refused(OpenSSLQueue.take())
        }
        unsafe pointer = context
        // Said here rather than left to the machine's openssl.cnf, which may say less.
        unsafe SSL_CTX_set_security_level(context, 2)
        unsafe copenssl_ctx_set_options(context)
        unsafe copenssl_ctx_set_modes(context)
        unsafe copenssl_ctx_set_session_cache(context, isServer ? 0 : 1)
        unsafe SSL_CTX_set_timeout(context, Int(TLSLimits.ticketLifetimeSeconds))
        try require(unsafe copenssl_ctx_set_minimum(context, minimum.rawValue))
        try require(unsafe SSL_CTX_set_ciphersuites(context, TLSLimits.cipherSuites))
        try require(unsafe SSL_CTX_set_cipher_list(context, TLSLimits.ciphers))
        try require(unsafe copenssl_ctx_set_groups(context, TLSLimits.groups))
        try require(unsafe SSL_CTX_set_max_early_data(context, 0))
    }

    deinit {
        unsafe SSL_CTX_free(pointer)
    }

    /// Turns OpenSSL's 1 for success into nothing and all else into its reason.
    func require(_ result: CInt) throws(TLSContextFailure) {
        guard result == 1 else { throw .refused(OpenSSLQueue.take()) }
    }
}

/// A BIO that reads bytes in memory. The bytes outlive it.
func withBIO<Result>(over bytes: Span<UInt8>, _ body: (OpaquePointer) -> Result) -> Result? {
    unsafe bytes.withUnsafeBufferPointer { buffer in
        // SAFETY: the buffer lives through the closure, and the BIO is freed before that ends.
        guard let bio = unsafe BIO_new_mem_buf(buffer.baseAddress, CInt(clamping: buffer.count)) else { return nil }
        defer { unsafe BIO_free(bio) }
        return unsafe body(bio)
    }
}

/// Protocol names as in the ALPN extension, each after its length (RFC 7301 §3.1).
func wireFormat(of protocols: [String]) -> [UInt8] {
    protocols.flatMap { name in
        precondition((1...255).contains(name.utf8.count), "a protocol's name has 1 to 255 bytes")
        return [UInt8(name.utf8.count)] + Array(name.utf8)
    }
}
