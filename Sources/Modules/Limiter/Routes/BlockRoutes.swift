// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP
import JSON
import Platform

/// Who has done what nobody does by mistake so often, for the operator, who blocks and forgives.
struct BlockRoutes: Sendable {
    let ledger: Ledger
    let directory: any TenantDirectory

    /// Rows that a list shows.
    private static let listMax = 1000
    /// The longest block, in seconds: a year.
    private static let secondsMax = 366 * 86_400
    private static let pattern = "/admin/v1/blocks/{kind}/{id}"
    private static let schema: JSONValue = [
        "type": "object", "additionalProperties": false, "required": ["seconds"],
        "properties": ["seconds": ["type": "integer", "minimum": 1, "maximum": .int(secondsMax)]],
    ]

    private var strikes: StrikeTable { ledger.strikes }

    var all: [Route] { [list, show, block, forgive] }

    private var list: Route {
        Route(
            .get, "/admin/v1/blocks", guard: .operator,
            summary: "Keys, end users and addresses that are blocked or have misbehaved lately"
        ) { exchange throws(Failure) in
            let (entries, isMore) = strikes.entries(at: exchange.time, max: Self.listMax)
            return .json([
                "object": "list", "data": .array(entries.map { json($0, at: exchange.time) }),
                "has_more": .bool(isMore), "next_cursor": .null,
            ])
        }
    }

    private var show: Route {
        Route(.get, Self.pattern, guard: .operator, summary: "What one of them has done, and until when it is blocked")
        {
            exchange throws(Failure) in
            guard let entry = strikes.entry(of: try subject(exchange)) else { throw Self.unknown }
            return .json(json(entry, at: exchange.time))
        }
    }

    private var block: Route {
        Route(
            .put, Self.pattern, guard: .operator, summary: "Block a key, an end user or an address for some time",
            requestBody: Self.schema
        ) { exchange async throws(Failure) in
            let subject = try subject(exchange)
            let body = try await JSONBody(exchange, bytesMax: 4096, known: ["seconds"])
            let seconds = try body.required("seconds", try body.int("seconds", in: 1...Self.secondsMax))
            let tenant = try tenant(of: subject, exchange)
            let entry = strikes.block(subject, of: tenant, for: .seconds(seconds), at: exchange.time)
            try await ledger.writeStrikes()
            return .json(json(entry, at: exchange.time))
        }
    }

    private var forgive: Route {
        Route(
            .delete, Self.pattern, guard: .operator, summary: "Lift a block, and forget what was done before it"
        ) { exchange async throws(Failure) in
            guard strikes.forgive(try subject(exchange)) else { throw Self.unknown }
            try await ledger.writeStrikes()
            return .json(["object": "block.deleted", "deleted": true])
        }
    }

    private static let unknown = Failure(.notFound, "nothing is held against it")

    private func json(_ entry: StrikeTable.Entry, at now: WallTime) -> JSONValue {
        let (kind, id) = entry.subject.named
        let score = entry.score
        return [
            "object": "block", "kind": .string(kind), "id": .string(id),
            "tenant": entry.tenant.map { .string($0.text) } ?? .null,
            "blocked_until": score.wait(at: now).map { .string((now + $0).rfc3339) } ?? .null,
            "blocks": .int(score.blocks), "points": .int(score.points(at: now, strikes.rules) / 1000),
            "points_max": .int(strikes.rules.pointsMax), "offence": .string(score.offence.rawValue),
        ]
    }

    private func subject(_ exchange: Exchange) throws(Failure) -> Subject {
        let id = exchange.parameters["id"] ?? ""
        let subject: Subject? =
            switch exchange.parameters["kind"] {
            case "key" where id.hasPrefix("key_") && id.utf8.count == 30: .key(KeyID(id))
            case "user": Hex.decode(id).flatMap { $0.count == 16 ? .user(EndUser(digest: $0)) : nil }
            case "address": IPAddress(id).map { .address(AddressBlock($0)) }
            default: nil
            }
        guard let subject else {
            throw Failure(
                .invalidParameter,
                "must be key and its id, user and the digest of 32 digits that records show, or address and an address")
        }
        return subject
    }

    /// Whose it is, where the operator says so: its row then goes with the tenant.
    private func tenant(of subject: Subject, _ exchange: Exchange) throws(Failure) -> TenantID? {
        guard let name = try Query(exchange, known: ["tenant"])["tenant"], subject.kind != .address else { return nil }
        guard let tenant = directory.find(name)?.id else {
            throw Failure(.notFound, "there is no tenant of that name or id")
        }
        return tenant
    }
}

extension Subject {
    /// As the operator names it.
    fileprivate var named: (kind: String, id: String) {
        let id =
            switch self {
            case .key(let id): id.text
            case .user(let user): Hex.encode(user.digest)
            case .address(let block): block.address.description
            case .tenant(let id): id.text
            case .node(let id): id.text
            case .instance: ""
            }
        return (kind.rawValue, id)
    }
}
