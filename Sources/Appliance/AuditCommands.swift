// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import Glibc
import HTTP
import JSON

/// `gatehouse audit tail|search|key`: what the running server says of its log.
struct AuditCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    private static let route = "/admin/v1/audit"
    private static let filters = [
        "tenant", "request", "key", "node", "actor", "action", "object", "code", "since", "until",
    ]
    private static let searchLimit = 1000
    private static let followMicroseconds: UInt32 = 500_000

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    func key() throws(CommandFailure) {
        Terminal.print(try client.call(.get, "\(Self.route)/key")["key"]?.string ?? "")
    }

    func search() throws(CommandFailure) {
        let records = try records(limit: invocation.int("limit") ?? Self.searchLimit)
        if invocation.has("json") { return client.show(.array(records)) }
        Terminal.print(Self.table(records, hasHeader: true))
    }

    func tail() throws(CommandFailure) {
        var last = -1
        var records = Array(try records(limit: invocation.int("lines") ?? 20).reversed())
        show(records, hasHeader: true)
        guard invocation.has("follow") else { return }
        while true {
            last = records.last?["sequence"]?.int ?? last
            usleep(Self.followMicroseconds)
            records = try self.records(limit: Self.searchLimit, above: last).reversed()
            show(records, hasHeader: false)
        }
    }

    private func show(_ records: [JSONValue], hasHeader: Bool) {
        guard invocation.has("json") else {
            if hasHeader || !records.isEmpty { Terminal.print(Self.table(records, hasHeader: hasHeader)) }
            return
        }
        for record in records { client.show(record) }
    }

    /// Records, the newest first, page by page.
    ///
    /// - Parameter above: only those behind this sequence.
    private func records(limit: Int, above: Int = -1) throws(CommandFailure) -> [JSONValue] {
        let query = Self.filters.compactMap { name in
            invocation.string(name).map { "&\(name)=\(Percent.encode($0))" }
        }.joined()
        var (records, after) = ([JSONValue](), "")
        while records.count < limit {
            let page = try client.call(.get, "\(Self.route)?limit=\(min(100, limit - records.count))\(after)\(query)")
            let rows = page["data"]?.array ?? []
            records += rows.filter { ($0["sequence"]?.int ?? 0) > above }
            let isOver = (rows.last?["sequence"]?.int ?? .max) <= above
            guard !isOver, let next = page["next_cursor"]?.string else { break }
            after = "&after=\(Percent.encode(next))"
        }
        return records
    }

    private static func table(_ records: [JSONValue], hasHeader: Bool) -> String {
        let header = ["SEQUENCE", "TIME", "KIND", "WHO", "ACTION", "OUTCOME", "REQUEST"]
        let rows = records.map { record -> [String] in
            let outcome = [record["outcome"]?.string, record["code"]?.string].compactMap { $0 }.joined(separator: " ")
            let count = record["count"]?.int.map { " ×\($0)" } ?? ""
            let who = record["key"]?.string ?? record["actor"]?.string ?? record["actor_kind"]?.string
            let request = record["request_id"]?.string ?? record["first_request_id"]?.string
            var row = [String(record["sequence"]?.int ?? 0), record["time"]?.string ?? ""]
            row.append(record["kind"]?.string ?? "")
            row.append(who ?? "-")
            row.append(record["action"]?.string ?? "-")
            row.append((outcome.isEmpty ? "-" : outcome) + count)
            row.append(request ?? "-")
            return row
        }
        let table = Terminal.table(header, rows)
        return hasHeader ? table : table.split(separator: "\n").dropFirst().joined(separator: "\n")
    }
}
