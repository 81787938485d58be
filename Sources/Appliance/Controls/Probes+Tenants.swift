// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON

// Data of two tenants.
extension Probes {
    /// D8: two tenants are made for this. One owns a node, a key and, where an operator may consent for it (development), a
    /// thread; the other asks for them by their ids, in every way, and must be told that there is nothing. Both are deleted at
    /// the end; the record has it as the operator's acts.
    static func isolation(_ world: ProbeWorld) -> ProbeResult {
        guard let path = world.facts.socketPath else {
            return .untried("tenants are made at the door of [admin], which is not there")
        }
        let door = AdminClient(socketPath: path)
        var made: [(id: String, name: String)] = []
        // By the ids that this round was given: a name could be somebody's.
        defer {
            for tenant in made {
                _ = try? door.call(.delete, "/admin/v1/tenants/\(tenant.id)", body: ["confirm": .string(tenant.name)])
            }
        }
        do {
            var keys: [Owned] = []
            for _ in 0..<2 {
                let name = "controls-" + String(UInt64.random(in: 0 ... .max), radix: 16)
                guard let id = try door.call(.post, "/admin/v1/tenants", body: ["name": .string(name)])["id"]?.string
                else { return .untried("no tenant can be made") }
                made.append((id, name))
                let scopes = Scope.allCases.map { JSONValue.string($0.rawValue) }
                let key = try door.call(
                    .post, "/admin/v1/keys",
                    body: ["name": "controls", "tenant": .string(name), "scopes": .array(scopes)])
                guard let text = key["key"]?.string, let keyID = key["id"]?.string else {
                    return .untried("no key can be made")
                }
                keys.append(Owned(bearer: "Bearer \(text)", keyID: keyID))
            }
            let consent = try? door.call(
                .put, "/admin/v1/tenants/\(made[0].name)/consents", body: ["scopes": ["threads": true]])
            return try ask(world.client, of: keys[0], keys[1], withThread: consent != nil)
        } catch let failure as ProbeClient.Failure {
            return .untried(failure.reason)
        } catch {
            return .untried("the operator's door does not do it: \(error)")
        }
    }

    private struct Owned {
        let bearer: String
        let keyID: String
    }

    private static func ask(
        _ client: ProbeClient, of owner: Owned, _ stranger: Owned, withThread: Bool
    ) throws(ProbeClient.Failure) -> ProbeResult {
        func call(_ who: Owned, _ method: HTTP.Method, _ path: String, _ body: String? = nil)
            throws(ProbeClient.Failure) -> ProbeClient.Answer
        {
            try client.call(method, path, ["authorization": who.bearer], body: body)
        }
        func string(_ answer: ProbeClient.Answer, _ read: (JSONValue) -> JSONValue?) -> String? {
            (try? JSONValue(parsing: answer.body)).flatMap { read($0)?.string }
        }
        guard let model = string(try call(owner, .get, "/v1/models"), { $0["data"]?[0]?["id"] }) else {
            return .untried("there is no model for a node")
        }
        let wish: JSONValue = ["alias": "controls", "model": .string(model)]
        let text = String(decoding: wish.serialized(), as: UTF8.self)
        guard let node = string(try call(owner, .post, "/v1/nodes", text), { $0["id"] }) else {
            return .untried("no node can be made")
        }
        var things = [("/v1/nodes", node), ("/v1/keys", owner.keyID)]
        if withThread {
            let made = try call(owner, .post, "/v1/threads", #"{"node":"controls"}"#)
            guard let thread = string(made, { $0["id"] }) else { return .untried("no thread can be made") }
            things.append(("/v1/threads", thread))
        }
        var wrong: [String] = []
        for (list, id) in things {
            // What nobody got would prove nothing.
            guard try call(owner, .get, "\(list)/\(id)").status == 200 else {
                return wrong.isEmpty ? .untried("\(list) does not give what was made") : result(wrong)
            }
            let listed = String(decoding: try call(stranger, .get, list).body, as: UTF8.self)
            if listed.contains(id) { wrong.append("GET \(list) shows what is another tenant's") }
            for method in [HTTP.Method.get, .delete] {
                let status = try call(stranger, method, "\(list)/\(id)").status
                if status != 404 { wrong.append("\(method.name) \(list)/{id} answers \(status) to another tenant") }
            }
            if try call(owner, .get, "\(list)/\(id)").status != 200 {
                wrong.append("another tenant has deleted what \(list) had")
            }
        }
        return result(wrong)
    }
}
