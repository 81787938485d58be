// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import Synchronization

/// An SSL_SESSION with one owner.
@safe final class ResumableSession: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes over a reference.
    init(owning pointer: OpaquePointer) {
        unsafe self.pointer = pointer
    }

    deinit {
        unsafe SSL_SESSION_free(pointer)
    }

    /// A ticket of TLS 1.3 should be used once, lest connections can be linked by it (RFC 8446 §C.4).
    var isForOneUse: Bool { unsafe SSL_SESSION_get_protocol_version(pointer) == TLSVersion.tls13.rawValue }
}

/// The sessions of a client by origin: a few for each, the newest first, and of the origins those used last.
///
/// The certificate is not verified again when a session is resumed, so the key is what was verified: name and port.
final class TLSSessionCache: Sendable {
    private struct Entry {
        var sessions: [ResumableSession] = []
        var lastUse: UInt64 = 0
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var clock: UInt64 = 0
    }

    private let originsMax: Int
    /// Guards the table; held for the look-up only.
    private let state = Mutex(State())

    init(originsMax: Int = TLSLimits.cachedOrigins) {
        self.originsMax = originsMax
    }

    /// A session to resume, the newest.
    func take(_ origin: String) -> ResumableSession? {
        state.withLock { state in
            guard var entry = state.entries[origin], let session = entry.sessions.last else { return nil }
            state.clock += 1
            entry.lastUse = state.clock
            if session.isForOneUse { entry.sessions.removeLast() }
            state.entries[origin] = entry
            return session
        }
    }

    /// Keeps a session.
    func put(_ session: ResumableSession, _ origin: String) {
        state.withLock { state in
            state.clock += 1
            var entry = state.entries[origin] ?? Entry()
            entry.lastUse = state.clock
            entry.sessions.append(session)
            if entry.sessions.count > TLSLimits.cachedSessionsPerOrigin { entry.sessions.removeFirst() }
            state.entries[origin] = entry
            // At most one more than allowed, so one look over a few hundred entries, once a handshake at worst.
            if state.entries.count > originsMax,
                let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })?.key
            {
                state.entries[oldest] = nil
            }
        }
    }

    /// Forgets the sessions of an origin, after one of them did not work.
    func remove(_ origin: String) {
        state.withLock { $0.entries[origin] = nil }
    }

    /// How many origins have sessions.
    var count: Int { state.withLock { $0.entries.count } }
}
