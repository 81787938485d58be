// SPDX-License-Identifier: Apache-2.0

package import SQLite

/// The tables that a module keeps in one kind of file, and what stands in each of their columns.
///
/// The tables come from the migrations that make them; the notes stand beside, in code. A column without a note, or a note
/// without a column, fails the build's tests: nothing is stored that is not listed.
package struct Schema: Sendable {
    /// Which file the tables are in.
    package enum Place: String, CaseIterable, Sendable {
        case keyring = "keyring.db"
        case control = "control.db"
        /// One for each tenant.
        case tenant = "tenants/<id>.db"
    }

    package let place: Place
    package let migrations: SQLiteMigrations
    package let notes: [TableNote]

    package init(_ place: Place, _ migrations: SQLiteMigrations, notes: [TableNote]) {
        self.place = place
        self.migrations = migrations
        self.notes = notes
    }
}

/// What is in a table.
package struct TableNote: Sendable {
    package let table: String
    /// How long its rows are kept, as a sentence without capital and full stop.
    package let kept: String
    package let columns: [ColumnNote]

    package init(_ table: String, kept: String, _ columns: [ColumnNote]) {
        self.table = table
        self.kept = kept
        self.columns = columns
    }
}

/// What is in a column. Every page of every file is sealed; `sealing` says what protects the value beside that.
package struct ColumnNote: Sendable {
    /// The three classes of data, and what is none of them.
    package enum Kind: String, Sendable {
        /// Prompts, answers, files, and whatever else somebody wrote.
        case content
        /// What an operator or a tenant set up.
        case configuration
        /// Ids, times, sizes, states: what the appliance needs to find and to age things.
        case metadata
        /// Keys and secrets.
        case key
    }

    package enum Sealing: String, Sendable {
        /// Nothing more than the page.
        case page
        /// With the key of the object it belongs to: a thread, a file, a node.
        case object
        /// A keyed digest: it can be compared with, and not be read.
        case digest
        /// Under the keyring's own keys.
        case wrapped
    }

    package let column: String
    package let what: String
    package let kind: Kind
    package let sealing: Sealing

    package init(_ column: String, _ what: String, _ kind: Kind = .metadata, _ sealing: Sealing = .page) {
        self.column = column
        self.what = what
        self.kind = kind
        self.sealing = sealing
    }
}
