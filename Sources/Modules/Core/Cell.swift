// SPDX-License-Identifier: Apache-2.0

/// The place in a tenant's database where a sealed value stands. It is bound into the value, so that a value that somebody
/// moved to another column, another row or back to an earlier version does not open.
package struct Cell: Sendable {
    package let table: StaticString
    package let column: StaticString
    /// The id of a row.
    package enum Row: Sendable, CustomStringConvertible {
        case text(String)
        /// Stands for its decimal digits: there is no text to be made for each of many rows.
        case number(Int)

        package var description: String {
            switch self {
            case .text(let text): text
            case .number(let number): String(number)
            }
        }
    }

    package let row: Row
    /// 0 unless the row has versions.
    package let version: Int

    package init(table: StaticString, column: StaticString, row: String, version: Int = 0) {
        self.table = table
        self.column = column
        self.row = .text(row)
        self.version = version
    }

    /// The same for a row whose id is a number.
    package init(table: StaticString, column: StaticString, row: Int, version: Int = 0) {
        self.table = table
        self.column = column
        self.row = .number(row)
        self.version = version
    }
}
