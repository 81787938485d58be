// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform

/// What is left, for whoever calls; and for the operator what holds for one tenant, key or node, and how to change it.
struct LimitRoutes: Sendable {
    let table: AccountTable
    let ledger: Ledger
    let directory: any TenantDirectory
    /// Without the audit log there are no budgets.
    let isRecorded: Bool
    let now: @Sendable (Exchange) -> Instant

    var all: [Route] { [left, list, budgets] + SubjectPath.Place.allCases.flatMap { [show($0), change($0)] } }

    private var left: Route {
        Route(
            .get, "/v1/limits", guard: .anyKeyOrSession(.member),
            summary: "What is left of every limit and budget of the caller"
        ) {
            exchange throws(Failure) in
            guard let principal = exchange.principal, let account = principal.accountID, let tenant = principal.tenant
            else { throw Failure(.notFound, "limits count for keys and people of a tenant") }
            // What a tenant spends is its admins' business, and its programs'.
            let isMember = if case .person(_, .member) = principal.kind { true } else { false }
            let states = states(of: [.key(account)] + (isMember ? [] : [.tenant(tenant)]), of: tenant, exchange)
            return .json(["object": "list", "data": .array(states)])
        }
    }

    private func states(of subjects: [Subject], of tenant: TenantID, _ exchange: Exchange) -> [JSONValue] {
        (table.standings(of: subjects, of: tenant, at: now(exchange))
            + table.budgetStandings(of: subjects, of: tenant, at: exchange.time)).map(\.state.json)
    }

    // MARK: The operator's

    private var list: Route {
        Route(
            .get, "/admin/v1/limits", guard: .operator, summary: "What the operator has set for tenants, keys and nodes"
        ) { exchange async throws(Failure) in
            let rules = try await ledger.rules()
            return .json([
                "object": "list", "data": .array(rules.map(\.json)), "has_more": false, "next_cursor": .null,
                // What is left of what counts for the whole server.
                "instance": .array(table.standings(ofWholeAt: now(exchange)).map(\.state.json)),
            ])
        }
    }

    /// Those of the above that have budgets.
    private var budgets: Route {
        Route(
            .get, "/admin/v1/budgets", guard: .operator, summary: "The budgets that the operator has set"
        ) { exchange async throws(Failure) in
            let rules = try await ledger.rules().filter { $0.budgets != nil }
            return .json([
                "object": "list", "data": .array(rules.map(\.json)), "has_more": false, "next_cursor": .null,
            ])
        }
    }

    private func show(_ place: SubjectPath.Place) -> Route {
        Route(
            .get, place.pattern, guard: .operator, summary: "What holds for a \(place.rawValue), and what is left of it"
        ) { exchange async throws(Failure) in
            .json(shown(try SubjectPath(place, exchange, directory), exchange))
        }
    }

    private func change(_ place: SubjectPath.Place) -> Route {
        Route(
            .patch, place.pattern, guard: .operator,
            summary: "Set limits or budgets of a \(place.rawValue); null for what the configuration says",
            requestBody: LimitChange.schema
        ) { exchange async throws(Failure) in
            let path = try SubjectPath(place, exchange, directory)
            let change = try await LimitChange(exchange)
            let current = table.book.override(of: path.subject)
            var rule = LimiterTables.Rule(
                subject: path.subject, tenant: path.tenant, limits: current.limits?.texts,
                budgets: current.budgets?.map(\.text))
            change.apply(to: &rule)
            guard isRecorded || rule.budgets?.isEmpty ?? true else {
                throw Failure(.disabled, "a budget is kept by what the audit log tells, and there is none")
            }
            if place == .node, rule.limits?.contains(where: { $0.hasSuffix(" concurrent") }) ?? false {
                throw Failure(
                    .invalidParameter, "what is under way at once is counted for keys and tenants", param: "limits")
            }
            try await ledger.set(rule)
            return .json(shown(path, exchange))
        }
    }

    private func shown(_ path: SubjectPath, _ exchange: Exchange) -> JSONValue {
        let rules = table.book.rules(for: path.subject, of: path.tenant)
        let override = table.book.override(of: path.subject)
        return [
            "object": "limits", "scope": .string(path.subject.kind.rawValue), "tenant": .string(path.tenant.text),
            "limits": .texts(rules.texts), "budgets": .texts(rules.budgets.map(\.text)),
            "overrides": [
                "limits": override.limits.map { .texts($0.texts) } ?? .null,
                "budgets": override.budgets.map { .texts($0.map(\.text)) } ?? .null,
            ],
            "left": .array(states(of: [path.subject], of: path.tenant, exchange)),
        ]
    }
}

extension JSONValue {
    fileprivate static func texts(_ texts: [String]) -> JSONValue { .array(texts.map(JSONValue.string)) }
}

extension LimiterTables.Rule {
    /// As the operator sees it; null for what the configuration says.
    fileprivate var json: JSONValue {
        let id: String? =
            switch subject {
            case .tenant(let id): id.text
            case .key(let id): id.text
            case .node(let id): id.text
            case .user, .address, .instance: nil
            }
        return [
            "object": "limits", "scope": .string(subject.kind.rawValue), "tenant": .string(tenant.text),
            "id": id.map(JSONValue.string) ?? .null, "limits": limits.map(JSONValue.texts) ?? .null,
            "budgets": budgets.map(JSONValue.texts) ?? .null,
        ]
    }
}

/// The subject that an operator's path names.
struct SubjectPath: Sendable {
    enum Place: String, CaseIterable, Sendable {
        case tenant, key, node

        // A tenant may be named, and the record of an act finds it by this parameter.
        var pattern: String { "/admin/v1/limits/\(rawValue)s/{\(self == .tenant ? "tenant" : "id")}" }
    }

    let subject: Subject
    let tenant: TenantID

    /// - Throws: `not_found` for a tenant that is not there; `invalid_parameter` for a key or node without its tenant.
    init(_ place: Place, _ exchange: Exchange, _ directory: any TenantDirectory) throws(Failure) {
        let id = exchange.parameters[place == .tenant ? "tenant" : "id"] ?? ""
        let named = try Query(exchange, known: place == .tenant ? [] : ["tenant"])["tenant"]
        guard let name = place == .tenant ? id : named else {
            throw Failure(.invalidParameter, "name the tenant whose it is", param: "tenant")
        }
        guard let tenant = directory.find(name)?.id else {
            throw Failure(.notFound, "there is no tenant of that name or id")
        }
        self.tenant = tenant
        switch place {
        case .tenant: subject = .tenant(tenant)
        case .key: subject = .key(KeyID(id))
        case .node: subject = .node(NodeID(id))
        }
        // An alias may be given to another node tomorrow.
        let prefix = "\(place.rawValue)_"
        guard place == .tenant || id.hasPrefix(prefix) && id.utf8.count == prefix.utf8.count + 26 else {
            throw Failure(.invalidParameter, "must be an id: \(prefix) and 26 characters", param: "id")
        }
    }
}
