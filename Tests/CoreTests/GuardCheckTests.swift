// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

/// Every kind of caller at every kind of guard.
struct GuardCheckTests {
    private static let tenant = TenantID("ten_1")
    private static let key = Principal(
        kind: .key(KeyID("key_1"), prefix: "ghk_"), tenant: tenant, scopes: Scopes([.chat]))
    private static let socket = Principal(kind: .socketPeer(userID: 0), tenant: nil, scopes: Scopes())

    private static func person(_ role: Role, mustEnroll: Bool = false) -> Principal {
        Principal(
            kind: .person(UserID("usr_1"), role: role), tenant: tenant, scopes: Scopes(Scope.allCases),
            mustEnroll: mustEnroll)
    }
    private static func appliance(mustEnroll: Bool = false) -> Principal {
        Principal(kind: .operator(UserID("usr_2")), tenant: nil, scopes: Scopes(Scope.allCases), mustEnroll: mustEnroll)
    }

    private static let callers: [(name: String, principal: Principal?)] = [
        ("nobody", nil), ("key", key), ("member", person(.member)), ("admin", person(.admin)),
        ("owner", person(.owner)), ("unenrolled", person(.owner, mustEnroll: true)), ("operator", appliance()),
        ("unenrolled operator", appliance(mustEnroll: true)), ("socket", socket),
    ]

    private static let table: [(guard: RouteGuard, opens: Set<String>)] = [
        (.public(why: "all"), Set(callers.map(\.name))),
        (.key(.chat), ["key"]),
        (.key(.files), []),
        (.anyKeyOrSession(.member), ["key", "member", "admin", "owner"]),
        (.anyKeyOrSession(.owner), ["key", "owner"]),
        (.session(.member), ["member", "admin", "owner"]),
        (.session(.admin), ["admin", "owner"]),
        (.session(.owner), ["owner"]),
        (.keyOrSession(.chat, .admin), ["key", "admin", "owner"]),
        (.keyOrSession(.files, .member), ["member", "admin", "owner"]),
        (.anySession, ["member", "admin", "owner", "unenrolled", "operator", "unenrolled operator"]),
        (.operator, ["operator", "socket"]),
        (.socket, ["socket"]),
    ]

    @Test func `opens to whom it names and to nobody else`() {
        for (`guard`, opens) in Self.table {
            for (name, principal) in Self.callers {
                var code: ErrorCode?
                do throws(Failure) { try GuardCheck.enforce(`guard`, on: principal) } catch { code = error.code }
                #expect((code == nil) == opens.contains(name), "\(`guard`.name): \(name)")
                if principal == nil, code != nil { #expect(code == .missingCredential) }
            }
        }
    }

    @Test func `who has to set up a second factor is told so`() {
        for `guard` in [RouteGuard.session(.member), .keyOrSession(.chat, .owner)] {
            var code: ErrorCode?
            do throws(Failure) {
                try GuardCheck.enforce(`guard`, on: Self.person(.owner, mustEnroll: true))
            } catch { code = error.code }
            #expect(code == .totpRequired)
        }
    }
}
