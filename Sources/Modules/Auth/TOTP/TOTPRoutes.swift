// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import HTTP
import JSON
import Platform
import SQLite

/// Setting up, and taking away, a second factor.
struct TOTPRoutes: Sendable {
    let context: @Sendable () throws(Failure) -> PeopleContext

    var all: [Route] { [enroll, confirm, disable, recovery] }

    /// What authenticator apps show beside the code.
    private static let issuer = "Gatehouse"

    private static let proof: JSONValue = [
        "type": "object", "required": ["password"], "additionalProperties": false,
        "properties": [
            "password": ["type": "string"], "totp": ["type": "string"], "recovery_code": ["type": "string"],
        ],
    ]

    private var enroll: Route {
        Route(
            .post, "/auth/totp/enroll", guard: .anySession,
            summary:
                "A new second factor: its secret as text, as otpauth:// URI and as QR code; it counts once confirmed",
            requestBody: Self.proof
        ) { exchange async throws(Failure) in
            let context = try context()
            let (login, person) = try await Self.proven(exchange, context)
            let secret = SecretBytes(randomCount: OneTimeCode.secretBytes)
            let sealed = try Self.sealed(secret, login.user, context)
            try await exchange.advance(through: .record)
            _ = try await context.store.alter(login) { person, _ -> Verdict<Bool> in
                person.offeredSecret = sealed
                return .success(true)
            }
            let text = secret.withBytes { Base32.encode($0) }
            let uri = Self.uri(text, person.email)
            return .json([
                "object": "totp.enrollment", "secret": .string(text), "uri": .string(uri),
                "qr_svg": QRCode(Array(uri.utf8)).map { .string($0.svg) } ?? .null,
            ])
        }
    }

    private var confirm: Route {
        Route(
            .post, "/auth/totp/confirm", guard: .anySession,
            summary:
                "Confirm a second factor with its first code: your other sessions end, and recovery codes are made",
            requestBody: [
                "type": "object", "required": ["totp"], "additionalProperties": false,
                "properties": ["totp": ["type": "string"]],
            ]
        ) { exchange async throws(Failure) in
            let context = try context()
            let body = try await JSONBody(exchange, bytesMax: LoginRoutes.bodyBytesMax, known: ["totp"])
            let code = try body.required("totp", body.string("totp", bytes: 1...16))
            let (login, person) = try await context.caller(exchange)
            guard person.offeredSecret != nil else {
                throw Failure(.conflict, "there is nothing to confirm: begin at /auth/totp/enroll")
            }
            try context.limits.beginCode(of: login.user, at: exchange.request.arrival)
            try await exchange.advance(through: .record)
            let (factors, now) = (context.factors, exchange.time)
            let (codes, digests) = Self.recoveryCodes(of: login.user, context)
            _ = try await context.store.alter(login) {
                person, connection throws(SQLiteError) -> Verdict<Bool> in
                // The steps that the one before it has used are its own.
                person.spentStep = 0
                guard let offered = person.offeredSecret,
                    let step = factors.step(code, offered, person, at: now)
                else { return .failure(Failure(.invalidLogin, "this code is wrong", param: "totp")) }
                (person.secret, person.offeredSecret) = (offered, nil)
                (person.spentStep, person.enrolledAt) = (step, now)
                try PeopleTables.replaceCodes(digests, of: person.id, in: connection)
                return .success(true)
            }
            context.limits.clearCodes(of: login.user)
            // Whoever was in without a second factor is out.
            try await context.sessions.end(of: login.user, keeping: exchange.principal?.session)
            if let session = exchange.principal?.session { try await context.sessions.enrolled(session) }
            return .json(["object": "totp", "enabled": true, "recovery_codes": Self.list(codes)])
        }
    }

    private var disable: Route {
        Route(
            .post, "/auth/totp/disable", guard: .anySession,
            summary: "Take the second factor away; your other sessions end", requestBody: Self.proof
        ) { exchange async throws(Failure) in
            let context = try context()
            let (login, person) = try await Self.proven(exchange, context, mustHaveFactor: true)
            guard !context.requiresFactor(person.standing) else {
                throw Failure(.totpRequired, "a second factor is required of this role")
            }
            try await exchange.advance(through: .record)
            _ = try await context.store.alter(login) {
                person, connection throws(SQLiteError) -> Verdict<Bool> in
                (person.secret, person.offeredSecret, person.enrolledAt) = (nil, nil, nil)
                try PeopleTables.replaceCodes([], of: person.id, in: connection)
                return .success(true)
            }
            try await context.sessions.end(of: login.user, keeping: exchange.principal?.session)
            return .json(["object": "totp", "enabled": false])
        }
    }

    private var recovery: Route {
        Route(
            .post, "/auth/recovery-codes", guard: .anySession,
            summary: "Fresh recovery codes in the place of the old ones", requestBody: Self.proof
        ) { exchange async throws(Failure) in
            let context = try context()
            let (login, _) = try await Self.proven(exchange, context, mustHaveFactor: true)
            let (codes, digests) = Self.recoveryCodes(of: login.user, context)
            try await exchange.advance(through: .record)
            _ = try await context.store.alter(login) {
                person, connection throws(SQLiteError) -> Verdict<Bool> in
                try PeopleTables.replaceCodes(digests, of: person.id, in: connection)
                return .success(true)
            }
            return .json(["object": "recovery_codes", "recovery_codes": Self.list(codes)])
        }
    }

    // MARK: Parts

    private static func proven(
        _ exchange: Exchange, _ context: PeopleContext, mustHaveFactor: Bool = false
    ) async throws(Failure) -> (login: Login, person: PersonRecord) {
        let body = try await JSONBody(exchange, bytesMax: LoginRoutes.bodyBytesMax, known: Proof.names)
        return try await context.confirm(exchange, try Proof(body), mustHaveFactor: mustHaveFactor)
    }

    private static func sealed(
        _ secret: SecretBytes, _ user: UserID, _ context: PeopleContext
    ) throws(Failure) -> [UInt8] {
        do throws(CryptoError) {
            return try context.factors.seal(secret, of: user)
        } catch {
            throw Failure(.internal, "the secret could not be sealed", cause: "\(error)")
        }
    }

    private static func recoveryCodes(
        of user: UserID, _ context: PeopleContext
    ) -> (codes: [String], digests: [[UInt8]]) {
        let codes = (0..<RecoveryCode.count).map { _ in RecoveryCode.random() }
        return (codes, codes.compactMap { RecoveryCode.digest($0, of: user, under: context.codes) })
    }

    private static func list(_ codes: [String]) -> JSONValue { .array(codes.map(JSONValue.string)) }

    /// The form that authenticator apps read (Google Authenticator's "Key Uri Format").
    static func uri(_ secret: String, _ email: EmailAddress) -> String {
        "otpauth://totp/\(issuer):\(Percent.encode(email.text))?secret=\(secret)&issuer=\(issuer)"
            + "&algorithm=SHA1&digits=\(OneTimeCode.digits)&period=\(OneTimeCode.periodSeconds)"
    }
}
