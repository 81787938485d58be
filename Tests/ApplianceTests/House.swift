// SPDX-License-Identifier: Apache-2.0

import Auth
import Configuration
import Core
import Crypto
import EventLoop
import HTTP
import JSON
import Log
import Platform
import Support
import TLS
import Testing

@testable import Appliance

/// The whole appliance, in this process, from a few lines of configuration, on ports of the kernel's choice.
final class House {
    private let appliance: Appliance
    let directory: TemporaryDirectory
    private let origin: Origin
    private let trust: TLSClientContext
    private let sink: LogSink
    private let lines: Monitor<[String]>
    let tls: TLSSettings
    /// A key with every scope.
    let key: String

    /// The modules of the first floor, one loop, the built-in model.
    static let configuration = """
        [auth]
        [audit]
        segment_bytes = "1MiB"
        [limiter]
        requests_per_hour = 20
        block_points = 0
        [nodes]
        [admin]
        [gateway]
        [[gateway.provider]]
        name = "builtin"
        kind = "builtin"
        [[gateway.model]]
        name = "echo"
        provider = "builtin"
        """

    /// Passwords are hashed a hundred times cheaper here: what is tried is not how long that takes.
    static let passwordCost = try? Scrypt(cost: 1 << 10, blockSize: 8, parallelism: 1)

    /// - Parameter directory: where it lives, for one that is started again.
    /// - Parameter passwordCost: what passwords are hashed at.
    /// - Parameter http: more keys of that section.
    /// - Parameter leaving: sections whose stages are left out of the server, for tests that show that a proof can fail.
    /// - Parameter staging: puts other stages in the place of a section's, for the same.
    /// - Parameter rerouting: gives the routes that are served in place of those that are described, for the same.
    /// - Parameter altering: puts another player in a role, for the same.
    init(
        _ text: String = configuration, http: String = "", in place: TemporaryDirectory? = nil,
        passwordCost: Scrypt? = House.passwordCost,
        leavingOutStagesOf leaving: Set<String> = [],
        staging: (_ section: String, _ stages: [any Stage]) -> [any Stage] = { $1 },
        rerouting: ([Route]) -> [Route] = { $0 }, controls: [Control] = Controls.all,
        altering: (_ section: String, _ roles: inout ModuleKind.Roles) -> Void = { _, _ in }
    ) throws {
        directory = try place ?? TemporaryDirectory()
        let head = """
            mode = "development"
            data = "\(directory("data"))"
            [http]
            listen = ["127.0.0.1:0"]
            redirect = ["127.0.0.1:0"]
            loops = 2
            \(http)
            [store]
            unlock = ["file:\(directory("root.key"))"]

            """
        let lines = Monitor<[String]>([])
        sink = try LogSink(level: .error, format: .json, secrets: SecretRegistry()) { bytes in
            lines.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) }
            return true
        }
        self.lines = lines
        let log = Logger(sink)
        let composition = try Composition(
            Configuration(text: head + text), log: log,
            staging: { leaving.contains($0) ? [] : staging($0, $1) }, rerouting: rerouting, controls: controls,
            altering: { section, roles in
                // The program that runs is that of the tests.
                roles.keeper = BuiltProgram.path("gatehouse")
                if let passwordCost { roles.logins.passwordCost = passwordCost }
                altering(section, &roles)
            })
        appliance = try Appliance(starting: composition, log: log)
        let port = try #require(appliance.address?.port)
        origin = try #require(Origin("https://localhost:\(port)"))
        trust = try TLSClientContext(authoritiesFile: composition.settings.http.tls.certificate)
        tls = composition.settings.http.tls
        key = try #require(composition.roles.developmentKeys?.mintDevelopmentKey())
    }

    deinit {
        appliance.stop()
    }

    /// The lines of the log at the level `error`.
    var log: [String] {
        sink.flush(timeout: .seconds(5))
        return lines.withLock { $0 }
    }

    func lookAfterCertificate() { appliance.lookAfterCertificate() }

    /// What probes know of this server.
    var facts: ProbeWorld.Facts { ProbeWorld.Facts(appliance.composition) }

    var controls: ControlBook { appliance.composition.controls }

    /// What one probe finds at this server.
    ///
    /// - Parameters:
    ///   - facts: what is taken for promised, where that is not what the server was told.
    ///   - plain: what is taken for the door that redirects.
    func result(
        of probe: Control.Probe, _ facts: ProbeWorld.Facts? = nil, plain: SocketAddress? = nil
    ) throws -> ProbeResult {
        var world = try ProbeWorld(
            facts ?? self.facts, at: try #require(appliance.address), plain ?? appliance.redirectAddress)
        world.isWhole = true
        defer { world.client.stop() }
        return probe(world)
    }

    /// Where the operator's door is.
    var socketPath: String? { appliance.composition.roles.socketPath }

    /// What the modules play for one another.
    var roles: ModuleKind.Roles { appliance.composition.roles }

    var routes: [Route] { appliance.composition.routes.routes }

    struct Answer: Sendable {
        let status: Int
        let fields: Fields
        let body: [UInt8]

        var json: JSONValue? { try? JSONValue(parsing: body) }
        var code: String? { json?["error"]?["code"]?.string }
    }

    /// One request over TLS, on a connection of its own.
    func call(
        _ method: HTTP.Method, _ path: String, key: String? = nil, fields: Fields = [:], body: String = "",
        isTyped: Bool = false
    ) throws -> Answer {
        var fields = fields
        if let key { fields.append("authorization", "Bearer \(key)") }
        if !body.isEmpty, !isTyped { fields.append("content-type", "application/json") }
        let request = ClientRequest(
            method: method, origin: origin, target: path, fields: fields, body: Array(body.utf8),
            addresses: .configured,
            tls: trust)
        return try onLoop { loop in
            let client = HTTPClient(on: loop, resolver: try Resolver())
            let response = try await client.send(request, cancellation: nil)
            let body = try await response.collect(max: 1 << 20)
            client.close()
            return Answer(status: response.status.code, fields: response.fields, body: body)
        }
    }

    /// Whether a streamed answer that has begun breaks off when another request is answered. One that goes on has to end by
    /// itself soon.
    func isCutOff(
        _ path: String, key: String, by method: HTTP.Method, _ other: String
    ) throws -> Bool {
        func request(_ method: HTTP.Method, _ path: String, _ key: String) -> ClientRequest {
            ClientRequest(
                method: method, origin: origin, target: path, fields: ["authorization": "Bearer \(key)"], body: [],
                addresses: .configured, tls: trust)
        }
        let (stream, act) = (request(.get, path, key), request(method, other, self.key))
        return try onLoop(within: .seconds(60)) { loop in
            let client = HTTPClient(on: loop, resolver: try Resolver())
            defer { client.close() }
            let answer = try await client.send(stream, cancellation: nil)
            try #require(answer.status.code == 200)
            let done = try await client.send(act, cancellation: nil)
            _ = try await done.collect(max: 1 << 20)
            try #require(done.status.code == 200)
            do {
                _ = try await answer.collect(max: 1 << 20)
                return false
            } catch {
                return true
            }
        }
    }

    /// Calls one after the other over connections that are kept, for proofs that make hundreds.
    final class Line {
        private let house: House
        private let loop: EventLoop
        private let client: HTTPClient

        init(_ house: House) throws {
            self.house = house
            loop = try EventLoop(name: "line")
            try loop.start()
            client = HTTPClient(on: loop, resolver: try Resolver())
        }

        deinit {
            loop.stop()
            loop.join()
        }

        func call(_ method: HTTP.Method, _ path: String, key: String? = nil, body: String = "") throws -> Answer {
            var fields: Fields = [:]
            if let key { fields.append("authorization", "Bearer \(key)") }
            if !body.isEmpty { fields.append("content-type", "application/json") }
            let request = ClientRequest(
                method: method, origin: house.origin, target: path, fields: fields, body: Array(body.utf8),
                addresses: .configured, tls: house.trust)
            let outcome = Monitor<Result<Answer, any Error>?>(nil)
            let client = client
            loop.spawn {
                let result: Result<Answer, any Error>
                do {
                    let response = try await client.send(request, cancellation: nil)
                    let body = try await response.collect(max: 1 << 20)
                    result = .success(Answer(status: response.status.code, fields: response.fields, body: body))
                } catch {
                    result = .failure(error)
                }
                outcome.withLock { $0 = result }
                outcome.signal()
            }
            return try outcome.wait { $0 }.get()
        }
    }

    /// Sends a chat when it is called, from whatever thread, and gives the answer's body.
    func caller(body: JSONValue) throws -> @Sendable () throws -> JSONValue {
        let request = ClientRequest(
            method: .post, origin: origin, target: "/v1/chat/completions",
            fields: ["authorization": "Bearer \(key)", "content-type": "application/json"], body: body.serialized(),
            addresses: .configured, tls: trust)
        return {
            try onLoop(within: .seconds(60)) { loop in
                let client = HTTPClient(on: loop, resolver: try Resolver())
                defer { client.close() }
                return try JSONValue(
                    parsing: try await client.send(request, cancellation: nil).collect(max: 1 << 20))
            }
        }
    }

    /// The statuses of the same request sent so many times at once.
    func statuses(_ count: Int, _ path: String, key: String, body: JSONValue) throws -> [Int] {
        let request = ClientRequest(
            method: .post, origin: origin, target: path,
            fields: ["authorization": "Bearer \(key)", "content-type": "application/json"], body: body.serialized(),
            addresses: .configured, tls: trust)
        return try onLoop(within: .seconds(120)) { loop in
            let client = HTTPClient(on: loop, resolver: try Resolver())
            defer { client.close() }
            return try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<count {
                    group.addTask {
                        let response = try await client.send(request, cancellation: nil)
                        _ = try await response.collect(max: 1 << 20)
                        return response.status.code
                    }
                }
                var statuses: [Int] = []
                for try await status in group { statuses.append(status) }
                return statuses
            }
        }
    }

    /// A chat of one turn.
    func chat(_ text: String, key: String?) throws -> Answer {
        let body: JSONValue = ["model": "echo", "messages": [["role": "user", "content": .string(text)]]]
        return try call(
            .post, "/v1/chat/completions", key: key, body: String(decoding: body.serialized(), as: UTF8.self))
    }
}
