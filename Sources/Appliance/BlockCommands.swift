// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import HTTP
import JSON

/// `gatehouse block …`: a thin client of the routes below `/admin/v1/blocks`.
struct BlockCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    func list() throws(CommandFailure) {
        let answer = try client.call(.get, "/admin/v1/blocks")
        if invocation.has("json") { return client.show(answer["data"] ?? .array([])) }
        show(answer["data"]?.array ?? [])
        if answer["has_more"]?.bool ?? false { Terminal.print("… and more that have done less") }
    }

    func set() throws(CommandFailure) {
        guard let duration = invocation.duration("for") else {
            throw CommandFailure("for how long?", hint: "--for 24h", exitCode: 2)
        }
        let tenant = invocation.string("tenant").map { "?tenant=\(Percent.encode($0))" } ?? ""
        let seconds = max(1, Int(duration.components.seconds))
        let block = try client.call(.put, try path() + tenant, ["seconds": .int(seconds)])
        invocation.has("json") ? client.show(block) : show([block])
    }

    func lift() throws(CommandFailure) {
        let answer = try client.call(.delete, try path())
        invocation.has("json") ? client.show(answer) : Terminal.print("lifted; what was done before is forgotten")
    }

    private func path() throws(CommandFailure) -> String {
        let named = ["key", "user", "address"].compactMap { kind in invocation.string(kind).map { (kind, $0) } }
        guard named.count == 1, let (kind, id) = named.first else {
            throw CommandFailure("whom? name one", hint: "--key, --user or --address", exitCode: 2)
        }
        return "/admin/v1/blocks/\(kind)/\(Percent.encode(id))"
    }

    private func show(_ blocks: [JSONValue]) {
        guard !blocks.isEmpty else { return Terminal.print("nobody has misbehaved lately") }
        let rows = blocks.map { block in
            [
                block["kind"]?.string ?? "-", block["id"]?.string ?? "-", block["blocked_until"]?.string ?? "-",
                "\(block["points"]?.int ?? 0) of \(block["points_max"]?.int ?? 0)", block["offence"]?.string ?? "-",
            ]
        }
        Terminal.print(Terminal.table(["KIND", "ID", "BLOCKED UNTIL", "POINTS", "LAST FOR"], rows))
    }
}
