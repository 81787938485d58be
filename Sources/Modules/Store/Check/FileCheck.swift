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
    /// Damaged pages beside those that are told.
    var more = 0

    /// Problems told of one file.
    static let problemsMax = 100

    /// Looks at everything in an open database: every page opens, and the tables and indexes agree with one another
    /// (sqlite.org/pragma.html#pragma_integrity_check). Blocks as long as it takes to read the file.
    static func run(_ file: String, on connection: SQLiteConnection) -> FileCheck {
        var check = FileCheck(file: file)
        do throws(SQLiteError) {
            check.pages = try connection.first("PRAGMA page_count") { row throws(SQLiteError) in try row.int(0) } ?? 0
            if let sealed = SealedFile.of(connection) { check.add(try PageScan(sealed, through: connection)) }
            // SQLite would end at the first page that does not open.
            guard check.problems.isEmpty else { return check }
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
    ///
    /// - Parameter scan: what its pages are, where they could be looked at.
    init(file: String, error: SQLiteError, scan: PageScan? = nil) {
        self.file = file
        if let scan, scan.damageCount > 0 {
            pages = scan.pages + scan.damageCount
            add(scan)
        } else {
            add(error)
        }
    }

    private init(file: String) {
        self.file = file
    }

    private mutating func add(_ scan: PageScan) {
        let told = scan.damage.prefix(Self.problemsMax)
        problems += told.map { Problem(page: Int($0.page), message: "\($0)") }
        more = scan.damageCount - told.count
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
            "more": .int(more),
        ]
    }
}
