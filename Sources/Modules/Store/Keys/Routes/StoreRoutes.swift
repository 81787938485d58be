// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import Platform
import Synchronization

/// The operator's routes for the store as a whole: its state, and the renewal of its keys while it serves.
struct StoreRoutes: Sendable {
    let store: @Sendable () throws(Failure) -> OpenStore
    let tenants: Tenants
    let settings: StoreSettings
    let work: StoreWork

    var all: [Route] { [status, rotate] }

    private var status: Route {
        Route(.get, "/admin/v1/store/status", guard: .operator, summary: "Keys, epochs, erasures, and work under way") {
            [store, settings, work] _ async throws(Failure) in
            let store = try store()
            let status = try await store.blocking { () throws(KeyringFailure) in try store.keyring.status() }
            return .json([
                "object": "store",
                "master_key": .int(status.masterGeneration),
                "epoch": .int(status.epoch),
                "rolled_at": .string(status.rolledAt.rfc3339),
                "roll_interval_seconds": .int(Int(clamping: settings.rollInterval.components.seconds)),
                "erasures_before_roll": .int(status.erasures),
                "tenants": .int(status.tenants),
                "objects": .int(status.objects),
                "tombstones": .int(status.tombstones),
                "secrets": .int(status.secrets),
                "slots": .int(store.keyring.slots().count),
                "keys": .object(
                    status.dataKeys.sorted { $0.key < $1.key }.reduce(into: JSONObject()) { object, key in
                        object[key.key] = .array(key.value.map(JSONValue.int))
                    }),
                "work": work.json(moved: store.keyring.progress.withLock { $0 }),
            ])
        }
    }

    private var rotate: Route {
        Route(
            .post, "/admin/v1/store/rotate", guard: .operator,
            summary:
                "Renew keys while serving: the epoch's, the master key, a tenant's, those of its objects and of the files' pages",
            requestBody: [
                "type": "object", "required": ["what"], "additionalProperties": false,
                "properties": [
                    "what": ["type": "string", "enum": .array(Kind.allCases.map { .string($0.rawValue) })],
                    "tenant": ["type": "string"],
                    "secrets": [
                        "type": "array", "items": SlotRoutes.secretSchema, "maxItems": .int(UnlockSlots.slotsMax),
                    ],
                ],
            ]
        ) { [self] exchange async throws(Failure) in
            let body = try await OperatorBody(exchange, known: ["what", "tenant", "secrets"])
            guard let kind = try body.string("what").flatMap(Kind.init(rawValue:)) else {
                throw Failure(
                    .invalidParameter, "must be one of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))",
                    param: "what")
            }
            let store = try store()
            switch kind {
            case .master:
                let secrets = try SlotRoutes.secrets(body)
                return .json(try await master(store, secrets))
            case .epoch, .keyring: return try start(kind, store, nil)
            case .pages, .objects: return try start(kind, store, try body.string("tenant").map { TenantID($0) })
            case .tenant:
                guard let tenant = try body.string("tenant") else {
                    throw Failure(.invalidParameter, "which tenant's keys, by its id", param: "tenant")
                }
                return try start(kind, store, TenantID(tenant))
            }
        }
    }

    enum Kind: String, CaseIterable {
        case epoch, master, keyring, tenant, pages, objects
    }

    /// At once, because it has something to say that is said once: new recovery keys.
    private func master(_ store: OpenStore, _ typed: [UnlockSecret]) async throws(Failure) -> JSONValue {
        try work.begin("master")
        do throws(Failure) {
            let settings = settings
            let recovery = try await store.blocking { () throws(KeyringFailure) in
                let recovery = try store.keyring.rotateMaster(typed + UnlockSecret.atHand(settings.unlock))
                store.mark()
                return recovery
            }
            work.end([:])
            let keys = recovery.sorted { $0.key < $1.key }.map { slot, text -> JSONValue in
                ["slot": .int(slot), "recovery_key": .string(text)]
            }
            return ["object": "store.rotation", "what": "master", "recovery_keys": .array(keys)]
        } catch {
            work.end(failure: error.message)
            throw error
        }
    }

    /// In the background; `/admin/v1/store/status` shows how far it is.
    private func start(_ kind: Kind, _ store: OpenStore, _ tenant: TenantID?) throws(Failure) -> Reply {
        try work.begin(kind.rawValue)
        store.keyring.progress.withLock { $0 = KeyringProgress() }
        let (work, tenants) = (work, tenants)
        do throws(Worker.Refusal) {
            try store.worker.post {
                do throws(KeyringFailure) {
                    let result = try Self.rotate(kind, store, tenants, tenant)
                    // Before it is said to be done: the copy of the keys beside the backups is renewed too.
                    store.mark()
                    work.end(result)
                } catch {
                    work.end(failure: error.description)
                }
            }
        } catch {
            work.end(failure: "the store is busy")
            throw Failure(.overloaded, "the store is busy").retrying(after: .seconds(1))
        }
        return .json(work.json(moved: KeyringProgress()), status: 202)
    }

    private static func rotate(
        _ kind: Kind, _ store: OpenStore, _ tenants: Tenants, _ tenant: TenantID?
    ) throws(KeyringFailure) -> JSONObject {
        if kind == .keyring {
            try store.keyring.rotateKeyringPages()
            return [:]
        }
        if kind == .pages { return try renewPages(store, tenants, tenant) }
        if kind == .objects { return try renewObjects(store, tenants, tenant) }
        if let tenant { return ["objects": .int(try store.keyring.rotateTenant(tenant))] }
        let report = try store.keyring.roll()
        store.report(report)
        return [
            "epoch": .int(report.epoch), "tenants": .int(report.tenants), "renewed": .int(report.renewed),
            "objects": .int(report.objects), "milliseconds": .int(Int(report.duration / .milliseconds(1))),
        ]
    }
}

extension StoreRoutes {
    /// The keys of a tenant's objects, or of everybody's.
    private static func renewObjects(
        _ store: OpenStore, _ tenants: Tenants, _ only: TenantID?
    ) throws(KeyringFailure) -> JSONObject {
        var later = 0
        try eachTenant(store, tenants, only) { tenant throws(Failure) in
            later += try tenants.renewObjects(of: tenant) { objects in
                store.keyring.progress.withLock { $0.objects += objects }
            }
        }
        let done = store.keyring.progress.withLock { $0 }
        return ["tenants": .int(done.tenants), "objects": .int(done.objects), "later": .int(later)]
    }

    /// The page keys of one tenant's file, or of every file but the keyring's.
    private static func renewPages(
        _ store: OpenStore, _ tenants: Tenants, _ only: TenantID?
    ) throws(KeyringFailure) -> JSONObject {
        let progress = { @Sendable (pages: Int) in store.keyring.progress.withLock { $0.pages += pages } }
        if only == nil { try store.renewControlPages() }
        try eachTenant(store, tenants, only) { tenant throws(Failure) in
            try tenants.renewPages(of: tenant, progress: progress)
        }
        let done = store.keyring.progress.withLock { $0 }
        return ["tenants": .int(done.tenants), "pages": .int(done.pages)]
    }

    /// One tenant, or all: whose file cannot be read stops no other.
    private static func eachTenant(
        _ store: OpenStore, _ tenants: Tenants, _ only: TenantID?, _ body: (TenantID) throws(Failure) -> Void
    ) throws(KeyringFailure) {
        var failures: [String] = []
        for tenant in only.map({ [$0] }) ?? tenants.list().map(\.id) {
            do throws(Failure) {
                try body(tenant)
                store.keyring.progress.withLock { $0.tenants += 1 }
            } catch  where error.code == .notFound && only == nil {
                // Deleted meanwhile.
            } catch {
                failures.append("\(tenant.text): \(error.cause ?? error.message)")
            }
        }
        guard failures.isEmpty else {
            throw .refused(
                "\(failures.count) tenants keep their keys: \(failures.prefix(10).joined(separator: "; "))")
        }
    }
}

extension OpenStore {
    /// Does what blocks on another thread than the loop's.
    func blocking<Result: Sendable>(
        _ body: @escaping @Sendable () throws(KeyringFailure) -> Result
    ) async throws(Failure) -> Result {
        do throws(Worker.Failure<KeyringFailure>) {
            return try await worker.run(throwing: body)
        } catch {
            switch error {
            case .refused: throw Failure(.overloaded, "the store is busy").retrying(after: .seconds(1))
            case .failed(let failure): throw Failure(failure)
            }
        }
    }
}

extension Failure {
    /// Work on the keyring that was not done.
    init(_ failure: KeyringFailure) {
        switch failure {
        case .busy, .stopped: self.init(.overloaded, "the store is busy; try again")
        case .unknownTenant, .erased: self.init(.notFound, "there is nothing of that id")
        case .exists: self.init(.conflict, "it exists already")
        case .refused(let why): self.init(.conflict, why)
        case .damaged, .older, .failed, .file: self.init(.internal, "the store failed", cause: failure.description)
        }
    }
}
