// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform
import Synchronization

/// The long work on keys that runs, or ran last: one at a time, and its progress can be asked for.
final class StoreWork: Sendable {
    private struct State {
        var name = ""
        var startedAt = WallTime(seconds: 0)
        var isRunning = false
        var endedAt: WallTime?
        var failure: String?
        var hint: String?
        var result = JSONObject()
    }

    private let state = Mutex(State())

    /// - Throws: `conflict` while another one runs.
    func begin(_ name: String) throws(Failure) {
        let isFree = state.withLock { state in
            guard !state.isRunning else { return false }
            state = State(name: name, startedAt: .now(), isRunning: true)
            return true
        }
        guard isFree else {
            throw Failure(.conflict, "other work on the keys is under way; `gatehouse store status` shows it")
        }
    }

    func end(_ result: JSONObject) {
        state.withLock { state in
            (state.isRunning, state.endedAt, state.result) = (false, .now(), result)
        }
    }

    func end(failure: String, hint: String? = nil) {
        state.withLock { state in
            (state.isRunning, state.endedAt, state.failure, state.hint) = (false, .now(), failure, hint)
        }
    }

    /// `null` where nothing ran yet. `moved` is what the work under way has done.
    func json(moved: KeyringProgress) -> JSONValue {
        json(progress: [
            "tenants": .int(moved.tenants), "objects": .int(moved.objects), "pages": .int(moved.pages),
        ])
    }

    /// The same with another account of how far it is.
    func json(progress: JSONValue) -> JSONValue {
        let state = state.withLock { $0 }
        guard !state.name.isEmpty else { return .null }
        return [
            "object": "store.work",
            "name": .string(state.name),
            "status": .string(state.isRunning ? "running" : state.failure == nil ? "done" : "failed"),
            "started_at": .string(state.startedAt.rfc3339),
            "ended_at": state.endedAt.map { .string($0.rfc3339) } ?? .null,
            "progress": state.isRunning ? progress : .null,
            "failure": state.failure.map(JSONValue.string) ?? .null,
            "hint": state.hint.map(JSONValue.string) ?? .null,
            "result": .object(state.result),
        ]
    }
}
