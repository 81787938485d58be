// SPDX-License-Identifier: Apache-2.0

/// The place in a tenant's database where a sealed value stands. It is bound into the value, so that a value that somebody
/// moved to another column, another row or back to an earlier version does not open.
package struct Cell: Sendable {
    package let table: StaticString
    package let column: StaticString
    /// The row's id.
    package let row: String
    /// 0 unless the row has versions.
    package let version: Int

    package init(table: StaticString, column: StaticString, row: String, version: Int = 0) {
        self.table = table
        self.column = column
        self.row = row
        self.version = version
    }
}
