// SPDX-License-Identifier: Apache-2.0
import COpenSSL
package import Platform

/// What a server needs for its handshakes: certificate, key, versions, tickets. All loops share one, so that a session of
/// one loop is resumed on another.
///
/// It never changes. To reload, make another and use that for new connections; those that exist go on with theirs.
@safe package final class TLSServerContext: @unchecked Sendable {
    let context: TLSContext
    private let tickets: TicketKeys
    private let protocols: ProtocolList
    /// When the server's own certificate ends.
    package let expiry: WallTime

    /// Reads a certificate chain (the server's first) and its private key from PEM files. Blocks: never on a loop.
    ///
    /// A key file that others may read is refused (group may: it is how Debian shares keys with a service), as is one
    /// that group or others may write.
    package convenience init(
        certificateFile: String, keyFile: String, minimum: TLSVersion = .tls13, alpn: [String] = ["http/1.1"]
    ) throws(TLSContextFailure) {
        let certificate: [UInt8]
        do throws(Errno) {
            certificate = try AtomicFile.read(path: certificateFile, bytesMax: TLSLimits.fileBytes)
        } catch {
            throw .certificateUnreadable(error)
        }
        let key: SecretBytes
        let mode: UInt32
        do throws(Errno) {
            mode = try FileStatus(path: keyFile).mode
            key = try AtomicFile.readSecret(path: keyFile, bytesMax: TLSLimits.fileBytes)
        } catch {
            throw .keyUnreadable(error)
        }
        guard mode & 0o027 == 0 else { throw .keyExposed(mode: mode & 0o7777) }
        try self.init(certificate: certificate, key: key, minimum: minimum, alpn: alpn)
    }

    /// The same from PEM texts in memory.
    package init(
        certificate: [UInt8], key: SecretBytes, minimum: TLSVersion = .tls13, alpn: [String] = ["http/1.1"]
    ) throws(TLSContextFailure) {
        let context = try TLSContext(isServer: true, minimum: minimum)
        let expiry = try Self.use(certificate, in: context)
        try Self.use(key, in: context)
        try context.require(unsafe SSL_CTX_set_num_tickets(context.pointer, 2))
        try context.require(unsafe SSL_CTX_set_session_id_context(context.pointer, Array("gatehouse".utf8), 9))
        let tickets = TicketKeys()
        let protocols = ProtocolList(alpn)
        // SAFETY: both arguments live as long as this object, which each connection holds beside its SSL.
        unsafe SSL_CTX_set_ex_data(context.pointer, 0, Unmanaged.passUnretained(tickets).toOpaque())
        unsafe SSL_CTX_set_tlsext_ticket_key_evp_cb(context.pointer, ticketKeyCallback)
        if !protocols.isEmpty {
            unsafe SSL_CTX_set_alpn_select_cb(
                context.pointer, selectProtocol, Unmanaged.passUnretained(protocols).toOpaque())
        }
        self.context = context
        self.tickets = tickets
        self.protocols = protocols
        self.expiry = expiry
    }

    private static func use(_ pem: [UInt8], in context: TLSContext) throws(TLSContextFailure) -> WallTime {
        OpenSSLQueue.clear()
        let outcome = unsafe withBIO(over: pem.span) { bio -> Result<WallTime, TLSContextFailure> in
            var count = 0
            var expiry = WallTime(milliseconds: .max)
            while let certificate = unsafe copenssl_read_certificate(bio) {
                defer { unsafe X509_free(certificate) }
                count += 1
                guard count <= TLSLimits.chainCount else { return .failure(.certificateMalformed("too many")) }
                if count == 1 { expiry = unsafe Self.expiry(of: certificate) }
                let result =
                    count == 1
                    ? unsafe SSL_CTX_use_certificate(context.pointer, certificate)
                    : unsafe copenssl_ctx_add_chain(context.pointer, certificate)
                guard result == 1 else { return .failure(.certificateMalformed(OpenSSLQueue.take())) }
            }
            guard OpenSSLQueue.isEndOfPEM else { return .failure(.certificateMalformed(OpenSSLQueue.take())) }
            OpenSSLQueue.clear()
            return count > 0 ? .success(expiry) : .failure(.certificateMalformed("no certificate"))
        }
        guard let outcome else { throw .refused(OpenSSLQueue.take()) }
        return try outcome.get()
    }

    private static func use(_ key: SecretBytes, in context: TLSContext) throws(TLSContextFailure) {
        OpenSSLQueue.clear()
        let outcome = key.withBytes { bytes in
            unsafe withBIO(over: bytes) { bio -> TLSContextFailure? in
                guard let key = unsafe copenssl_read_key(bio) else {
                    // What is no key at all is "unsupported" to OpenSSL's decoders.
                    let reason = OpenSSLQueue.take()
                    return .keyMalformed(reason == "unsupported" ? "no private key" : reason)
                }
                defer { unsafe EVP_PKEY_free(key) }
                // It fails for a key of another kind than the certificate's, and for another key of that kind.
                guard unsafe SSL_CTX_use_PrivateKey(context.pointer, key) == 1,
                    unsafe SSL_CTX_check_private_key(context.pointer) == 1
                else {
                    OpenSSLQueue.clear()
                    return .keyMismatch
                }
                return nil
            }
        }
        guard let outcome else { throw .refused(OpenSSLQueue.take()) }
        if let failure = outcome { throw failure }
    }

    private static func expiry(of certificate: OpaquePointer) -> WallTime {
        // OpenSSL counts days and seconds itself; from 1970 it is the number wanted.
        var (days, seconds): (CInt, CInt) = (0, 0)
        // SAFETY: the end belongs to the certificate, which the caller holds; the start is made and freed here.
        guard let start = unsafe ASN1_TIME_set(nil, 0) else { return WallTime(milliseconds: 0) }
        defer { unsafe ASN1_STRING_free(start) }
        guard unsafe ASN1_TIME_diff(&days, &seconds, start, X509_get0_notAfter(certificate)) == 1 else {
            return WallTime(milliseconds: 0)
        }
        return WallTime(seconds: Int64(days) * 86_400 + Int64(seconds))
    }
}

/// The protocols a server speaks, in memory that OpenSSL may point into.
@safe private final class ProtocolList: @unchecked Sendable {
    let wire: UnsafeMutableBufferPointer<UInt8>

    init(_ names: [String]) {
        let bytes = wireFormat(of: names)
        unsafe wire = .allocate(capacity: bytes.count)
        _ = unsafe wire.initialize(from: bytes)
    }

    deinit {
        unsafe wire.deallocate()
    }

    var isEmpty: Bool { unsafe wire.isEmpty }
}

/// Chooses the first of our protocols that the client offers. With an offer that has none of them, the handshake ends
/// in no_application_protocol (RFC 7301 §3.2); a client that offers nothing gets none.
private let selectProtocol: SSL_CTX_alpn_select_cb_func = { _, chosen, chosenCount, offered, offeredCount, argument in
    guard let chosen = unsafe chosen, let argument = unsafe argument else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    // SAFETY: the argument is the context's list, which lives as long as the context; OpenSSL has checked the form of the
    // client's. The result points into one of the two.
    let ours = unsafe Unmanaged<ProtocolList>.fromOpaque(argument).takeUnretainedValue()
    var result: UnsafeMutablePointer<UInt8>?
    let status = unsafe SSL_select_next_proto(
        &result, chosenCount, ours.wire.baseAddress, UInt32(ours.wire.count), offered, offeredCount)
    guard status == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    unsafe chosen.pointee = UnsafePointer(result)
    return SSL_TLSEXT_ERR_OK
}
