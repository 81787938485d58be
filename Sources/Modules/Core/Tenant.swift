// SPDX-License-Identifier: Apache-2.0

package import Platform

/// A tenant: whoever shares keys, nodes, threads and limits, and sees nothing of anybody else.
package struct Tenant: Equatable, Sendable {
    package let id: TenantID
    /// Unique in the appliance.
    package let name: String
    package var status: TenantStatus
    /// The name of its plan; `nil` for the instance's own limits.
    package var plan: String?
    package let createdAt: WallTime

    package init(id: TenantID, name: String, status: TenantStatus = .active, plan: String? = nil, createdAt: WallTime) {
        self.id = id
        self.name = name
        self.status = status
        self.plan = plan
        self.createdAt = createdAt
    }
}

/// Whether a tenant may use the appliance.
package enum TenantStatus: String, CaseIterable, Sendable {
    case active
    /// Its credentials open nothing (`blocked`), its data stays and ages.
    case suspended
}
