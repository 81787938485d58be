// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Glibc
import HTTP
import JSON
import Log
import Platform
import SQLite
import Support
import Testing

@testable import Appliance
@testable import Audit
@testable import Sandbox

/// Each probe at a server as it should be, where it holds, and at one that was composed without the thing, where it does not.
@Suite(.serialized) struct ControlTests {
    private static let configuration = House.configuration.replacing(
        "requests_per_hour = 20", with: "requests_per_hour = 1000000\nunauthenticated = []")

    /// The rows of wave 1, as the design lists them. Whoever adds a promise adds it here, and the other way round.
    private static let rows = [
        "D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D11", "D12", "T1", "T2", "T3", "T4", "T5", "T6", "T7",
        "W1", "W2", "W3", "W4", "W5", "W6", "W9", "S1", "S2", "S3", "S4", "S8", "C1", "C2", "R1", "R2", "R3", "R4",
        "H1", "H7",
    ]

    @Test func `every promise of this version is in the list, in its order`() {
        #expect(Controls.all.map(\.id) == Self.rows)
        for control in Controls.all {
            #expect(control.promise.hasSuffix(".") && control.promise.first?.isUppercase == true, "\(control.id)")
            #expect(control.section.map { section in moduleKinds.contains { $0.section == section } } ?? true)
        }
    }

    @Test func `each test that is named is there`() throws {
        let tests = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        for name in Controls.all.flatMap(\.tests) {
            let parts = name.split(separator: "::", maxSplits: 1).map(String.init)
            let file = try #require(parts.first)
            let text = String(
                decoding: try AtomicFile.read(path: "\(tests)/\(file)", bytesMax: 1 << 20), as: UTF8.self)
            let wanted = file.hasSuffix(".py") ? "def \(parts[1])(" : "func `\(parts[1])`("
            #expect(text.contains(wanted), "\(name)")
        }
    }

    @Test func `every probe holds at a server as it should be`() throws {
        let house = try House(Self.configuration + "\n[sandbox]\nwarm = 0\n")
        _ = try house.chat("hello", key: house.key)
        var facts = house.facts
        facts.coreBytesMax = { 0 }
        for control in Controls.all {
            guard case .live(_, let probe) = control.evidence else { continue }
            #expect(try house.result(of: probe, facts) == .held, "\(control.id)")
        }
    }

    /// A server on which some routes are others.
    private func house(_ method: HTTP.Method, _ pattern: String, _ handler: @escaping Route.Handler) throws -> House {
        try House(
            Self.configuration,
            rerouting: { routes in
                routes.map { route in
                    guard route.method == method, route.pattern == pattern else { return route }
                    return Route(
                        method, pattern, guard: .public(why: "a test left its guard out"), summary: "x",
                        handler: handler)
                }
            })
    }

    private func expectFailure(_ result: ProbeResult, _ words: String) {
        guard case .failed(let reason) = result else {
            Issue.record("nothing is found: \(result)")
            return
        }
        #expect(reason.contains(words), "\(reason)")
    }

    /// One of them is promised by this server too, where the configuration says so.
    @Test func `T1: a server that speaks an older version of TLS`() throws {
        let old = try House(Self.configuration, http: "tls = { minimum = \"1.2\" }")
        #expect(try old.result(of: Probes.oldTLS) == .held)
        // The same server where 1.3 is promised.
        var facts = old.facts
        facts.minimum = .tls13
        expectFailure(try old.result(of: Probes.oldTLS, facts), "TLS 1.2 is agreed to")
    }

    /// Another program's server, with this one's certificate: it speaks what no library of ours would.
    @Test(arguments: [
        (["-tls1"], "TLS 1.0 is agreed to"), (["-tls1_1"], "TLS 1.1 is agreed to"),
        (
            ["-tls1_2", "-cipher", "AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA@SECLEVEL=0"],
            "a weak cipher is agreed to"
        ),
    ])
    func `T1: a server that speaks what is old or weak`(_ words: [String], _ found: String) throws {
        let house = try House(Self.configuration, http: "tls = { minimum = \"1.2\" }")
        let old = try OldServer(house.tls, words)
        defer { old.stop() }
        let client = try ProbeWorld(house.facts, at: old.address, nil).client
        defer { client.stop() }
        expectFailure(try Probes.agreements(client, .tls13), found)
    }

    @Test func `T2: a plain door that serves`() throws {
        let house = try House(Self.configuration)
        let careless = try PlainServer(answer: "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        defer { careless.stop() }
        let result = try house.result(of: Probes.plainHTTP, plain: careless.address)
        expectFailure(result, "plain HTTP does not lead to HTTPS")
        expectFailure(result, "a foreign host is not refused")
    }

    @Test func `T3: an answer without the fields`() throws {
        let careless = try house(.get, "/livez") { exchange throws(Failure) in
            try? await exchange.response.send(Status(200), ["server": "gatehouse/1"], body: [])
            return .streamed
        }
        let result = try careless.result(of: Probes.securityFields)
        expectFailure(result, "GET /livez (200) has no strict-transport-security")
    }

    @Test func `T4: a server that lets every origin read`() throws {
        let careless = try house(.get, "/livez") { exchange throws(Failure) in
            if let origin = exchange.request.head.fields["origin"] {
                exchange.answerFields.append("access-control-allow-origin", origin)
            }
            return .json([:])
        }
        expectFailure(try careless.result(of: Probes.foreignOrigins), "null may read answers")
    }

    @Test func `W3: a route without its guard`() throws {
        let careless = try house(.get, "/v1/nodes") { _ throws(Failure) in .json([:]) }
        // What the server has is not what it says it has.
        let promised = try House(Self.configuration)
        var facts = promised.facts
        facts.certificate = careless.facts.certificate
        expectFailure(try careless.result(of: Probes.guards, facts), "GET /v1/nodes answers 200 to nobody")
    }

    @Test func `W4: a server that takes a token nobody signed`() throws {
        let careless = try house(.get, "/auth/session") { _ throws(Failure) in .json([:]) }
        expectFailure(try careless.result(of: Probes.forgedSessions), "an unsigned token gets 200")
        let published = try house(.get, "/.well-known/jwks.json") { _ throws(Failure) in
            .json(["keys": [["kty": "oct", "alg": "HS256", "k": "AAAA"]]])
        }
        expectFailure(try published.result(of: Probes.forgedSessions), "not a public one")
    }

    @Test func `D4: a database that is not sealed`() throws {
        let house = try House(Self.configuration)
        let path = house.facts.dataDirectory + "/tenants/plain.db"
        try AtomicFile.write(path: path, bytes: Array(repeating: UInt8(ascii: "a"), count: 8192), mode: 0o600)
        expectFailure(try house.result(of: Probes.sealedPages), "plain.db can be read")
    }

    @Test func `D12: a column that nobody speaks of`() throws {
        let house = try House(Self.configuration)
        #expect(try house.result(of: Probes.inventory) == .held)
        let tenant = try #require(house.roles.directory?.find("default"))
        let own = try #require(house.roles.tenants).database(of: tenant.id, actor: "test")
        try onLoop { _ in
            try await own.write { transaction throws(SQLiteError) in
                try transaction.connection.execute("CREATE TABLE diary (entry TEXT) STRICT")
            }
        }
        expectFailure(try house.result(of: Probes.inventory), "diary.entry of the file of tenant \(tenant.id)")
        _ = try #require(house.roles.database).writeBlocking { connection throws(SQLiteError) in
            try connection.execute("ALTER TABLE auth_keys ADD COLUMN colour TEXT")
        }
        expectFailure(try house.result(of: Probes.inventory), "auth_keys.colour of control.db")
        // And what a next version would make without a word about it.
        var facts = house.facts
        let late = SQLiteMigrations(module: "late", steps: ["CREATE TABLE late (x TEXT) STRICT"])
        facts.schemas.append(Schema(.control, late, notes: []))
        expectFailure(try house.result(of: Probes.inventory, facts), "late.x is stored, and nobody says what it is")
    }

    @Test func `D8: a store that gives one tenant another's data`() throws {
        let first = Monitor<TenantID?>(nil)
        let house = try House(
            Self.configuration,
            altering: { section, roles in
                guard section == "store", let tenants = roles.tenants else { return }
                // Everybody gets the database of the first that comes.
                roles.tenants = ConfusedStore(honest: tenants) { tenant in
                    first.withLock { first in
                        if first == nil { first = tenant }
                        return first
                    }
                }
            })
        expectFailure(try house.result(of: Probes.isolation), "GET /v1/nodes shows what is another tenant's")
        let client = AdminClient(socketPath: try #require(house.socketPath))
        let left = try client.call(.get, "/admin/v1/tenants")["data"]?.array ?? []
        #expect(!left.isEmpty && !left.contains { $0["name"]?.string?.hasPrefix("controls-") == true })
    }

    @Test func `C1: a box that lacks a layer`() throws {
        let house = try House(
            Self.configuration + "\n[sandbox]\nwarm = 0\n",
            altering: { _, roles in
                roles.makeSandbox = { section, settings, _, log throws(ConfigurationError) in
                    try Sandbox(
                        section, settings: settings, keeper: BuiltProgram.path("gatehouse"),
                        layers: BoxLayers.all.subtracting(.network), usesGroups: true, log: log)
                }
            })
        expectFailure(try house.result(of: Probes.sandbox), "network namespace")
        // Not only because the start had found it.
        let found = try #require(house.facts.sandbox?.examine())
        #expect(found.troubles.contains { $0.contains("network namespace") } && !found.held.isEmpty)
        let without = try House(Self.configuration)
        #expect(try without.result(of: Probes.sandbox) == .untried("there is no sandbox"))
    }

    @Test func `R2: a record that was changed`() throws {
        let house = try House(Self.configuration)
        _ = try house.chat("hello", key: house.key)
        let directory = house.facts.dataDirectory + "/audit"
        // Whoever has no key can compare with what was signed, and with nothing else: the first checkpoint comes after seconds.
        for _ in 0..<1200 where !FileFacts.names(in: directory).contains("checkpoint") { usleep(50_000) }
        #expect(try house.result(of: Probes.auditChain) == .held)
        let name = try #require(FileFacts.names(in: directory).first { $0.hasSuffix(".log") })
        var bytes = try AtomicFile.read(path: "\(directory)/\(name)", bytesMax: 1 << 22)
        // In the first record, behind the segment's head: what comes last nobody has signed yet.
        bytes[SegmentHeader.byteCount + 40] ^= 1
        let raw = unsafe open("\(directory)/\(name)", O_WRONLY)
        _ = unsafe bytes.withUnsafeBytes { unsafe pwrite(raw, $0.baseAddress, $0.count, 0) }
        Glibc.close(raw)
        #expect(try house.result(of: Probes.auditChain) != .held)
    }

    @Test func `H1: a file that others may read, and memory in files`() throws {
        let house = try House(Self.configuration)
        var facts = house.facts
        facts.coreBytesMax = { 1 }
        expectFailure(try house.result(of: Probes.closedHouse, facts), "a crash would leave")
        facts.coreBytesMax = { 0 }
        #expect(try house.result(of: Probes.closedHouse, facts) == .held)
        #expect(unsafe chmod(facts.dataDirectory + "/control.db", 0o644) == 0)
        expectFailure(try house.result(of: Probes.closedHouse, facts), "control.db is open to others")
    }

    @Test func `a server that does not answer proves nothing`() throws {
        let house = try House(Self.configuration)
        let silent = try PlainServer(answer: "")
        defer { silent.stop() }
        let world = try ProbeWorld(house.facts, at: silent.address, silent.address)
        defer { world.client.stop() }
        for probe in [
            Probes.oldTLS, Probes.securityFields, Probes.foreignOrigins, Probes.guards, Probes.forgedSessions,
        ] {
            guard case .untried = probe(world) else {
                Issue.record("taken for proved: \(probe(world))")
                continue
            }
        }
    }
}

/// A server that speaks what this one does not (openssl-s_server(1)), on a port of the kernel's choice.
private final class OldServer {
    let address: SocketAddress
    private let program: Conversation

    init(_ tls: TLSSettings, _ words: [String]) throws {
        program = try Conversation(
            "openssl",
            ["s_server", "-accept", "127.0.0.1:0", "-www", "-key", tls.key, "-cert", tls.certificate]
                + (words.contains("-cipher") ? [] : ["-cipher", "ALL:@SECLEVEL=0"]) + words)
        var port: UInt16?
        while port == nil, let line = program.readLine() {
            if line.hasPrefix("ACCEPT ") { port = line.split(separator: ":").last.flatMap { UInt16($0) } }
        }
        address = .ip(.loopbackV4, port: try #require(port))
    }

    func stop() { program.kill() }
}

/// Answers every connection with the same bytes, in clear.
final class PlainServer {
    let address: SocketAddress
    private let descriptor: CInt
    private let thread: NamedThread

    init(answer: String) throws {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafeMutablePointer(to: &name) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(descriptor, address, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, address, &length) == 0
            }
        }
        try #require(result)
        self.descriptor = descriptor
        address = .ip(.loopbackV4, port: UInt16(bigEndian: name.sin_port))
        thread = try NamedThread.start(name: "plain") {
            var bytes = [UInt8](repeating: 0, count: 4096)
            while true {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0 else { return }
                _ = unsafe read(connection, &bytes, bytes.count)
                _ = unsafe write(connection, answer, answer.utf8.count)
                Glibc.close(connection)
            }
        }
    }

    func stop() {
        Glibc.shutdown(descriptor, CInt(SHUT_RDWR))
        thread.join()
        Glibc.close(descriptor)
    }
}
