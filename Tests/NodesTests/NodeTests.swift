// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform
import SQLite
import Support
import Testing

@testable import Nodes

@Suite struct NodeTests {
    private func configuration(_ text: String) throws(Failure) -> NodeConfiguration {
        let body = try JSONBody(parsing: Array(text.utf8), known: NodeConfiguration.names)
        var configuration = NodeConfiguration()
        try configuration.apply(body)
        try configuration.check(body)
        return configuration
    }

    @Test func `what is written is read again, every member of it`() throws {
        let node = try configuration(
            """
            {"alias":"help.desk-1","model":"fast","system_prompt":"be kind","policy":{"refusals":"content_filter"},
             "memory":true,"retention_seconds":60,
             "limits":{"max_output_tokens":100,"max_context_messages":0,"max_input_bytes":5},
             "tools":[{"type":"code_interpreter"},{"type":"function","function":{"name":"f","description":"d",
             "parameters":{"type":"object"},"strict":true}}],"anonymous":false}
            """)
        #expect(node.refusals == .contentFilter)
        #expect(node.limits == NodeLimits(outputTokens: 100, contextMessages: 0, inputBytes: 5))
        #expect(try NodeConfiguration(stored: JSONValue.object(node.json).serialized()) == node)
        #expect(node.json.names == NodeConfiguration.names)
    }

    @Test(arguments: [
        (#"{"model":"m"}"#, "alias"), (#"{"alias":"a"}"#, "model"), (#"{"alias":null,"model":"m"}"#, "alias"),
        (#"{"alias":"A","model":"m"}"#, "alias"), (#"{"alias":"-a","model":"m"}"#, "alias"),
        (#"{"alias":"a b","model":"m"}"#, "alias"), (#"{"alias":"","model":"m"}"#, "alias"),
        (#"{"alias":"node_1","model":"m"}"#, "alias"), (#"{"alias":{"$gt":""},"model":"m"}"#, "alias"),
        (#"{"alias":"a","model":"node/b"}"#, "model"), (#"{"alias":"a","model":"m\n"}"#, "model"),
        (#"{"alias":"a","model":"m","temperature":1}"#, "temperature"),
        (#"{"alias":"a","model":"m","policy":{"topics":[]}}"#, "policy.topics"),
        (#"{"alias":"a","model":"m","policy":{"refusals":"shout"}}"#, "policy.refusals"),
        (#"{"alias":"a","model":"m","memory":1}"#, "memory"),
        (#"{"alias":"a","model":"m","retention_seconds":-1}"#, "retention_seconds"),
        (#"{"alias":"a","model":"m","retention_seconds":1.5}"#, "retention_seconds"),
        (#"{"alias":"a","model":"m","limits":{"max_output_tokens":0}}"#, "limits.max_output_tokens"),
        (#"{"alias":"a","model":"m","limits":{"tokens":1}}"#, "limits.tokens"),
        (#"{"alias":"a","model":"m","tools":{}}"#, "tools"), (#"{"alias":"a","model":"m","tools":[1]}"#, "tools[0]"),
        (#"{"alias":"a","model":"m","tools":[{"type":"code_interpreter"},{"type":"x"}]}"#, "tools[1]"),
        (#"{"alias":"a","model":"m","tools":[{"type":"function","function":{"name":"a b"}}]}"#, "tools[0]"),
        (#"{"alias":"a","model":"m","tools":[{"type":"function","function":{"name":"a","x":1}}]}"#, "tools[0]"),
        (#"{"alias":"a","model":"m","anonymous":true}"#, "anonymous"),
    ])
    func `what is wrong is named`(_ text: String, _ name: String) {
        do throws(Failure) {
            _ = try configuration(text)
            Issue.record("it was taken")
        } catch {
            #expect(error.param == name)
            #expect(error.code.status == 400)
        }
    }

    @Test func `a duplicate name is no JSON of this house`() {
        #expect(throws: Failure.self) { try configuration(#"{"alias":"a","alias":"b","model":"m"}"#) }
    }

    @Test func `an alias finds its node and no other, and versions are kept and bounded`() throws {
        let house = try TestHouse()
        let id = try house.node("first")
        _ = try house.node("second")
        let now = house.now
        for number in 1...150 {
            try house.tenant.run { transaction throws(SQLiteError) in
                guard let old = try NodeTables.find("first", in: transaction) else { return }
                var configuration = old.configuration
                configuration.systemPrompt = "\(number)"
                _ = try NodeTables.update(old, to: configuration, by: "key_1", at: now, in: transaction)
            }
        }
        let (found, versions, taken) = try house.tenant.run { transaction throws(SQLiteError) in
            (
                try NodeTables.find("first", in: transaction),
                try NodeTables.versions(of: id, Page(limit: 3), after: .max, in: transaction),
                try NodeTables.isTaken(alias: "second", byOtherThan: id, in: transaction)
            )
        }
        #expect(found?.id == id)
        #expect(found?.version == 151)
        #expect(found?.configuration.systemPrompt == "150")
        #expect(versions.elements.map(\.version) == [151, 150, 149])
        #expect(versions.elements.map(\.configuration.systemPrompt) == ["150", "149", "148"])
        #expect(taken)
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_versions WHERE node_id = '\(id)'") == 100)
    }

    @Test func `a version moved to another row does not open`() throws {
        let house = try TestHouse()
        let (a, b) = (try house.node("a"), try house.node("b"))
        try house.tenant.run { transaction throws(SQLiteError) in
            try transaction.connection.execute(
                """
                UPDATE nodes_versions SET configuration =
                    (SELECT configuration FROM nodes_versions WHERE node_id = ?) WHERE node_id = ?
                """, a, b)
        }
        #expect(throws: DatabaseFailure.self) {
            try house.tenant.run { transaction throws(SQLiteError) in try NodeTables.find(b, in: transaction) }
        }
    }
}
