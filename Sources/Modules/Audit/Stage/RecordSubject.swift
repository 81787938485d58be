// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON

/// Whom and what an exchange is about.
struct RecordSubject: Sendable {
    var tenant: TenantID?
    var object: Object?

    enum Object: Sendable {
        /// An id that is nobody's, and of nothing that can be erased.
        case plain(String)
        /// The id of what can be erased, or a name that somebody chose: only a digest of it is written.
        case erasable(String)
    }

    /// - Parameter directory: knows a tenant by the name or id that an operator's act has for it.
    init(of exchange: Exchange, _ directory: any TenantDirectory) {
        tenant = exchange.principal?.tenant
        let parameters = exchange.parameters
        // Most calls have neither.
        if parameters.isEmpty, exchange.act == nil { return }
        if let id = parameters["id"] ?? parameters["number"] ?? parameters["name"] ?? parameters["tenant"] {
            object = Self.object(id, exchange.route)
        }
        guard let act = exchange.act else { return }
        let reply = act.reply.isEmpty ? nil : try? JSONValue(parsing: act.reply)
        let body = act.parameters.isEmpty ? nil : try? JSONValue(parsing: act.parameters)
        let query = exchange.request.head.queryItems.first { $0.name == "tenant" }?.value
        // Only an operator names a tenant; anybody else's acts belong to their own, whatever the request says.
        if tenant == nil, let name = parameters["tenant"] ?? query ?? body?["tenant"]?.string {
            tenant = directory.find(name)?.id ?? act.tenant
        }
        if let id = reply?["id"]?.string {
            object = Self.object(id, exchange.route)
            if tenant == nil, id.hasPrefix("ten_") { tenant = TenantID(id) }
        }
    }

    /// Ids of keys, tenants, people, sessions, backups and plans say nothing of anybody; threads, nodes and files can be erased, and names may
    /// be a person's.
    private static func object(_ id: String, _ route: Route) -> Object {
        let known = ["ten_", "key_", "bak_", "trg_", "usr_", "ses_"].contains {
            id.hasPrefix($0) && id.utf8.count == $0.utf8.count + 26
        }
        let isHouse = ["/admin/v1/plans", "/admin/v1/store", "/admin/v1/providers"].contains {
            route.pattern.hasPrefix($0)
        }
        return known || isHouse ? .plain(id) : .erasable(id)
    }
}
