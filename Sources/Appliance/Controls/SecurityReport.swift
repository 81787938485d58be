// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform

/// One table of what is stored, for people.
struct StoredTable: Sendable {
    let place: String
    let table: String
    let kept: String
    /// What is in its columns.
    let columns: [String]
}

extension [StoredTable] {
    /// Every table of an inventory, in its order.
    init(_ inventory: Inventory) {
        self = []
        for row in inventory.rows {
            let column = row.note.map { "\(row.column): \($0.what)" } ?? row.column
            if let last, last.table == row.table, last.place == row.place.rawValue {
                self[count - 1] = StoredTable(
                    place: last.place, table: last.table, kept: last.kept, columns: last.columns + [column])
            } else {
                append(StoredTable(place: row.place.rawValue, table: row.table, kept: row.kept, columns: [column]))
            }
        }
    }
}

/// How the promises stand, as a page, as JSON for everybody, and as JSON for the operator.
///
/// Everybody learns what holds, and of the rest only that it is not verified now: why, would tell an attacker where to begin.
struct SecurityReport {
    let entries: [ControlBook.Entry]
    let tables: [StoredTable]

    init(_ entries: [ControlBook.Entry], _ tables: [StoredTable]) { (self.entries, self.tables) = (entries, tables) }

    // MARK: JSON

    var publicJSON: JSONValue {
        [
            "object": "security", "verified": .int(entries.count { $0.standing.holds }),
            "controls": .array(
                entries.filter { !$0.standing.isAbsent }.map { entry in
                    let control = entry.control
                    var json: JSONObject = [
                        "id": .string(control.id), "area": .string(control.area.rawValue),
                        "promise": .string(control.promise), "evidence": .string(control.evidence.name),
                        "status": .string(entry.standing.holds ? "verified" : "not_verified_now"),
                    ]
                    if case .verified(let time) = entry.standing { json["checked_at"] = .string(time.toTheMinute) }
                    return .object(json)
                }),
            "stored": .array(
                tables.map { table in
                    [
                        "file": .string(table.place), "table": .string(table.table), "kept": .string(table.kept),
                        "columns": .array(table.columns.map { .string($0) }),
                    ]
                }),
        ]
    }

    var operatorJSON: JSONValue {
        [
            "object": "list", "has_more": false, "next_cursor": .null,
            "data": .array(
                entries.map { entry in
                    let control = entry.control
                    var json: JSONObject = [
                        "id": .string(control.id), "object": "control", "area": .string(control.area.rawValue),
                        "promise": .string(control.promise), "evidence": .string(control.evidence.name),
                        "status": .string(entry.standing.name), "reason": .null, "checked_at": .null,
                        "tests": .array(control.tests.map { .string($0) }),
                    ]
                    switch entry.standing {
                    case .verified(let time): json["checked_at"] = .string(time.rfc3339)
                    case .unverified(let reason, let time):
                        json["reason"] = .string(reason)
                        if let time { json["checked_at"] = .string(time.rfc3339) }
                    case .absent(let section): json["reason"] = .string("[\(section)] is off")
                    case .tested: json["build"] = .string(Version.text)
                    }
                    return .object(json)
                }),
        ]
    }

    // MARK: HTML

    var html: [UInt8] {
        var page = Page(title: "Security", isAt: "/security")
        page.add("<h1>What this server promises</h1>")
        page.add(
            "<p class=\"lead\">Each promise below is tried by the running server itself (<em>live</em>), or was proved by tests that this version passed before it was delivered (<em>test</em>). What was not seen to hold lately stands at the end, whatever the reason.</p>"
        )
        let holding = entries.filter(\.standing.holds)
        for area in Control.Area.allCases {
            let own = holding.filter { $0.control.area == area }
            guard !own.isEmpty else { continue }
            page.add("<section><h2>\(HTMLText.escaped(area.rawValue))</h2><ul class=\"controls\">")
            for entry in own { page.add(Self.row(entry)) }
            page.add("</ul></section>")
        }
        let open = entries.filter { !$0.standing.holds && !$0.standing.isAbsent }
        if !open.isEmpty {
            page.add("<section class=\"open\"><h2>Not verified now</h2><ul class=\"controls\">")
            for entry in open { page.add(Self.row(entry)) }
            page.add("</ul></section>")
        }
        if !tables.isEmpty { page.add(stored) }
        page.add(
            "<p class=\"foot\">The same for programs: <a href=\"/security.json\">/security.json</a>. This page certifies nothing; it says what was tried.</p>"
        )
        return page.bytes
    }

    private static func row(_ entry: ControlBook.Entry) -> String {
        let control = entry.control
        let time: String
        if case .verified(let at) = entry.standing {
            time = "<time datetime=\"\(HTMLText.escaped(at.toTheMinute))\">\(HTMLText.escaped(at.toTheMinute))</time>"
        } else {
            time = ""
        }
        let state = entry.standing.holds ? "holds" : "unknown"
        return """
            <li class="\(state)"><span class="id">\(HTMLText.escaped(control.id))</span>\
            <span class="promise">\(HTMLText.escaped(control.promise))</span>\
            <span class="evidence">\(HTMLText.escaped(control.evidence.name))</span>\(time)</li>
            """
    }

    private var stored: String {
        var html = """
            <section><h2>What is stored</h2><p>Every table of every database. All of it lies sealed on the disk.</p>
            """
        for table in tables {
            html += """
                <details><summary><code>\(HTMLText.escaped(table.table))</code> <span>\(HTMLText.escaped(table.place))\
                </span></summary><p>Kept: \(HTMLText.escaped(table.kept)).</p><ul>
                """
            for column in table.columns { html += "<li>\(HTMLText.escaped(column))</li>" }
            html += "</ul></details>"
        }
        return html + "</section>"
    }
}

extension ControlBook.Standing {
    /// Whether the promise may be shown as kept.
    var holds: Bool {
        switch self {
        case .verified, .tested: true
        case .unverified, .absent: false
        }
    }

    var isAbsent: Bool { if case .absent = self { true } else { false } }

    var name: String {
        switch self {
        case .verified: "verified"
        case .tested: "tested"
        case .unverified: "not_verified_now"
        case .absent: "off"
        }
    }
}

extension WallTime {
    /// `2026-11-21T10:05Z`: seconds are nobody's business.
    fileprivate var toTheMinute: String { String(rfc3339.prefix(16)) + "Z" }
}
