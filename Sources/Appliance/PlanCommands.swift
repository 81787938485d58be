// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import HTTP
import JSON

/// `gatehouse plan …`: a thin client of the routes below `/admin/v1/plans`.
struct PlanCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    func list() throws(CommandFailure) {
        let plans = try client.list("/admin/v1/plans")
        if invocation.has("json") { return client.show(.array(plans)) }
        Terminal.print(Terminal.table(Self.header, plans.map(Self.row)))
    }

    func show() throws(CommandFailure) {
        let plan = try client.call(.get, path)
        if invocation.has("json") { return client.show(plan) }
        Terminal.print(Terminal.table(Self.header, [Self.row(plan)]))
    }

    func set() throws(CommandFailure) {
        var retention = JSONObject()
        for text in invocation.strings("retention") {
            let parts = text.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let period = Self.period(parts[1]) else {
                throw CommandFailure(
                    "\"\(text)\" is no retention", hint: "a class and a time: threads=90d, files=24h, logs=none",
                    exitCode: 2)
            }
            retention[String(parts[0])] = period
        }
        var body: JSONObject = ["retention": .object(retention)]
        if let text = invocation.string("bytes-max") {
            guard case .amount(let bytes) = Quantity.bytes(text) else {
                throw CommandFailure("\"\(text)\" is no size", hint: "for example 500MiB or 20GiB", exitCode: 2)
            }
            body["bytes_max"] = .int(bytes)
        }
        let plan = try client.call(.put, path, .object(body))
        if invocation.has("json") { return client.show(plan) }
        Terminal.print(Terminal.table(Self.header, [Self.row(plan)]))
    }

    private var path: String { "/admin/v1/plans/\(Percent.encode(invocation.operand("name") ?? ""))" }

    private static let classes = ["threads", "files", "memory", "logs"]
    private static let header = ["NAME"] + classes.map { $0.uppercased() } + ["SIZE MAX"]

    private static func row(_ plan: JSONValue) -> [String] {
        [plan["name"]?.string ?? "-"] + classes.map { Quantity.period(plan["retention"]?[$0] ?? .null) } + [
            plan["bytes_max"]?.int.map(Quantity.rounded) ?? "-"
        ]
    }

    private static func period(_ text: Substring) -> JSONValue? {
        if text == "none" { return "none" }
        guard case .amount(let milliseconds) = Quantity.milliseconds(text) else { return nil }
        return .int(milliseconds / 1000)
    }
}

extension Quantity {
    /// A size for people: three digits or so.
    static func rounded(bytes: Int) -> String {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes >= 1 << shift {
            let tenths = ((bytes >> (shift - 4)) * 10) >> 4
            return tenths >= 1000 || tenths % 10 == 0 ? "\(tenths / 10)\(unit)" : "\(tenths / 10).\(tenths % 10)\(unit)"
        }
        return "\(bytes)B"
    }

    /// Seconds of a retention for people.
    static func period(_ value: JSONValue) -> String {
        guard let seconds = value.int else { return "-" }
        return seconds == 0 ? "none" : write(milliseconds: seconds.multipliedReportingOverflow(by: 1000).partialValue)
    }
}
