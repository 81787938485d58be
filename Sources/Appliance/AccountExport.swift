// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import Synchronization

/// `GET /v1/account/export`: everything of a tenant in one archive, made of the parts that modules give and sent as it is made.
///
/// Each part is read some at a time, so what is written meanwhile may be in it or not; nothing is missing that was there when
/// it began and was not deleted.
final class AccountExport: Sendable {
    private let parts: [ArchivePart]
    private let directory: any TenantDirectory
    // Guards the tenants whose export is under way.
    private let underWay = Mutex<Set<TenantID>>([])

    /// Exports at once: each holds a megabyte or two, and keeps a store thread busy.
    static let exportsMax = 4

    init(parts: [ArchivePart], directory: any TenantDirectory) {
        (self.parts, self.directory) = (parts, directory)
    }

    var route: Route {
        Route(
            .get, "/v1/account/export", guard: .keyOrSession(.account, .admin),
            summary: "Everything of this account, as a tar archive of JSON lines and files"
        ) { [self] exchange async throws(Failure) in
            guard let id = exchange.principal?.tenant, let tenant = directory.find(id.text) else {
                throw Failure.absent
            }
            // Taken away is an act: it is written down before the first byte leaves.
            try await exchange.advance(through: .record)
            try begin(id)
            defer { underWay.withLock { _ = $0.remove(id) } }
            for part in parts { try await part.prepare(id, exchange.request.loop) }
            let now = WallTime.now()
            let archive = TenantArchive(exchange, folder: "gatehouse-\(id.text)", at: now)
            try await archive.add(file: "manifest.json", manifest(tenant, now).serialized())
            for part in parts {
                archive.begin(part.name)
                try await part.write(id, archive)
                try await archive.end()
            }
            try await archive.finish()
            return .streamed
        }
    }

    private func begin(_ tenant: TenantID) throws(Failure) {
        let refusal = underWay.withLock { underWay -> Failure? in
            if underWay.contains(tenant) { return Failure(.conflict, "an export of this account is under way") }
            guard underWay.count < Self.exportsMax else { return Failure(.overloaded, "as many are exporting as may") }
            underWay.insert(tenant)
            return nil
        }
        if let refusal { throw refusal.retrying(after: .seconds(30)) }
    }

    private func manifest(_ tenant: Tenant, _ now: WallTime) -> JSONValue {
        [
            "object": "account.export", "version": 1, "exported_at": .string(now.rfc3339),
            "tenant": [
                "id": .string(tenant.id.text), "name": .string(tenant.name),
                "plan": tenant.plan.map(JSONValue.string) ?? .null,
                "created_at": .string(tenant.createdAt.rfc3339),
            ],
            "form":
                "each part is <part>-00001.jsonl and so on, one JSON object a line; a part without lines has no file",
            "parts": .array(parts.map { ["name": .string($0.name), "what": .string($0.what)] }),
        ]
    }
}
