// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import HTTP
import Platform
import SQLite

/// What somebody shows to say who it is: a password, and a second factor where it has one.
struct Proof: Sendable {
    let password: String
    let code: String?
    let recoveryCode: String?

    static let names = ["password", "totp", "recovery_code"]

    init(_ body: JSONBody) throws(Failure) {
        password = try body.required("password", body.string("password", bytes: 1...PasswordRule.bytesMax))
        code = try body.string("totp", bytes: 1...16)
        recoveryCode = try body.string("recovery_code", bytes: 1...64)
    }
}

extension PeopleContext {
    private static var wrong: Failure { Failure(.invalidLogin, "address, password or code is wrong") }

    /// Who logs in with an address and a proof: the one way in. What it costs does not say whether there is such an account,
    /// and what it answers does not either.
    ///
    /// - Throws: `invalid_login`; `totp_required` where only the second factor is missing; `rate_limit_exceeded`, `locked`,
    ///   `concurrency_exceeded`.
    func identify(
        _ email: EmailAddress?, in home: Home?, _ proof: Proof, _ exchange: Exchange
    ) async throws(Failure) -> (login: Login, person: PersonRecord) {
        // No address is an address that nobody has.
        let digest = logins.digest(of: email ?? EmailAddress.nobody)
        return try await trying(digest, exchange) { () async throws(Failure) in
            let login = email == nil ? nil : logins.login(digest, in: home)
            let person = try await account(login)
            let isRight = try await hasher.verify(
                proof.password, against: person?.password.flatMap { PasswordHash($0) })
            guard isRight, let login, let person, person.status == .active else { throw Self.wrong }
            try requireOpen(login)
            let proven = try await prove(person, login, proof, exchange)
            return (login, proven)
        }
    }

    /// The row of an account; a tenant that is being deleted has nobody any more.
    private func account(_ login: Login?) async throws(Failure) -> PersonRecord? {
        guard let login else { return nil }
        do throws(Failure) {
            return try await store.person(login)
        } catch {
            if error.code == .notFound { return nil }
            throw error
        }
    }

    /// That who calls in a session is its person still, with a proof in this request: for what must not be done by whoever
    /// finds an open screen. With a second factor its code is needed as well, unused.
    ///
    /// - Parameter mustHaveFactor: refuses, with `totp_required`, who has none.
    func confirm(
        _ exchange: Exchange, _ proof: Proof, mustHaveFactor: Bool = false
    ) async throws(Failure) -> (login: Login, person: PersonRecord) {
        let (login, person) = try await caller(exchange)
        guard !mustHaveFactor || person.hasSecondFactor else {
            throw Failure(.totpRequired, "this needs a second factor: set one up at /auth/totp/enroll first")
        }
        return try await trying(logins.digest(of: person.email), exchange) { () async throws(Failure) in
            let isRight = try await hasher.verify(
                proof.password, against: person.password.flatMap { PasswordHash($0) })
            guard isRight else { throw Self.wrong }
            return (login, try await prove(person, login, proof, exchange))
        }
    }

    /// The second factor, the hash at today's cost, the time of it: in one write, so that of twenty with the same code one is
    /// let in.
    private func prove(
        _ person: PersonRecord, _ login: Login, _ proof: Proof, _ exchange: Exchange
    ) async throws(Failure) -> PersonRecord {
        let renewed = try await renewed(person, proof)
        let now = exchange.time
        let recovery = proof.recoveryCode.map { RecoveryCode.digest($0, of: person.id, under: codes) }
        if person.hasSecondFactor {
            guard proof.code != nil || recovery != nil else {
                throw Failure(.totpRequired, "the password is right; send the code of your second factor too")
            }
            // A recovery code cannot be guessed, and is for who has nothing else.
            if recovery == nil { try limits.beginCode(of: person.id, at: exchange.request.arrival) }
        }
        let (factors, password) = (factors, person.password)
        let (changed, isProven) = try await store.alter(login) {
            person, connection throws(SQLiteError) -> Verdict<Bool> in
            // Another request may have changed it meanwhile.
            guard person.status == .active, person.password == password else { return .failure(Self.wrong) }
            if let sealed = person.secret {
                if let recovery {
                    guard let digest = recovery,
                        try PeopleTables.spendCode(digest, of: person.id, in: connection)
                    else { return .failure(Self.wrong) }
                } else {
                    guard let step = factors.step(proof.code, sealed, person, at: now) else {
                        return .failure(Self.wrong)
                    }
                    person.spentStep = step
                }
            }
            if let renewed { person.password = renewed }
            person.lastLoginAt = now
            return .success(true)
        }
        if isProven, changed.hasSecondFactor { limits.clearCodes(of: person.id) }
        return changed
    }

    /// The hash anew, where it was made at another cost than today's.
    private func renewed(_ person: PersonRecord, _ proof: Proof) async throws(Failure) -> String? {
        guard let old = person.password.flatMap({ PasswordHash($0) }), old.scrypt != hasher.scrypt else { return nil }
        return try await hasher.hash(proof.password).text
    }

    /// Runs a try within the limits for tries; one that comes to nothing for another reason than being wrong costs none.
    private func trying<R>(
        _ account: Digest, _ exchange: Exchange, _ body: () async throws(Failure) -> R
    ) async throws(Failure) -> R {
        let place = PeerBlock(exchange.request.peer)
        try limits.begin(place, account, at: exchange.request.arrival)
        do throws(Failure) {
            let result = try await body()
            limits.end(place, account, isHarmless: true)
            return result
        } catch {
            limits.end(place, account, isHarmless: error.code != .invalidLogin)
            throw error
        }
    }

    private func requireOpen(_ login: Login) throws(Failure) {
        guard let tenant = login.home.tenant else { return }
        switch directory.status(of: tenant) {
        case .active: return
        case .suspended: throw Failure(.blocked, "this tenant is suspended")
        case nil: throw Self.wrong
        }
    }
}

extension SecondFactorVault {
    /// The step of time of a code that is right and unused.
    func step(_ code: String?, _ sealed: [UInt8], _ person: PersonRecord, at now: WallTime) -> Int? {
        guard let code, let secret = try? open(sealed, of: person.id) else { return nil }
        return try? OneTimeCode.step(of: code, secret: secret, after: person.spentStep, at: now)
    }
}
