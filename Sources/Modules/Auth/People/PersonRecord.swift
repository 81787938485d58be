// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform

/// Where the row of a person is: in its tenant's own file, or, of an operator, in `control.db`.
enum Home: Hashable, Sendable {
    case tenant(TenantID)
    case appliance

    var tenant: TenantID? { if case .tenant(let id) = self { id } else { nil } }

    init(_ tenant: TenantID?) { self = tenant.map(Home.tenant) ?? .appliance }
}

/// What somebody may do: a role in a tenant, or everything of the appliance.
enum Standing: Equatable, Sendable {
    case role(Role)
    case `operator`

    var name: String {
        switch self {
        case .role(let role): role.rawValue
        case .operator: "operator"
        }
    }

    init?(name: String) {
        if name == "operator" {
            self = .operator
        } else if let role = Role(rawValue: name) {
            self = .role(role)
        } else {
            return nil
        }
    }
}

/// Whether somebody may log in.
enum PersonStatus: String, CaseIterable, Sendable {
    /// Has no password yet.
    case invited
    case active
    case disabled
}

/// What is known of a person.
struct PersonRecord: Sendable {
    let id: UserID
    let home: Home
    var email: EmailAddress
    var name: String?
    var standing: Standing
    var status: PersonStatus
    /// As PHC text; `nil` before the first.
    var password: String?
    /// Sealed; `nil` without a second factor.
    var secret: [UInt8]?
    /// Sealed; one that is offered and not confirmed yet.
    var offeredSecret: [UInt8]?
    /// The last step of time whose code was used: it and all before it are spent.
    var spentStep: Int
    let createdAt: WallTime
    var passwordAt: WallTime?
    var enrolledAt: WallTime?
    var lastLoginAt: WallTime?

    init(id: UserID, home: Home, email: EmailAddress, name: String?, standing: Standing, createdAt: WallTime) {
        (self.id, self.home, self.email, self.name) = (id, home, email, name)
        (self.standing, self.createdAt) = (standing, createdAt)
        status = .invited
        spentStep = 0
    }

    var hasSecondFactor: Bool { secret != nil }

    /// As whoever administers it sees it: nothing that opens anything.
    var json: JSONObject {
        [
            "id": .string(id.text),
            "object": "user",
            "email": .string(email.text),
            "name": name.map(JSONValue.string) ?? .null,
            "role": .string(standing.name),
            "status": .string(status.rawValue),
            "totp": .bool(hasSecondFactor),
            "created_at": .string(createdAt.rfc3339),
            "last_login_at": lastLoginAt.map { .string($0.rfc3339) } ?? .null,
        ]
    }
}
