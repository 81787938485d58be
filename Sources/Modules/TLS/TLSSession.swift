// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import EventLoop
import Platform

/// What became of a step that does not wait.
enum Attempt {
    /// So many bytes were moved; for a handshake or a goodbye: it is done.
    case done(Int)
    /// The socket has to be ready for this first.
    case wait(Socket.Interest)
}

/// Where a client's sessions are kept, to be taken up again. An object of its own: a server's connections have none.
private final class Resumption {
    let sessions: TLSSessionCache
    let origin: String

    init(_ sessions: TLSSessionCache, _ origin: String) { (self.sessions, self.origin) = (sessions, origin) }
}

/// TLS on one socket: an SSL and what OpenSSL cannot say. Nothing in here waits.
@safe final class TLSSession {
    private let ssl: OpaquePointer
    private let socket: Socket
    /// Keeps alive what OpenSSL's callbacks point at.
    private let context: AnyObject
    /// The client's side.
    private let resumption: Resumption?
    private var isOpen = false
    /// True while the last read had to wait until it can write.
    private var readWaitsToWrite = false
    /// Why the socket failed inside one of OpenSSL's calls.
    private(set) var transportFailure: IOFailure?
    /// True when the socket has come to its end.
    private(set) var hasEnded = false

    /// The server's side.
    init(accepting socket: Socket, _ context: TLSServerContext) throws(IOFailure) {
        unsafe ssl = try Self.make(context.context)
        self.socket = socket
        self.context = context
        resumption = nil
        try attach()
        unsafe SSL_set_accept_state(ssl)
    }

    /// The client's side. `host` is a name, or the text of an address, and must be what the server's certificate says.
    init(connecting socket: Socket, _ context: TLSClientContext, host: String, port: UInt16) throws(IOFailure) {
        unsafe ssl = try Self.make(context.context)
        self.socket = socket
        self.context = context
        let origin = "\(host):\(port)"
        resumption = Resumption(context.sessions, origin)
        try attach()
        unsafe SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
        let parameters = unsafe SSL_get0_param(ssl)
        unsafe copenssl_strict_names(parameters)
        let result: CInt
        if IPAddress(host) != nil {
            result = unsafe X509_VERIFY_PARAM_set1_ip_asc(parameters, host)
        } else {
            // Neither the certificate nor the extension knows the root's dot (RFC 6066 §3).
            let name = host.hasSuffix(".") ? String(host.dropLast()) : host
            guard !name.isEmpty, !name.utf8.contains(0) else { throw .tls("no host name") }
            result =
                unsafe X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count) == 1
                ? copenssl_set_host_name(ssl, name) : 0
        }
        guard result == 1 else { throw .tls(OpenSSLQueue.take()) }
        if let session = context.sessions.take(origin) { unsafe SSL_set_session(ssl, session.pointer) }
        unsafe SSL_set_connect_state(ssl)
    }

    deinit {
        // Freed without this, OpenSSL takes the session for a broken one and forbids to resume it. That rule is of SSL 3;
        // since TLS 1.1 a connection that just ends spoils nothing (RFC 5246 §7.2.1).
        unsafe SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        unsafe SSL_free(ssl)
    }

    private static func make(_ context: TLSContext) throws(IOFailure) -> OpaquePointer {
        OpenSSLQueue.clear()
        guard let ssl = unsafe SSL_new(context.pointer) else { throw .tls(OpenSSLQueue.take()) }
        return unsafe ssl
    }

    private func attach() throws(IOFailure) {
        guard let bio = unsafe SocketBIO.make(for: self) else { throw .tls(OpenSSLQueue.take()) }
        // One reference for both directions.
        unsafe SSL_set_bio(ssl, bio, bio)
    }
}

// Steps.
extension TLSSession {
    /// Goes on with the handshake.
    func shakeHands() throws(IOFailure) -> Attempt {
        OpenSSLQueue.clear()
        let result = unsafe SSL_do_handshake(ssl)
        guard result == 1 else { return try attempt(result) }
        isOpen = true
        return .done(0)
    }

    /// Reads at most one record's content. `.done(0)`: the other side has said that it is done.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(IOFailure) -> Attempt {
        guard mayGive else { return .wait(.read) }
        OpenSSLQueue.clear()
        // SAFETY: the buffer belongs to the caller during the call.
        let count = unsafe SSL_read(ssl, buffer.baseAddress, CInt(clamping: buffer.count))
        readWaitsToWrite = false
        guard count <= 0 else { return .done(Int(count)) }
        let outcome = try attempt(count)
        if case .wait(.write) = outcome { readWaitsToWrite = true }
        return outcome
    }

    /// False where neither OpenSSL nor the kernel has a byte, which OpenSSL need not be asked to find out. After the other
    /// side's goodbye, and while an answer of TLS's own waits to be written, it must be asked.
    private var mayGive: Bool {
        unsafe socket.mayRead || readWaitsToWrite || SSL_has_pending(ssl) == 1
            || SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0
    }

    /// Seals at most one record. After `.wait`, the same bytes must come again first, from whatever address.
    func write(_ bytes: UnsafeRawBufferPointer) throws(IOFailure) -> Attempt {
        guard unsafe !bytes.isEmpty else { return .done(0) }
        OpenSSLQueue.clear()
        // SAFETY: as above.
        let count = unsafe SSL_write(ssl, bytes.baseAddress, CInt(clamping: bytes.count))
        return count > 0 ? .done(Int(count)) : try attempt(count)
    }

    /// Says goodbye (close_notify), without waiting for the answer.
    func sayGoodbye() throws(IOFailure) -> Attempt {
        guard isOpen else { return .done(0) }
        OpenSSLQueue.clear()
        let result = unsafe SSL_shutdown(ssl)
        return result >= 0 ? .done(0) : try attempt(result)
    }

    private func attempt(_ result: CInt) throws(IOFailure) -> Attempt {
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wait(.read)
        case SSL_ERROR_WANT_WRITE: return .wait(.write)
        case SSL_ERROR_ZERO_RETURN: return .done(0)
        default: throw failure()
        }
    }

    private func failure() -> IOFailure {
        let reason = OpenSSLQueue.take()
        // After a fatal error nothing more can be said, not even goodbye.
        let wasOpen = isOpen
        isOpen = false
        // Should a session that was to be resumed be the reason, the next attempt does without.
        if !wasOpen, let resumption { resumption.sessions.remove(resumption.origin) }
        if let transportFailure { return transportFailure }
        let verification = unsafe SSL_get_verify_result(ssl)
        if verification != CLong(X509_V_OK), !wasOpen, resumption != nil {
            // SAFETY: static, zero-terminated text.
            let text = unsafe X509_verify_cert_error_string(verification).map { unsafe String(cString: $0) }
            return .tls("certificate: \(text ?? "not verified")")
        }
        if hasEnded { return .truncated }
        return .tls(reason)
    }

    /// Keeps a session that the server gave. True when it took the reference.
    func keep(_ session: OpaquePointer) -> Bool {
        guard let resumption, unsafe SSL_get_verify_result(ssl) == CLong(X509_V_OK) else { return false }
        resumption.sessions.put(unsafe ResumableSession(owning: session), resumption.origin)
        return true
    }
}

// What was agreed.
extension TLSSession {
    /// `TLSv1.3` or `TLSv1.2`.
    var version: String { unsafe String(cString: SSL_get_version(ssl)) }

    /// The name of the cipher suite.
    var cipher: String { unsafe String(cString: SSL_CIPHER_get_name(SSL_get_current_cipher(ssl))) }

    /// True when the handshake took up an earlier session.
    var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

    /// The protocol chosen by ALPN; nil when there was none.
    var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        // SAFETY: the name belongs to the connection and is as long as said.
        unsafe SSL_get0_alpn_selected(ssl, &name, &count)
        guard let name = unsafe name, count > 0 else { return nil }
        return String(decoding: unsafe Array(UnsafeBufferPointer(start: name, count: Int(count))), as: UTF8.self)
    }
}

// For the BIO.
extension TLSSession {
    func send(_ bytes: UnsafeRawBufferPointer) -> Int? {
        do throws(IOFailure) {
            let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
            if try unsafe socket.hold(bytes, nothing) { return bytes.count }
            return try unsafe socket.tryWrite(bytes)
        } catch {
            transportFailure = error
            return nil
        }
    }

    func receive(_ buffer: UnsafeMutableRawBufferPointer) -> Int? {
        do throws(IOFailure) {
            let count = try unsafe socket.tryRead(into: buffer)
            if count == 0 { hasEnded = true }
            return count
        } catch {
            transportFailure = error
            return nil
        }
    }
}
