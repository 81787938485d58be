// SPDX-License-Identifier: Apache-2.0

/// What the operator grants the tenants who are on it.
package struct Plan: Equatable, Sendable {
    /// Unique in the appliance.
    package let name: String
    /// The longest that each class of data is kept.
    package var retention: RetentionRule
    /// The most that a tenant's database may hold, in bytes; `nil` for what the instance allows.
    package var bytesMax: Int?

    package init(name: String, retention: RetentionRule = RetentionRule(), bytesMax: Int? = nil) {
        self.name = name
        self.retention = retention
        self.bytesMax = bytesMax
    }
}

/// What holds for one tenant, of its plan and of the instance.
package struct TenantLimits: Equatable, Sendable {
    /// The plan's caps.
    package var retention: RetentionRule
    /// What is kept how long where nobody says anything: `[store] retention`.
    package var standardRetention: Retention
    /// The most bytes that its database may hold.
    package var bytesMax: Int

    package init(retention: RetentionRule, standardRetention: Retention, bytesMax: Int) {
        self.retention = retention
        self.standardRetention = standardRetention
        self.bytesMax = bytesMax
    }
}
