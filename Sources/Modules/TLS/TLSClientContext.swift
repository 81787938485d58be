// SPDX-License-Identifier: Apache-2.0
import COpenSSL

/// What a client needs for its handshakes: whom it trusts, versions, and the sessions of servers it has been to. All
/// loops share one.
///
/// The chain and the name (or address) of the server are always verified; there is no way to turn that off.
@safe package final class TLSClientContext: @unchecked Sendable {
    let context: TLSContext
    let sessions = TLSSessionCache()
    private let protocols: [UInt8]

    /// Trusts the system's certificate authorities, or, with `authoritiesFile`, exactly those of a PEM file. Blocks: never
    /// on a loop.
    package init(
        authoritiesFile: String? = nil, minimum: TLSVersion = .tls12, alpn: [String] = ["http/1.1"]
    ) throws(TLSContextFailure) {
        context = try TLSContext(isServer: false, minimum: minimum)
        protocols = wireFormat(of: alpn)
        unsafe SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
        if let authoritiesFile {
            guard unsafe SSL_CTX_load_verify_file(context.pointer, authoritiesFile) == 1 else {
                OpenSSLQueue.clear()
                throw .authoritiesUnreadable
            }
            // A file may hold the server's own or its issuer's certificate without the root above.
            try context.require(unsafe copenssl_trust_partial_chains(context.pointer))
        } else {
            try context.require(unsafe SSL_CTX_set_default_verify_paths(context.pointer))
        }
        if !protocols.isEmpty {
            // SSL_CTX_set_alpn_protos is the one function that answers 0 for success.
            let result = unsafe SSL_CTX_set_alpn_protos(context.pointer, protocols, UInt32(protocols.count))
            try context.require(result == 0 ? 1 : 0)
        }
        unsafe SSL_CTX_sess_set_new_cb(context.pointer, keepSession)
    }
}

/// A new session has come, perhaps long after the handshake (RFC 8446 §4.6.1). Returning 1 keeps the reference.
private let keepSession: @convention(c) (OpaquePointer?, OpaquePointer?) -> CInt = { ssl, session in
    // SAFETY: the connection is the caller of the function that calls this, so it is alive.
    guard let session = unsafe session, let data = unsafe SSL_get_ex_data(ssl, 0) else { return 0 }
    let connection = unsafe Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
    return unsafe connection.keep(session) ? 1 : 0
}
