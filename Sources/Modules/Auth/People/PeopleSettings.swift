// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core

/// The keys of `[auth]` that are about people.
struct PeopleSettings {
    /// `access_token`: how long a token is good for.
    let accessToken: Duration
    /// `session_idle`: how long a session lives without being used.
    let sessionIdle: Duration
    /// `session_lifetime`: how long in any case.
    let sessionLifetime: Duration
    /// `signing_key_period`: how long one key signs.
    let signingKeyPeriod: Duration
    /// `password_min`: characters of a password, at least.
    let passwordMin: Int
    /// `password_hashers`: passwords hashed at once.
    let passwordHashers: Int
    /// `leaked_passwords`: where ranges of leaked passwords are asked for; nil for nowhere.
    let leakedPasswords: BaseURL?
    /// `leaked_ranges`: a file of all leaked passwords, made by `gatehouse passwords import`; nil for none.
    let leakedRanges: String?
    /// `require_totp`: the roles that need a second factor.
    let requireTOTP: Set<String>

    private static let roles = Role.allCases.map(\.rawValue) + ["operator"]

    init(_ section: Section) throws(ConfigurationError) {
        accessToken = try section.takeDuration(
            "access_token", in: .seconds(60)...(.seconds(3600)), default: .seconds(900))
        sessionIdle = try section.takeDuration(
            "session_idle", in: .seconds(3600)...(.seconds(90 * 86_400)), default: .seconds(14 * 86_400))
        sessionLifetime = try section.takeDuration(
            "session_lifetime", in: .seconds(3600)...(.seconds(365 * 86_400)), default: .seconds(90 * 86_400))
        signingKeyPeriod = try section.takeDuration(
            "signing_key_period", in: .seconds(86_400)...(.seconds(365 * 86_400)), default: .seconds(30 * 86_400))
        passwordMin = try section.takeInt("password_min", in: 8...64, default: 12)
        passwordHashers = try section.takeInt("password_hashers", in: 1...16, default: 1)
        leakedPasswords = try section.takeOptionalURL("leaked_passwords")
        leakedRanges = try section.takeOptionalPath("leaked_ranges")
        let names = try section.takeNames("require_totp", default: [])
        for name in names where !Self.roles.contains(name) {
            throw section.error(
                at: "require_totp", "\"\(name)\" is no role",
                hint: "the roles are \(Self.roles.joined(separator: ", "))")
        }
        requireTOTP = Set(names)
    }
}
