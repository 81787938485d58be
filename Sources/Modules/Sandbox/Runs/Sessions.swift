// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform
import Synchronization

/// Workspaces that are kept between runs: files, and never processes. They lie in memory only, within bounds, and end with
/// their time, with their tenant, and with this process: nothing of them reaches the disk, so that no consent is needed.
final class Sessions: Sendable {
    struct Session: Sendable {
        let id: String
        let tenant: TenantID
        let created: WallTime
        var expires: WallTime
        var files: [BoxOrder.File] = []
        /// Whether a run is under way in it.
        var isBusy = false

        var bytes: Int { files.reduce(0) { $0 + $1.name.count + $1.content.count } }
    }

    /// Of one tenant, and of all together.
    static let ofOneMax = 32
    static let totalMax = 2048
    static let bytesMax = 512 << 20

    private struct State {
        var sessions: [String: Session] = [:]
        var bytes = 0

        mutating func remove(_ id: String) {
            if let old = sessions.removeValue(forKey: id) { bytes -= old.bytes }
        }

        mutating func sweep(_ now: WallTime) {
            for (id, session) in sessions where session.expires <= now && !session.isBusy { remove(id) }
        }
    }

    /// Guards all of them.
    private let state = Mutex(State())

    static let prefix: StaticString = "sbx_"

    func create(for tenant: TenantID, timeToLive: Duration, at now: WallTime) throws(Failure) -> Session {
        try state.withLock { state throws(Failure) in
            state.sweep(now)
            guard state.sessions.values.count(where: { $0.tenant == tenant }) < Self.ofOneMax else {
                throw Failure(.conflict, "there are \(Self.ofOneMax) sessions already; delete one")
            }
            guard state.sessions.count < Self.totalMax, state.bytes < Self.bytesMax else {
                throw Failure(.overloaded, "there is no room for another session now").retrying(after: .seconds(60))
            }
            let id = ULID.make(prefix: Self.prefix, at: now)
            let session = Session(id: id, tenant: tenant, created: now, expires: now + timeToLive)
            state.sessions[id] = session
            return session
        }
    }

    /// - Throws: `not_found` for one of another tenant's too.
    func find(_ id: String, of tenant: TenantID?, at now: WallTime) throws(Failure) -> Session {
        let found = state.withLock { state in
            state.sweep(now)
            return state.sessions[id]
        }
        guard let found, let tenant, found.tenant == tenant else { throw Self.absent }
        return found
    }

    func delete(_ id: String, of tenant: TenantID?, at now: WallTime) throws(Failure) {
        _ = try find(id, of: tenant, at: now)
        state.withLock { $0.remove(id) }
    }

    /// Takes a session for one run.
    func begin(_ id: String, of tenant: TenantID?, at now: WallTime) throws(Failure) -> Session {
        let found = try find(id, of: tenant, at: now)
        let isTaken = state.withLock { state in
            guard state.sessions[id] != nil, state.sessions[id]?.isBusy == false else { return false }
            state.sessions[id]?.isBusy = true
            return true
        }
        guard isTaken else {
            throw Failure(.conflict, "a run is under way in this session", param: "session_id")
                .retrying(after: .seconds(1))
        }
        return found
    }

    /// The run has ended; nil where its files are not known, which leaves those of before.
    func end(_ id: String, files: [BoxOrder.File]?) {
        state.withLock { state in
            guard var session = state.sessions[id] else { return }
            let before = session.bytes
            if let files { session.files = files }
            session.isBusy = false
            state.bytes += session.bytes - before
            state.sessions[id] = session
        }
    }

    /// A tenant is gone, and what it had.
    func forget(_ tenant: TenantID) {
        state.withLock { state in
            for (id, session) in state.sessions where session.tenant == tenant { state.remove(id) }
        }
    }

    private static var absent: Failure { Failure(.notFound, "there is no session of that id") }
}

extension Sessions.Session {
    var json: JSONObject {
        [
            "id": .string(id), "object": "execution.session", "created_at": .string(created.rfc3339),
            "expires_at": .string(expires.rfc3339),
            "files": .array(
                files.map { file in
                    var json = ExecutionAnswer.json(file)
                    json["content_base64"] = nil
                    return .object(json)
                }),
        ]
    }
}
