// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import Platform

/// The operator's routes for backups.
struct BackupRoutes: Sendable {
    let store: @Sendable () throws(Failure) -> OpenStore
    let work: StoreWork

    var all: [Route] { [list, create] }

    private var list: Route {
        Route(.get, "/admin/v1/backups", guard: .operator, summary: "The backups there are, and the one under way") {
            [store, work] _ async throws(Failure) in
            let store = try store()
            let backups = store.backups
            let manifests = try await store.blocking { () throws(KeyringFailure) in
                do throws(BackupFailure) {
                    return try backups.list()
                } catch {
                    throw .refused(error.message)
                }
            }
            let state = backups.state
            return .json([
                "object": "list", "directory": .string(backups.place.path), "data": .array(manifests.map(\.json)),
                "has_more": false,
                "work": work.json(progress: [
                    "files": .int(state.files), "files_total": .int(state.filesTotal), "bytes": .int(state.bytes),
                ]),
            ])
        }
    }

    /// In the background; the list shows how far it is.
    private var create: Route {
        Route(.post, "/admin/v1/backups", guard: .operator, summary: "Copy everything to the place of backups") {
            [store, work] _ async throws(Failure) in
            let store = try store()
            let backups = store.backups
            try work.begin("backup")
            do throws(Worker.Refusal) {
                try store.worker.post {
                    do throws(BackupFailure) {
                        work.end(try backups.create().json.object ?? [:])
                    } catch {
                        work.end(failure: error.message, hint: error.hint)
                    }
                }
            } catch {
                work.end(failure: "the store is busy")
                throw Failure(.overloaded, "the store is busy").retrying(after: .seconds(1))
            }
            return .json(work.json(progress: .null), status: 202)
        }
    }
}

extension BackupManifest {
    /// What an operator sees of it.
    var json: JSONValue {
        [
            "object": "backup", "name": .string(name), "created_at": .string(createdAt.rfc3339),
            "tenants": .int(files.count { $0.name != OpenStore.control }), "bytes": .int(bytes),
        ]
    }
}
