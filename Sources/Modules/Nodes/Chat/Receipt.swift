// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform

/// Names an asynchronous run from its acceptance on.
struct Receipt: Sendable {
    let tenant: TenantID
    let id: String
    /// The key or the person that asked, by its id.
    let owner: String
    let createdAt: WallTime

    static let prefix: StaticString = "inv_"

    init(tenant: TenantID, owner: String, at now: WallTime) {
        (self.tenant, self.owner) = (tenant, owner)
        id = ULID.make(prefix: Receipt.prefix, at: now)
        createdAt = now
    }

    /// The answer to a request for a run.
    static func accepted(_ id: String) -> Reply {
        .json(
            [
                "object": "invocation", "invocation_id": .string(id), "poll_url": .string("/v1/invocations/\(id)"),
                "status": .string(RunStatus.queued.rawValue),
            ], status: 202)
    }
}

/// How far a run is.
enum RunStatus: String, Sendable {
    case queued
    case running
    /// Answered; the answer is there.
    case done
    case failed
    /// Its result is not there: the server was restarted while it ran or while its result was in memory only, the hour is
    /// over for which such a result waits, or memory was short.
    case lost
}

/// What came of a run.
enum RunResult: Sendable {
    case answered(TurnAnswer)
    case failed(Failure)
}

/// A receipt as its holder sees it.
struct InvocationView: Sendable {
    let id: String
    let nodeID: String
    /// Who asked; "" of a receipt that is older than the column, which keys alone could have.
    let owner: String
    let createdAt: WallTime
    var finishedAt: WallTime?
    var status: RunStatus
    var result: RunResult?

    var json: JSONObject {
        var (answer, error) = (JSONValue.null, JSONValue.null)
        switch result {
        case .answered(let turn): answer = .object(turn.json)
        case .failed(let failure):
            error = ["code": .string(failure.code.rawValue), "message": .string(failure.message)]
        case .none: break
        }
        return [
            "id": .string(id), "object": "invocation", "node_id": .string(nodeID), "status": .string(status.rawValue),
            "created_at": .string(createdAt.rfc3339),
            "finished_at": finishedAt.map { .string($0.rfc3339) } ?? .null, "result": answer, "error": error,
        ]
    }
}
