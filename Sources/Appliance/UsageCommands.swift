// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import HTTP
import JSON

/// `gatehouse usage`: a thin client of the operator's route for what was used.
struct UsageCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    /// Options that are parameters of the query by the same name.
    private static let parameters = ["tenant", "from", "to", "key", "node", "model", "provider", "user"]

    func show() throws(CommandFailure) {
        let grouping = invocation.string("by") ?? "day"
        var query = "group_by=\(Percent.encode(grouping))&limit=1000"
        for name in Self.parameters {
            if let value = invocation.string(name) { query += "&\(name)=\(Percent.encode(value))" }
        }
        if invocation.has("current-prices") { query += "&prices=current" }
        var (groups, total, rest, after) = ([JSONValue](), JSONValue.null, JSONValue?.none, "")
        while true {
            let page = try client.call(.get, "/admin/v1/usage?\(query)\(after)")
            groups += page["data"]?.array ?? []
            (total, rest) = (page["total"] ?? .null, page["ungrouped"])
            guard let next = page["next_cursor"]?.string else { break }
            after = "&after=\(Percent.encode(next))"
        }
        if invocation.has("json") {
            var object: JSONObject = ["object": "list", "data": .array(groups), "total": total]
            object["ungrouped"] = rest
            return client.show(.object(object))
        }
        guard !groups.isEmpty else { return Terminal.print("nothing was used in that time") }
        var rows = groups.map { group in
            row((group[grouping]?.string ?? "-").printable(max: 64), group)
        }
        if let rest { rows.append(row("(all others)", rest)) }
        Terminal.print(
            Terminal.table(
                [
                    grouping.uppercased(), "REQUESTS", "ERRORS", "REFUSED", "INPUT", "CACHED", "OUTPUT", "COST",
                    "P50 MS",
                    "P99 MS",
                ], rows + (rows.count > 1 ? [row("total", total)] : [])))
        if let estimated = total["estimated_requests"]?.int, estimated > 0 {
            Terminal.print("\(estimated) of them stand at their reservation: the provider's own figures never came")
        }
        if let unpriced = total["unpriced_requests"]?.int, unpriced > 0 {
            Terminal.print("\(unpriced) of them have no price and are not in the cost")
        }
    }

    private func row(_ name: String, _ group: JSONValue) -> [String] {
        func number(_ member: String) -> String { String(group[member]?.int ?? 0) }
        func latency(_ part: String) -> String { (group["latency_ms"]?[part]?.int).map(String.init) ?? "-" }
        return [
            name, number("requests"), number("errors"), number("refusals"), number("input_tokens"),
            number("cached_tokens"), number("output_tokens"), "$" + (group["cost"]?.string ?? "0"), latency("p50"),
            latency("p99"),
        ]
    }
}
