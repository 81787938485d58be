// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP
import JSON

/// The probes. Each tries what an attacker would, and holds where that leads nowhere.
enum Probes {
    /// Runs what asks the server, and takes no answer for nothing proved.
    static func asking(
        _ body: () throws(ProbeClient.Failure) -> ProbeResult
    ) -> ProbeResult {
        do throws(ProbeClient.Failure) {
            return try body()
        } catch {
            return .untried(error.reason)
        }
    }

    /// Bad answers as one sentence.
    static func result(_ wrong: [String]) -> ProbeResult {
        wrong.isEmpty ? .held : .failed(wrong.prefix(5).joined(separator: "; "))
    }
}

// Transport and edges.
extension Probes {
    /// T1: versions and ciphers that are not spoken.
    static func oldTLS(_ world: ProbeWorld) -> ProbeResult {
        asking { () throws(ProbeClient.Failure) in
            // What is refused to the old must be given to the new, or everything would look safe.
            guard try world.client.call(.get, "/livez").status == 200 else { return .failed("/livez does not answer") }
            return try agreements(world.client, world.facts.minimum)
        }
    }

    /// What a server agrees to that speaks nothing older than `minimum`, at best nothing.
    static func agreements(
        _ client: ProbeClient, _ minimum: TLSSettings.Minimum
    ) throws(ProbeClient.Failure) -> ProbeResult {
        var hellos = [TLSHello.tls10, .tls11, .weakCiphers]
        if minimum == .tls13 { hellos.append(.tls12) }
        var wrong: [String] = []
        for hello in hellos where TLSHello.isAgreement(try client.exchange(hello.bytes, with: client.secure)) {
            wrong.append("\(hello.name) is agreed to")
        }
        return result(wrong)
    }

    /// T2: plain HTTP leads to HTTPS and does nothing else.
    static func plainHTTP(_ world: ProbeWorld) -> ProbeResult {
        asking { () throws(ProbeClient.Failure) in
            guard let plain = world.client.plain else { return .held }
            func ask(_ host: String) throws(ProbeClient.Failure) -> String {
                let request =
                    "POST /v1/keys HTTP/1.1\r\nhost: \(host)\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                let answer = try world.client.exchange(Array(request.utf8), with: plain)
                return String(decoding: answer, as: UTF8.self).lowercased()
            }
            var wrong: [String] = []
            let known = try ask(world.host)
            if !known.hasPrefix("http/1.1 308 ") || !known.contains("\r\nlocation: https://") {
                wrong.append("plain HTTP does not lead to HTTPS")
            }
            if !(try ask(foreignHost)).hasPrefix("http/1.1 421 ") { wrong.append("a foreign host is not refused") }
            return result(wrong)
        }
    }

    private static let foreignHost = "another.invalid"

    /// T3: the fields that stand on every answer, good and bad.
    static func securityFields(_ world: ProbeWorld) -> ProbeResult {
        asking { () throws(ProbeClient.Failure) in
            var wrong: [String] = []
            let asked: [(HTTP.Method, String)] = [
                (.get, "/livez"), (.get, "/openapi.json"), (.get, "/security"), (.get, "/metrics"), (.delete, "/livez"),
            ]
            for (method, path) in asked {
                let answer = try world.client.call(method, path)
                for name in fieldsAlways where answer.fields.count(of: name) != 1 {
                    wrong.append("\(method.name) \(path) (\(answer.status)) has no \(name)")
                }
                if answer.fields["server"] != nil { wrong.append("\(method.name) \(path) names its server") }
            }
            return result(wrong)
        }
    }

    private static let fieldsAlways = [
        "x-request-id", "strict-transport-security", "x-content-type-options", "x-frame-options", "referrer-policy",
        "permissions-policy", "content-security-policy", "cross-origin-opener-policy", "cross-origin-resource-policy",
    ]

    /// T4: origins that are on no list.
    static func foreignOrigins(_ world: ProbeWorld) -> ProbeResult {
        asking { () throws(ProbeClient.Failure) in
            let known = world.facts.names.origins.sorted().prefix(3)
            var hostile = [
                "null", "https://another.invalid", "http://\(world.host)", "https://\(world.host).another.invalid",
            ]
            hostile += known.flatMap { ["\($0).another.invalid", "\($0)0", $0.uppercased()] }
            var wrong: [String] = []
            for origin in hostile where origin == "null" || !world.facts.names.origins.contains(origin) {
                let answer = try world.client.call(.get, "/livez", ["origin": origin])
                if answer.fields["access-control-allow-origin"] != nil { wrong.append("\(origin) may read answers") }
            }
            return result(wrong)
        }
    }
}

// Who gets in.
extension Probes {
    /// Routes tried in one round, so that the record does not fill with what the house does to itself.
    private static let routesEachRound = 8

    /// W3: every route that is not public refuses nobody's request.
    static func guards(_ world: ProbeWorld) -> ProbeResult {
        asking { () throws(ProbeClient.Failure) in
            let guarded = world.facts.routes.filter { if case .public = $0.guard { false } else { true } }
            guard !guarded.isEmpty else { return .held }
            let count = world.isWhole ? guarded.count : min(routesEachRound, guarded.count)
            let start = world.isWhole ? 0 : world.round &* count % guarded.count
            var wrong: [String] = []
            for route in (0..<count).map({ guarded[(start + $0) % guarded.count] }) {
                let path = route.pattern.split(separator: "/", omittingEmptySubsequences: false)
                    .map { $0.hasPrefix("{") ? "none" : String($0) }.joined(separator: "/")
                let answer = try world.client.call(route.method, path)
                // 429 is a refusal, too, and tells nobody's request from somebody's.
                if answer.status != 401 && answer.status != 429 {
                    wrong.append("\(route.method.name) \(route.pattern) answers \(answer.status) to nobody")
                }
            }
            return result(wrong)
        }
    }

    /// W4: tokens that nobody signed, and the algorithm that is published.
    static func forgedSessions(_ world: ProbeWorld) -> ProbeResult {
        asking { () throws(ProbeClient.Failure) in
            var wrong: [String] = []
            // {"alg":"none","typ":"JWT"} . {"sub":"usr_00000000000000000000000000","exp":4102444800} .
            let token =
                "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ1c3JfMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAiLCJleHAiOjQxMDI0NDQ4MDB9."
            let answer = try world.client.call(.get, "/auth/session", ["authorization": "Bearer \(token)"])
            // 403 is what somebody gets who is blocked for such attempts.
            if ![401, 403, 429].contains(answer.status) { wrong.append("an unsigned token gets \(answer.status)") }
            let document = try? JSONValue(parsing: try world.client.call(.get, "/.well-known/jwks.json").body)
            let keys = document?["keys"]?.array ?? []
            if keys.isEmpty { wrong.append("no key is published") }
            for key in keys where key["alg"]?.string != "EdDSA" || key["d"] != nil || key["k"] != nil {
                wrong.append("a key is published that is not a public one of EdDSA")
            }
            return result(wrong)
        }
    }
}
