// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// Which records are wanted. What is `nil` is not asked.
struct RecordFilter: Sendable {
    var tenant: TenantID?
    var request: String?
    var key: String?
    var node: String?
    var actor: String?
    var action: String?
    /// A plain id, or what its digest would be.
    var object: String?
    var objectDigest: [UInt8]?
    var code: String?
    /// Failures of the house or of a provider, and nothing that a client did.
    var isFailure = false
    var kinds: [AuditKind]?
    var since: WallTime?
    var until: WallTime?

    static let names = ["request", "key", "node", "actor", "action", "object", "code", "since", "until"]

    func accepts(_ record: AuditRecord) -> Bool {
        if let tenant, record.text(.tenant) != tenant.text { return false }
        if let kinds, !kinds.contains(record.kind) { return false }
        if let since, record.place.time < since { return false }
        if let until, until < record.place.time { return false }
        if let request, ![.requestID, .firstRequestID, .lastRequestID].contains(where: { record.text($0) == request }) {
            return false
        }
        if let key, record.text(.actorID) != key, record.text(.keyPrefix) != key { return false }
        if let node, record.text(.node) != node { return false }
        if let actor, record.text(.actorID) != actor, record.text(.actorKind) != actor { return false }
        if let action, record.text(.action) != action { return false }
        if isFailure, ErrorCode(rawValue: record.text(.code) ?? "").map({ $0.status >= 500 }) != true { return false }
        if let code, record.text(.code) != code { return false }
        if let object, record.text(.object) != object, record.digest(.objectDigest) != objectDigest { return false }
        return true
    }
}
