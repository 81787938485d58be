// SPDX-License-Identifier: Apache-2.0

import Arguments
import HTTP
import JSON

let controlCommands = [
    Command(
        "controls", "list what the server promises, how each is proved, and whether it held when it was tried last",
        explanation: """
            A live control is tried by the running server itself, every quarter of an hour or every day; with --check, all of them \
            at once. The others were proved by the tests that this version passed. Exit code 0 where all hold, 3 where something \
            was not tried lately, 1 where something did not hold.
            """,
        options: [CommandOption(flag: "check", "try all of them now"), jsonOption],
        examples: ["gatehouse controls", "gatehouse controls --check", "gatehouse controls --json"])
]

/// `gatehouse controls`.
struct ControlCommands {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func show() throws(CommandFailure) {
        let client = try OperatorClient(invocation)
        let answer =
            invocation.has("check")
            ? try client.call(.post, "/admin/v1/controls/check") : try client.call(.get, "/admin/v1/controls")
        let rows = answer["data"]?.array ?? []
        if invocation.has("json") { client.show(answer) } else { Terminal.print(Self.table(rows)) }
        try leave(rows)
    }

    private static func table(_ rows: [JSONValue]) -> String {
        Terminal.table(
            ["ID", "STATUS", "EVIDENCE", "CHECKED", "PROMISE"],
            rows.map { row in
                let reason = row["reason"]?.string.map { " (\($0))" } ?? ""
                return [
                    row["id"]?.string ?? "-", (row["status"]?.string ?? "-").replacing("_", with: " "),
                    row["evidence"]?.string ?? "-", row["checked_at"]?.string ?? "-",
                    (row["promise"]?.string ?? "-") + reason,
                ]
            })
    }

    private func leave(_ rows: [JSONValue]) throws(CommandFailure) {
        let open = rows.filter { $0["status"]?.string == "not_verified_now" }
        guard !open.isEmpty else { return }
        let ids = open.compactMap { $0["id"]?.string }.joined(separator: ", ")
        // What was tried and did not hold has a time; what was not tried yet has none.
        guard open.contains(where: { $0["checked_at"]?.string != nil }) else {
            throw CommandFailure("not tried yet: \(ids)", hint: "gatehouse controls --check", exitCode: 3)
        }
        throw CommandFailure("not verified now: \(ids)", hint: "the reasons stand behind the promises")
    }
}
