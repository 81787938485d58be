// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP
import JSON

/// Tries every route of a running server with every credential that must not open it, and with one that must: row W3.
///
/// What the guards are is read where clients read it, in `/openapi.json`; what they do is seen from outside.
struct GuardAudit {
    /// What a server answered.
    struct Answer: Sendable {
        let status: Int
        /// `error.code`; `nil` for an answer without.
        let code: String?
        let body: JSONValue?

        init(status: Int, body: JSONValue?) {
            (self.status, self.body) = (status, body)
            code = body?["error"]?["code"]?.string ?? body?["error"]?["type"]?.string
        }

        /// Whether somebody was let in, whatever came of it then.
        var isOpen: Bool { status != 401 && code.map(Self.closed.contains) != true }

        /// Whether it refuses for one of these. Anthropic's shape has no codes, and says no more than its types.
        func isRefusal(_ codes: Set<String>) -> Bool {
            guard let code else { return false }
            switch code {
            case "authentication_error": return status == 401 && !codes.contains("insufficient_scope")
            case "permission_error": return status == 403 && codes.contains("insufficient_scope")
            default: return codes.contains(code)
            }
        }

        private static let closed: Set<String> = ["insufficient_scope", "csrf", "permission_error"]
    }

    /// What a route is, as the document says.
    struct Operation: Sendable {
        let method: HTTP.Method
        let path: String
        let `guard`: String

        var name: String { "\(method.name) \(path)" }

        /// What stands in the brackets: `keyOrSession(keys.read, admin)` → `keys.read`, `admin`.
        private var words: [String] {
            guard let open = `guard`.firstIndex(of: "(") else { return [] }
            return `guard`[`guard`.index(after: open)...].dropLast().split(separator: ",").map {
                String($0.drop { $0 == " " })
            }
        }

        /// Whether a key can open it; of which scope, says `scope`, `nil` for any.
        var takesKeys: Bool { `guard`.hasPrefix("key") }

        /// `key(chat)` → `chat`; `keyOrSession(keys.read, admin)` → `keys.read`; `nil` for others.
        var scope: Scope? { takesKeys ? words.first.flatMap { Scope(rawValue: $0) } : nil }

        /// The least role whose session opens it; `nil` for none, and for what any session opens.
        var role: Role? { words.last.flatMap { Role(rawValue: $0) } }

        /// Whether it opens to any session, whoever's.
        var takesAnySession: Bool { `guard` == "session" }

        /// With something in the place of each parameter.
        func path(with id: String) -> String {
            let path = path.split(separator: "/", omittingEmptySubsequences: false)
                .map { $0.hasPrefix("{") ? id : String($0) }.joined(separator: "/")
            // An answer without an end of its own is given one.
            return path.hasSuffix("/live") ? path + "?seconds=1" : path
        }
    }

    /// What came of it.
    struct Report: Sendable {
        var operations: [Operation] = []
        var probes = 0
        /// Sessions that were used up.
        var sparesUsed = 0
        /// Routes that were tried.
        var probed: Set<String> = []
        /// Each names a route and what is wrong with its guard.
        var findings: [String] = []
        /// Routes that open to anybody, by design.
        var open: [String] { operations.filter { $0.guard == "public" }.map(\.name) }
    }

    /// What `/admin/v1/guard-probes` gave.
    let credentials: JSONValue
    /// One request to the server.
    let call: (_ method: HTTP.Method, _ path: String, _ key: String?) throws(CommandFailure) -> Answer

    /// An id that nothing has.
    private static let nobody = "key_01JD0000000000000000000000"

    /// - Parameter known: the routes that the server should have, as `METHOD path`; what is missing on either side is found.
    func run(known: Set<String>) throws(CommandFailure) -> Report {
        var report = Report()
        report.operations = try operations()
        let described = Set(report.operations.map(\.name))
        report.findings += known.subtracting(described).sorted().map { "\($0): is served and not described" }
        report.findings += described.subtracting(known).sorted().map { "\($0): is described and not known" }
        for operation in report.operations { try probe(operation, &report) }
        report.findings += described.subtracting(report.probed).sorted().map { "\($0): was not tried" }
        return report
    }

    func operations() throws(CommandFailure) -> [Operation] {
        guard let document = try call(.get, "/openapi.json", nil).body else {
            throw CommandFailure("the server does not say what it serves")
        }
        return (document["paths"]?.object?.members ?? []).flatMap { path, methods in
            (methods.object?.members ?? []).compactMap { name, operation in
                HTTP.Method(name.uppercased().utf8.span).map {
                    Operation(method: $0, path: path, guard: operation["x-guard"]?.string ?? "")
                }
            }
        }
    }

    private func probe(_ operation: Operation, _ report: inout Report) throws(CommandFailure) {
        report.probed.insert(operation.name)
        func attempt(_ key: String?, _ id: String = Self.nobody) throws(CommandFailure) -> Answer {
            report.probes += 1
            return try call(operation.method, operation.path(with: id), key)
        }
        func refuse(_ who: String, _ key: String?, _ codes: Set<String>) throws(CommandFailure) {
            let answer = try attempt(key)
            guard !answer.isRefusal(codes) else { return }
            report.findings.append(
                "\(operation.name): \(operation.guard), and answers \(answer.status) \(answer.code ?? "") to \(who)")
        }
        if operation.guard == "public" {
            // Whatever it answers to anybody is its own business; that it is public is what the report says.
            _ = try attempt(nil)
            return
        }
        try refuse("nobody", nil, ["missing_credential"])
        try refuse("a false key", "ghk_false", ["invalid_api_key", "invalid_session"])
        try refuse("an expired key", credentials["expired"]?.string, ["expired"])
        try refuse("a revoked key", credentials["revoked"]?.string, ["revoked"])
        let sessions = credentials["sessions"]
        try refuse("an expired session", sessions?["expired"]?.string, ["expired"])
        try refuse("a session that has ended", sessions?["ended"]?.string, ["invalid_session"])
        var right: [(who: String, credential: String?)] = []
        if operation.takesKeys {
            right.append(("a key", credentials["all"]?.string))
        } else {
            try refuse("a key with every scope", credentials["all"]?.string, ["insufficient_scope"])
        }
        if let scope = operation.scope {
            try refuse(
                "a key without \(scope.rawValue)", credentials["without"]?[scope.rawValue]?.string,
                ["insufficient_scope"])
            right = [("a key with \(scope.rawValue)", credentials["only"]?[scope.rawValue]?.string)]
        }
        if operation.takesAnySession {
            // Each once: some of these routes end the session that asks.
            let spares = sessions?["spare"]?.array ?? []
            right.append(("a session", spares.isEmpty ? nil : spares[report.sparesUsed % spares.count].string))
            report.sparesUsed += 1
        } else {
            for role in Role.allCases {
                let token = sessions?[role.rawValue]?.string
                if let least = operation.role, role >= least {
                    right.append(("the session of a role \(role.rawValue)", token))
                } else {
                    try refuse("the session of a role \(role.rawValue)", token, ["insufficient_scope"])
                }
            }
        }
        // Last, since it may change what the tenant has.
        for own in operation.path.contains("{") ? credentials["objects"]?.array ?? [] : [] {
            for (who, credential) in [
                ("another tenant's key", credentials["foreign"]), ("another tenant's session", sessions?["foreign"]),
            ] {
                let answer = try attempt(credential?.string, own.string ?? Self.nobody)
                guard (200..<300).contains(answer.status) else { continue }
                report.findings.append("\(operation.name): answers \(answer.status) to \(who)")
            }
        }
        for (who, credential) in right where try !attempt(credential).isOpen {
            report.findings.append("\(operation.name): \(operation.guard), and refuses \(who)")
        }
    }
}
