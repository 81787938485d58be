// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform

/// The routes by which people are administered: a tenant's by its own administrators, any tenant's by operators, and the
/// operators themselves. The same six, in three places.
struct PeopleRoutes: Sendable {
    let context: @Sendable () throws(Failure) -> PeopleContext

    private struct Place: Sendable {
        let prefix: String
        let `guard`: RouteGuard
        let whose: String
        /// What the query may have beside the page.
        let query: [String]
    }

    private static let places = [
        Place(prefix: "/v1/people", guard: .session(.admin), whose: "the tenant's", query: []),
        Place(prefix: "/admin/v1/users", guard: .operator, whose: "a tenant's", query: ["tenant"]),
        Place(prefix: "/admin/v1/operators", guard: .operator, whose: "the appliance's", query: []),
    ]

    var all: [Route] {
        Self.places.flatMap { [list($0), invite($0), show($0), change($0), remove($0), reset($0)] }
    }

    private func list(_ place: Place) -> Route {
        Route(
            .get, place.prefix, guard: place.guard, summary: "People, \(place.whose), the oldest first"
        ) { exchange async throws(Failure) in
            let query = try Query(exchange, known: Page.names + place.query)
            let page = try Page(query, order: .ascending)
            let slice = try await administration().list(page, in: try home(place, exchange))
            return .json(.object(slice.json(cursor: \.id.text, \.json)))
        }
    }

    private func invite(_ place: Place) -> Route {
        Route(
            .post, place.prefix, guard: place.guard,
            summary: "Invite somebody (\(place.whose)): the answer has the one-time token that sets the password",
            requestBody: [
                "type": "object", "required": ["email"], "additionalProperties": false,
                "properties": [
                    "email": ["type": "string"], "name": ["type": ["string", "null"]],
                    "role": ["type": "string", "enum": ["member", "admin", "owner"]],
                ],
            ]
        ) { exchange async throws(Failure) in
            let home = try home(place, exchange)
            let body = try await JSONBody(
                exchange, bytesMax: LoginRoutes.bodyBytesMax,
                known: ["email", "name"] + (home == .appliance ? [] : ["role"]))
            let text = try body.required("email", body.string("email", bytes: 1...EmailAddress.bytesMax))
            guard let email = EmailAddress(text) else { throw body.refusal("email", "must be an e-mail address") }
            let role: Role? = try body.choice("role")
            let (person, token, ticket) = try await administration().invite(
                email, try body.line("name", bytesMax: NameRule.bytesMax),
                as: home == .appliance ? .operator : .role(role ?? .member), in: home, by: authority(exchange),
                at: exchange.time)
            var json = person.json
            json["invitation"] = .object(ticket.json(token))
            return .json(.object(json), status: 201)
        }
    }

    private func show(_ place: Place) -> Route {
        Route(.get, "\(place.prefix)/{id}", guard: place.guard, summary: "Somebody, \(place.whose)") {
            exchange async throws(Failure) in
            let home = try home(place, exchange)
            return .json(.object(try await administration().person(id(exchange), in: home).json))
        }
    }

    private func change(_ place: Place) -> Route {
        Route(
            .patch, "\(place.prefix)/{id}", guard: place.guard,
            summary: "Change role, name or status of somebody, or take a lost second factor away (totp: false)",
            requestBody: [
                "type": "object", "additionalProperties": false,
                "properties": [
                    "name": ["type": "string"], "role": ["type": "string", "enum": ["member", "admin", "owner"]],
                    "disabled": ["type": "boolean"], "totp": ["const": false],
                ],
            ]
        ) { exchange async throws(Failure) in
            let home = try home(place, exchange)
            let body = try await JSONBody(
                exchange, bytesMax: LoginRoutes.bodyBytesMax,
                known: ["name", "disabled", "totp"] + (home == .appliance ? [] : ["role"]))
            let role: Role? = try body.choice("role")
            var change = PeopleAdministration.Change()
            change.name = try body.line("name", bytesMax: NameRule.bytesMax)
            change.standing = role.map(Standing.role)
            change.isDisabled = try body.bool("disabled")
            if let totp = try body.bool("totp") {
                guard !totp else { throw body.refusal("totp", "can only be taken away: must be false") }
                change.dropsFactor = true
            }
            let person = try await administration().change(id(exchange), in: home, change, by: authority(exchange))
            return .json(.object(person.json))
        }
    }

    private func remove(_ place: Place) -> Route {
        Route(.delete, "\(place.prefix)/{id}", guard: place.guard, summary: "Remove somebody (\(place.whose)) for good")
        { exchange async throws(Failure) in
            let home = try home(place, exchange)
            let id = id(exchange)
            try await administration().remove(id, in: home, by: authority(exchange))
            return .json(["id": .string(id.text), "object": "user.deleted", "deleted": true])
        }
    }

    private func reset(_ place: Place) -> Route {
        Route(
            .post, "\(place.prefix)/{id}/reset", guard: place.guard,
            summary: "A one-time token by which somebody (\(place.whose)) sets another password"
        ) { exchange async throws(Failure) in
            let home = try home(place, exchange)
            let (token, ticket) = try await administration().reset(
                id(exchange), in: home, by: authority(exchange), at: exchange.time)
            return .json(.object(ticket.json(token)), status: 201)
        }
    }

    // MARK: Parts

    private func administration() throws(Failure) -> PeopleAdministration {
        PeopleAdministration(context: try context())
    }

    private func id(_ exchange: Exchange) -> UserID { UserID(exchange.parameters["id"] ?? "") }

    /// Whose people a request is about: by who calls, and for an operator by the tenant that it names.
    private func home(_ place: Place, _ exchange: Exchange) throws(Failure) -> Home {
        if let tenant = exchange.principal?.tenant { return .tenant(tenant) }
        guard place.query.contains("tenant") else { return .appliance }
        guard let name = exchange.request.head.queryItems.first(where: { $0.name == "tenant" })?.value else {
            throw Failure(.invalidParameter, "must be given: a tenant's name or id", param: "tenant")
        }
        guard let tenant = try context().directory.find(name) else {
            throw Failure(.notFound, "there is no tenant of that name", param: "tenant")
        }
        return .tenant(tenant.id)
    }

    private func authority(_ exchange: Exchange) -> Authority {
        if case .person(_, let role) = exchange.principal?.kind { return .role(role) }
        return .appliance
    }
}
