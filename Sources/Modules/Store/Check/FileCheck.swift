// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import SQLite

/// What a check of one database file has found.
struct FileCheck: Sendable {
    struct Problem: Sendable {
        /// From 1; `nil` where no single page is to blame.
        let page: Int?
        let message: String
    }

    /// Below the data directory.
    let file: String
    var pages = 0
    var problems: [Problem] = []

    /// Problems told of one file; damage seldom comes alone, and the first ones say enough.
    static let problemsMax = 100

    /// Looks at everything in an open database: every page opens, and the tables and indexes agree with one another
    /// (sqlite.org/pragma.html#pragma_integrity_check). Blocks as long as it takes to read the file.
    static func run(_ file: String, on connection: SQLiteConnection) -> FileCheck {
        var check = FileCheck(file: file)
        do throws(SQLiteError) {
            check.pages = try connection.first("PRAGMA page_count") { row throws(SQLiteError) in try row.int(0) } ?? 0
            let lines = try connection.query("PRAGMA integrity_check(\(problemsMax))") { row throws(SQLiteError) in
                try row.text(0)
            }
            if lines != ["ok"] { check.problems += lines.map { Problem(page: nil, message: $0) } }
        } catch {
            check.add(error)
        }
        return check
    }

    /// A file that cannot even be opened.
    init(file: String, error: SQLiteError) {
        self.file = file
        add(error)
    }

    private init(file: String) {
        self.file = file
    }

    private mutating func add(_ error: SQLiteError) {
        let page = error.damage.map { Int($0.page) }
        problems.append(Problem(page: page, message: error.description))
    }

    var json: JSONValue {
        [
            "object": "store.check", "file": .string(file), "pages": .int(pages), "ok": .bool(problems.isEmpty),
            "problems": .array(
                problems.map { problem in
                    ["page": problem.page.map(JSONValue.int) ?? .null, "message": .string(problem.message)]
                }),
        ]
    }
}
