// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import Configuration
import Core
import EventLoop
import HTTP
import JSON
import Log
import Platform
import TLS

/// `gatehouse routes`: what there is, and with `--audit` whether the running server keeps to it.
struct RouteCommands {
    private let invocation: Invocation
    private let composition: Composition

    init(_ invocation: Invocation, _ composition: Composition) {
        (self.invocation, self.composition) = (invocation, composition)
    }

    func list() throws(CommandFailure) {
        guard !invocation.has("audit") else { return try audit() }
        let routes = composition.routes.routes
        if invocation.has("json") {
            let rows = routes.map { route -> JSONValue in
                [
                    "method": .string(route.method.name), "path": .string(route.pattern),
                    "guard": .string(route.guard.name), "summary": .string(route.summary),
                ]
            }
            return Terminal.print(String(decoding: JSONValue.array(rows).serialized(), as: UTF8.self))
        }
        let rows = routes.map { [$0.method.name, $0.pattern, $0.guard.name, $0.summary] }
        Terminal.print(Terminal.table(["METHOD", "PATH", "GUARD", ""], rows))
    }

    // MARK: Audit

    private func audit() throws(CommandFailure) {
        let client = try OperatorClient(invocation)
        let caller = try ProbeCaller(origin(), composition.settings.http.tls.certificate)
        defer { caller.stop() }
        let credentials = try client.call(.post, "/admin/v1/guard-probes")
        let blocks = OwnBlocks(client)
        defer { blocks.lift() }
        let report: GuardAudit.Report
        do throws(CommandFailure) {
            let known = composition.routes.routes.map { "\($0.method.name) \(OpenAPI.path(of: $0.pattern))" }
            report = try GuardAudit(credentials: credentials) { method, path, key throws(CommandFailure) in
                let answer = try caller.call(method, path, key)
                // Anthropic's shape has no codes: there a block looks like any other refusal.
                guard answer.code == "blocked" || answer.code == "permission_error", blocks.lift() else {
                    return answer
                }
                return try caller.call(method, path, key)
            }.run(known: Set(known))
        } catch {
            _ = try? client.call(.delete, "/admin/v1/guard-probes")
            throw error
        }
        _ = try client.call(.delete, "/admin/v1/guard-probes")
        show(report)
        guard report.findings.isEmpty else {
            throw CommandFailure("\(report.findings.count) guards do not hold", hint: "they are named above")
        }
    }

    private func show(_ report: GuardAudit.Report) {
        if invocation.has("json") {
            let value: JSONValue = [
                "object": "guard_audit", "routes": .int(composition.routes.routes.count),
                "described": .int(report.operations.count), "probed": .int(report.probed.count),
                "probes": .int(report.probes), "public": .array(report.open.map(JSONValue.string)),
                "findings": .array(report.findings.map(JSONValue.string)),
            ]
            return Terminal.print(String(decoding: value.serialized(), as: UTF8.self))
        }
        for finding in report.findings { Terminal.print(finding) }
        Terminal.print(
            "\(composition.routes.routes.count) routes, \(report.operations.count) described, \(report.probed.count) probed with \(report.probes) requests, \(report.open.count) public, \(report.findings.count) findings"
        )
    }

    /// Where the server is reached: `--url`, or the first address it listens on, by a name it answers to.
    private func origin() throws(CommandFailure) -> Origin {
        let http = composition.settings.http
        let host =
            ["localhost", "127.0.0.1", "[::1]"].first(where: http.names.hosts.contains)
            ?? http.names.hosts.sorted().first
        let text = invocation.string("url") ?? "https://\(host ?? "localhost"):\(http.listen.first?.port ?? 8443)"
        guard let origin = Origin(text), origin.isSecure else {
            throw CommandFailure("\"\(text)\" is no https:// address of a server", exitCode: 2)
        }
        return origin
    }
}

/// Blocks that the audit itself brings about: it shows hundreds of credentials that are none, which is what an address is
/// blocked for. Those that stood before it stay.
private struct OwnBlocks {
    private let client: OperatorClient
    private let before: Set<String>

    init(_ client: OperatorClient) {
        self.client = client
        // Who has points is not blocked yet: this address may have some, of the probes of controls.
        before = Set(Self.paths(client) { $0["blocked_until"]?.string != nil })
    }

    /// - Returns: whether there were any.
    @discardableResult
    func lift() -> Bool {
        let own = Self.paths(client).filter { !before.contains($0) }
        for path in own { _ = try? client.call(.delete, path) }
        return !own.isEmpty
    }

    /// Who is blocked or near it; nobody where there is no limiter.
    private static func paths(_ client: OperatorClient, where isMeant: (JSONValue) -> Bool = { _ in true }) -> [String]
    {
        let list = try? client.call(.get, "/admin/v1/blocks")
        return (list?["data"]?.array ?? []).filter(isMeant).compactMap { entry in
            guard let kind = entry["kind"]?.string, let id = entry["id"]?.string else { return nil }
            return "/admin/v1/blocks/\(kind)/\(Percent.encode(id))"
        }
    }
}

/// Asks a server over TLS, one request after the other. Its certificate has to be the one that the configuration names.
private final class ProbeCaller {
    private let origin: Origin
    private let trust: TLSClientContext
    private let loop: EventLoop
    private let client: HTTPClient

    private static let bodyBytesMax = 4 << 20
    /// Times that an answer 429 is waited out.
    private static let waitsMax = 3

    init(_ origin: Origin, _ certificate: String) throws(CommandFailure) {
        self.origin = origin
        do {
            trust = try TLSClientContext(authoritiesFile: certificate)
            loop = try EventLoop(name: "probe")
            try loop.start()
            client = HTTPClient(on: loop, resolver: try Resolver())
        } catch {
            throw CommandFailure("the server cannot be asked: \(error)")
        }
    }

    func stop() {
        loop.stop()
        loop.join()
    }

    func call(_ method: HTTP.Method, _ path: String, _ key: String?) throws(CommandFailure) -> GuardAudit.Answer {
        for _ in 0..<Self.waitsMax {
            let (answer, wait) = try once(method, path, key)
            // Attempts without a valid credential are limited, and this makes many.
            guard answer.status == 429, key == nil || answer.code == "rate_limit_exceeded", let wait else {
                return answer
            }
            Terminal.complain("gatehouse: waiting \(wait) s for the limit on attempts")
            loop.sleepBlocking(.seconds(min(wait, 120)))
        }
        return try once(method, path, key).answer
    }

    private func once(
        _ method: HTTP.Method, _ path: String, _ key: String?
    ) throws(CommandFailure) -> (answer: GuardAudit.Answer, retryAfter: Int?) {
        var fields = Fields()
        if let key { fields.append("authorization", "Bearer \(key)") }
        let hasBody = method == .post || method == .put || method == .patch
        if hasBody { fields.append("content-type", "application/json") }
        let request = ClientRequest(
            method: method, origin: origin, target: path, fields: fields, body: hasBody ? Array("{}".utf8) : [],
            addresses: .configured, tls: trust)
        let outcome = Monitor<Result<(GuardAudit.Answer, Int?), ClientFailure>?>(nil)
        let client = client
        loop.spawn {
            let result: Result<(GuardAudit.Answer, Int?), ClientFailure>
            do throws(ClientFailure) {
                let response = try await client.send(request, cancellation: nil)
                let wait = response.fields["retry-after"].flatMap { Int($0) }
                // Nothing of a stream is wanted but its head.
                let isStream = response.fields["content-type"]?.hasPrefix("text/event-stream") ?? false
                let body = isStream ? [] : try await response.collect(max: Self.bodyBytesMax)
                if isStream { response.close() }
                let answer = GuardAudit.Answer(status: response.status.code, body: try? JSONValue(parsing: body))
                result = .success((answer, wait))
            } catch {
                result = .failure(error)
            }
            outcome.withLock { $0 = result }
            outcome.signal()
        }
        switch outcome.wait({ $0 }) {
        case .success(let answer): return answer
        case .failure(let failure):
            throw CommandFailure(
                "\(method.name) \(path) has no answer: \(failure)", hint: "say where the server is: --url https://…")
        }
    }
}

extension EventLoop {
    /// Waits on the calling thread, which is not the loop's.
    fileprivate func sleepBlocking(_ duration: Duration) {
        let end = Monitor(false)
        spawn { [self] in
            await sleep(duration)
            end.withLock { $0 = true }
            end.signal()
        }
        end.wait { $0 ? true : nil }
    }
}
