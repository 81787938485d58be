// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP
import JSON
import Platform

/// How a person comes in, stays in, and leaves.
struct LoginRoutes: Sendable {
    let context: @Sendable () throws(Failure) -> PeopleContext

    static let bodyBytesMax = 8 << 10

    var all: [Route] { [login, refresh, logout, show, list, end, endOthers, password, keySet] }

    private static let proofSchema: [(name: String, value: JSONValue)] = [
        ("password", ["type": "string", "maxLength": .int(PasswordRule.bytesMax)]),
        ("totp", ["type": "string", "description": "the code of the second factor, where there is one"]),
        ("recovery_code", ["type": "string", "description": "in its place"]),
    ]

    private static func schema(
        _ required: [JSONValue], _ members: [(name: String, value: JSONValue)] = [], hasProof: Bool = true
    ) -> JSONValue {
        [
            "type": "object", "required": .array(required), "additionalProperties": false,
            "properties": .object(JSONObject(members + (hasProof ? proofSchema : []))),
        ]
    }

    private var login: Route {
        Route(
            .post, "/auth/login", guard: .public(why: "it is how a person gets a session; tries are counted"),
            summary: "Log in with address, password and second factor",
            requestBody: Self.schema(
                ["email", "password"],
                [
                    ("email", ["type": "string"]),
                    (
                        "tenant",
                        ["type": "string", "description": "its name or id, for who belongs to several"]
                    ),
                    (
                        "cookies",
                        ["type": "boolean", "description": "for a browser: tokens as cookies, not in the body"]
                    ),
                ])
        ) { exchange async throws(Failure) in
            let context = try context()
            let body = try await JSONBody(
                exchange, bytesMax: Self.bodyBytesMax, known: ["email", "tenant", "cookies"] + Proof.names)
            let email = try body.required("email", body.string("email", bytes: 1...EmailAddress.bytesMax))
            let usesCookies = try body.bool("cookies") ?? false
            var home: Home?
            if let name = try body.string("tenant", bytes: 1...NameRule.bytesMax) {
                // A tenant that does not exist has nobody: the same answer at the same cost.
                home = .tenant(context.directory.find(name)?.id ?? TenantID(""))
            }
            let (_, person) = try await context.identify(EmailAddress(email), in: home, try Proof(body), exchange)
            let grant = try await begin(person, exchange, context)
            return reply(grant, usesCookies: usesCookies, exchange, context)
        }
    }

    private var refresh: Route {
        Route(
            .post, "/auth/refresh", guard: .public(why: "its credential is the refresh token in the body or cookie"),
            summary: "Fresh tokens for a session; each refresh token works once",
            requestBody: Self.schema([], [("refresh_token", ["type": "string"])], hasProof: false)
        ) { exchange async throws(Failure) in
            let context = try context()
            let body = try await JSONBody(exchange, bytesMax: Self.bodyBytesMax, known: ["refresh_token"])
            let given = try body.string("refresh_token", bytes: 1...256)
            let text = given ?? Cookies.value(SessionCookie.refresh, in: exchange.request.head.fields)
            guard let text else {
                throw Failure(.missingCredential, "no refresh token was sent", param: "refresh_token")
            }
            guard let token = RefreshToken(text) else {
                throw Failure(.invalidSession, "this refresh token is not valid")
            }
            if given == nil { try context.sessions.gate.requireProof(exchange.request.head, of: token.session) }
            let directory = context.directory
            let grant = try await context.sessions.refresh(
                token, isOpen: { home in home.tenant.map { directory.status(of: $0) == .active } ?? true },
                at: exchange.time)
            return reply(grant, usesCookies: given == nil, exchange, context)
        }
    }

    private var logout: Route {
        Route(.post, "/auth/logout", guard: .anySession, summary: "End this session") {
            exchange async throws(Failure) in
            let context = try context()
            guard let user = exchange.principal?.userID, let session = exchange.principal?.session else {
                throw Failure.absent
            }
            try await exchange.advance(through: .record)
            try await context.sessions.end(session, of: user)
            Self.dropCookies(exchange)
            return .json(["id": .string(session.text), "object": "session.ended", "ended": true])
        }
    }

    private var show: Route {
        Route(.get, "/auth/session", guard: .anySession, summary: "Who is logged in, and this page's CSRF token") {
            exchange async throws(Failure) in
            let context = try context()
            let (_, person) = try await context.caller(exchange)
            guard let principal = exchange.principal, let session = principal.session else { throw Failure.absent }
            return .json([
                "object": "session", "id": .string(session.text), "user": .object(person.json),
                "tenant": principal.tenant.map { .string($0.text) } ?? .null,
                "must_enroll_totp": .bool(principal.mustEnroll),
                "csrf_token": .string(context.sessions.gate.proof(of: session)),
            ])
        }
    }

    private var list: Route {
        Route(.get, "/auth/sessions", guard: .anySession, summary: "Your sessions") {
            exchange async throws(Failure) in
            guard let user = exchange.principal?.userID else { throw Failure.absent }
            let current = exchange.principal?.session
            let records = try context().sessions.index.sessions(of: user, at: exchange.time)
            return .json([
                "object": "list", "data": .array(records.map { .object($0.json(isCurrent: $0.id == current)) }),
                "has_more": false, "next_cursor": .null,
            ])
        }
    }

    private var end: Route {
        Route(.delete, "/auth/sessions/{id}", guard: .anySession, summary: "End one of your sessions") {
            exchange async throws(Failure) in
            guard let user = exchange.principal?.userID else { throw Failure.absent }
            let id = SessionID(exchange.parameters["id"] ?? "")
            try await exchange.advance(through: .record)
            try await context().sessions.end(id, of: user)
            return .json(["id": .string(id.text), "object": "session.ended", "ended": true])
        }
    }

    private var endOthers: Route {
        Route(.delete, "/auth/sessions", guard: .anySession, summary: "End all your sessions but this one") {
            exchange async throws(Failure) in
            guard let user = exchange.principal?.userID else { throw Failure.absent }
            try await exchange.advance(through: .record)
            try await context().sessions.end(of: user, keeping: exchange.principal?.session)
            return .json(["object": "sessions.ended", "ended": true])
        }
    }

    private var password: Route {
        Route(
            .post, "/auth/password", guard: .anySession,
            summary: "Change your password; every session ends, and the answer is a new one",
            requestBody: Self.schema(
                ["password", "new_password"],
                [("new_password", ["type": "string", "maxLength": .int(PasswordRule.bytesMax)])])
        ) { exchange async throws(Failure) in
            let context = try context()
            let body = try await JSONBody(
                exchange, bytesMax: Self.bodyBytesMax, known: ["new_password"] + Proof.names)
            let new = try body.required(
                "new_password", body.string("new_password", bytes: 1...PasswordRule.bytesMax))
            let usesCookies = Cookies.value(SessionCookie.access, in: exchange.request.head.fields) != nil
            let (login, person) = try await context.confirm(exchange, try Proof(body))
            let hash = try await context.hash(new: new, of: person.email, exchange)
            try await exchange.advance(through: .record)
            let now = exchange.time
            let (changed, _) = try await context.store.alter(login) { person, _ -> Verdict<Bool> in
                (person.password, person.passwordAt) = (hash, now)
                return .success(true)
            }
            // Whoever knew the old one is out, wherever he is.
            try await context.sessions.end(of: login.user)
            return reply(try await begin(changed, exchange, context), usesCookies: usesCookies, exchange, context)
        }
    }

    private var keySet: Route {
        Route(
            .get, "/.well-known/jwks.json",
            guard: .public(why: "public keys, so that others can check who signed a session's token"),
            summary: "The keys that sign access tokens (RFC 7517)"
        ) { _ async throws(Failure) in .json(try context().sessions.keys.published) }
    }

    // MARK: Parts

    /// Begins a session, once it is written down that it begins.
    private func begin(
        _ person: PersonRecord, _ exchange: Exchange, _ context: PeopleContext
    ) async throws(Failure) -> Sessions.Grant {
        let mustEnroll = !person.hasSecondFactor && context.requiresFactor(person.standing)
        let record = context.sessions.draft(of: person, mustEnroll: mustEnroll, at: exchange.time)
        exchange.principal = record.principal()
        try await exchange.advance(through: .record)
        return try await context.sessions.begin(record, at: exchange.time)
    }

    private func reply(
        _ grant: Sessions.Grant, usesCookies: Bool, _ exchange: Exchange, _ context: PeopleContext
    ) -> Reply {
        let seconds = Int((grant.accessExpiresAt - exchange.time).components.seconds)
        var json: JSONObject = [
            "object": "session", "id": .string(grant.record.id.text), "user_id": .string(grant.record.user.text),
            "role": .string(grant.record.standing.name),
            "tenant": grant.record.home.tenant.map { .string($0.text) } ?? .null,
            "must_enroll_totp": .bool(grant.record.mustEnroll),
            "expires_in": .int(seconds),
            "csrf_token": .string(context.sessions.gate.proof(of: grant.record.id)),
        ]
        if usesCookies {
            let rest = Int(context.sessions.idle.components.seconds)
            exchange.answerFields.append("set-cookie", Cookies.set(SessionCookie.access, grant.access, maxAge: seconds))
            exchange.answerFields.append("set-cookie", Cookies.set(SessionCookie.refresh, grant.refresh, maxAge: rest))
        } else {
            json["token_type"] = "Bearer"
            json["access_token"] = .string(grant.access)
            json["refresh_token"] = .string(grant.refresh)
        }
        return .json(.object(json))
    }

    private static func dropCookies(_ exchange: Exchange) {
        for name in [SessionCookie.access, SessionCookie.refresh]
        where Cookies.value(name, in: exchange.request.head.fields) != nil {
            exchange.answerFields.append("set-cookie", Cookies.set(name, "", maxAge: 0))
        }
    }
}
