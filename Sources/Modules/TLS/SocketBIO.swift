// SPDX-License-Identifier: Apache-2.0
//
// How OpenSSL reads and writes: through our socket, not through the number of a descriptor. So nothing is asked of the
// kernel while the last call has said that there is nothing, and a socket that was closed is never touched again, whoever
// has its number by then.

import COpenSSL

@safe enum SocketBIO {
    /// The table of functions; made once, never changed, never freed.
    nonisolated(unsafe) private static let method: OpaquePointer = {
        let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
        guard let method = unsafe BIO_meth_new(type, "gatehouse socket") else { fatalError("out of memory") }
        unsafe BIO_meth_set_write(method, writeBytes)
        unsafe BIO_meth_set_read(method, readBytes)
        unsafe BIO_meth_set_ctrl(method, control)
        return unsafe method
    }()

    /// A BIO for a session, which must outlive it (it owns the SSL, which owns the BIO).
    static func make(for session: TLSSession) -> OpaquePointer? {
        guard let bio = unsafe BIO_new(method) else { return nil }
        unsafe BIO_set_data(bio, Unmanaged.passUnretained(session).toOpaque())
        unsafe BIO_set_init(bio, 1)
        return unsafe bio
    }

    /// Lends the session of a BIO to `body`, without counting it: OpenSSL comes by here four times a request.
    ///
    /// - Returns: nil without one.
    @inline(__always)
    fileprivate static func withSession<Result>(of bio: OpaquePointer?, _ body: (TLSSession) -> Result) -> Result? {
        // SAFETY: set above; the session calls OpenSSL, which calls this, so it is alive until `body` has returned.
        guard let data = unsafe BIO_get_data(bio) else { return nil }
        return unsafe Unmanaged<TLSSession>.fromOpaque(data)._withUnsafeGuaranteedRef { body($0) }
    }
}

private let writeBytes: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, CInt) -> CInt = { bio, bytes, count in
    guard count > 0 else { return -1 }
    return unsafe SocketBIO.withSession(of: bio) { session in
        unsafe copenssl_bio_will_not_retry(bio)
        // SAFETY: OpenSSL passes a buffer of `count` bytes.
        guard let taken = unsafe session.send(UnsafeRawBufferPointer(start: bytes, count: Int(count))) else {
            if session.transportFailure == nil { unsafe copenssl_bio_will_retry(bio, 0) }
            return -1
        }
        return CInt(taken)
    } ?? -1
}

private let readBytes: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, CInt) -> CInt = {
    bio, bytes, count in
    guard count > 0 else { return -1 }
    return unsafe SocketBIO.withSession(of: bio) { session in
        unsafe copenssl_bio_will_not_retry(bio)
        // SAFETY: as above.
        guard let given = unsafe session.receive(UnsafeMutableRawBufferPointer(start: bytes, count: Int(count))) else {
            if session.transportFailure == nil { unsafe copenssl_bio_will_retry(bio, 1) }
            return -1
        }
        return CInt(given)
    } ?? -1
}

private let control: @convention(c) (OpaquePointer?, CInt, CLong, UnsafeMutableRawPointer?) -> CLong = {
    bio, command, _, _ in
    switch command {
    case BIO_CTRL_FLUSH: 1
    case BIO_CTRL_EOF: unsafe SocketBIO.withSession(of: bio) { $0.hasEnded } == true ? 1 : 0
    default: 0
    }
}
