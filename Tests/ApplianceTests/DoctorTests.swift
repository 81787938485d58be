// SPDX-License-Identifier: Apache-2.0

import Glibc
import JSON
import Platform
import Support
import Testing

@testable import Appliance

/// What the doctor makes of answers that a sound machine does not give.
struct DoctorTests {
    /// One thing that is not as it should be, and what is to be found.
    struct Case<Facts>: Sendable {
        let code: String
        let level: Finding.Level
        let change: @Sendable (inout Facts) -> Void

        init(_ code: String, _ level: Finding.Level, _ change: @escaping @Sendable (inout Facts) -> Void) {
            (self.code, self.level, self.change) = (code, level, change)
        }
    }

    private static let sound: HostFacts = {
        var facts = HostFacts()
        facts.kernel = "6.1.0-13-amd64"
        facts.userNamespacesMax = 1000
        facts.isClockSynchronized = true
        facts.descriptorsMax = 100_000
        facts.bytesFree = 100 << 30
        facts.bytesTotal = 200 << 30
        facts.filesFree = 1 << 20
        facts.connectionsMax = 20_000
        facts.wantsSandbox = true
        return facts
    }()

    @Test func `a sound host has nothing to mend`() {
        #expect(Self.sound.findings.allSatisfy { $0.level == .ok && $0.mend == nil }, "\(Self.sound.findings)")
        #expect(Set(Self.sound.findings.map(\.code)).count == Self.sound.findings.count)
    }

    @Test(arguments: [
        Case<HostFacts>("host.kernel", Finding.Level.fault, { $0.kernel = "5.10.0" }),
        Case<HostFacts>("host.kernel", .warning, { $0.kernel = "new" }),
        Case<HostFacts>("host.kernel", .warning, { ($0.kernel, $0.wantsSandbox) = ("4.19.0", false) }),
        Case<HostFacts>("host.entropy", .fault, { $0.hasEntropy = false }),
        Case<HostFacts>("host.clock", .warning, { $0.isClockSynchronized = false }),
        Case<HostFacts>("host.clock", .note, { $0.isClockSynchronized = nil }),
        Case<HostFacts>("host.clock", .fault, { $0.time = WallTime(seconds: 1_500_000_000) }),
        Case<HostFacts>("host.descriptors", .note, { $0.descriptorsMax = 1024 }),
        Case<HostFacts>("host.disk", .fault, { $0.bytesFree = 100 << 20 }),
        Case<HostFacts>("host.disk", .warning, { $0.bytesFree = 1 << 30 }),
        Case<HostFacts>("host.disk", .warning, { $0.filesFree = 10 }),
        Case<HostFacts>("host.disk", .warning, { $0.bytesFree = nil }),
        Case<HostFacts>("host.swap", .note, { $0.hasSwap = true }),
        Case<HostFacts>("host.namespaces", .fault, { $0.userNamespacesMax = 0 }),
        Case<HostFacts>("host.namespaces", .warning, { $0.userNamespacesMax = nil }),
    ])
    func `each thing that is wrong is found`(_ wrong: Case<HostFacts>) {
        var facts = Self.sound
        wrong.change(&facts)
        let found = facts.findings.filter { $0.level != .ok }
        #expect(found.map(\.code) == [wrong.code] && found.map(\.level) == [wrong.level], "\(found)")
    }

    @Test func `this host is asked`() {
        let facts = HostFacts(dataDirectory: "/tmp")
        #expect(!facts.kernel.isEmpty && facts.hasEntropy && facts.descriptorsMax > 0 && facts.bytesTotal ?? 0 > 0)
    }

    @Test func `files that others may read are found`() throws {
        let directory = try TemporaryDirectory()
        let (data, key) = (directory("data"), directory("root.key"))
        func levels() -> [Finding.Level] { FileFacts(dataDirectory: data, keyFiles: [key]).findings.map(\.level) }
        #expect(levels() == [.note, .note])
        try AtomicFile.makeDirectory(path: data, mode: 0o700)
        #expect(levels() == [.ok, .fault])
        try AtomicFile.write(path: key, bytes: [1], mode: 0o600)
        #expect(levels() == [.ok, .ok])
        try AtomicFile.write(path: data + "/a", bytes: [1], mode: 0o600)
        #expect(unsafe chmod(data + "/a", 0o604) == 0)
        #expect(levels() == [.warning, .ok])
        #expect(unsafe chmod(data + "/a", 0o600) == 0 && symlink("/etc", data + "/b") == 0)
        #expect(levels() == [.warning, .ok])
        #expect(unsafe unlink(data + "/b") == 0 && chmod(data, 0o755) == 0 && chmod(key, 0o640) == 0)
        #expect(levels() == [.fault, .fault])
    }

    private static let now = WallTime(seconds: 1_800_000_000)
    private static func daysAgo(_ days: Int) -> JSONValue { .string((now - .seconds(days * 86_400)).rfc3339) }

    /// A server on which nothing is to be mended.
    private static var running: ServerFacts {
        ServerFacts(
            status: ["version": "1"],
            store: [
                "rolled_at": daysAgo(1), "roll_interval_seconds": 86_400, "erasures_before_roll": 3, "work": .null,
            ],
            slots: [[:], [:]], backups: ["data": [["created_at": daysAgo(2)]]],
            keys: [["id": "k", "created_at": daysAgo(500), "rotated_at": daysAgo(3), "revoked_at": .null]],
            providers: [["name": "p", "key_state": "set", "models": [["name": "m", "state": "closed"]]]], now: now)
    }

    @Test func `a sound server has nothing to mend`() {
        #expect(Self.running.findings.allSatisfy { $0.level == .ok }, "\(Self.running.findings)")
        // Modules that are off are not missed.
        let alone = ServerFacts(status: ["version": "1"], now: Self.now)
        #expect(alone.findings.map(\.code) == ["server.running"])
    }

    @Test(arguments: [
        Case<ServerFacts>("server.running", Finding.Level.note, { $0.status = nil }),
        Case<ServerFacts>("store.slots", .warning, { $0.slots = [[:]] }),
        Case<ServerFacts>(
            "store.roll", .fault,
            {
                $0.store = [
                    "rolled_at": DoctorTests.daysAgo(3), "roll_interval_seconds": 86_400, "erasures_before_roll": 1,
                ]
            }
        ),
        Case<ServerFacts>("store.roll", .warning, { $0.store = [:] }),
        Case<ServerFacts>("backup.age", .warning, { $0.backups = ["data": []] }),
        Case<ServerFacts>("backup.age", .warning, { $0.backups = ["data": [["created_at": DoctorTests.daysAgo(8)]]] }),
        Case<ServerFacts>("key.age", .warning, { $0.keys = [["id": "k", "created_at": DoctorTests.daysAgo(400)]] }),
        Case<ServerFacts>(
            "provider.key", .fault, { $0.providers = [["name": "p", "key_state": "missing", "models": []]] }),
        Case<ServerFacts>(
            "provider.circuit", .warning,
            { $0.providers = [["name": "p", "key_state": "set", "models": [["name": "m", "state": "open"]]]] }
        ),
    ])
    func `what a server says of itself is judged`(_ wrong: Case<ServerFacts>) {
        var facts = Self.running
        wrong.change(&facts)
        let found = facts.findings.filter { $0.level != .ok }
        #expect(found.map(\.code) == [wrong.code] && found.map(\.level) == [wrong.level], "\(found)")
    }

    @Test func `the worst stands first, each with what to do`() {
        let text = DoctorCommand.text([
            Finding("a.a", "fine"), Finding("b.long", .fault, "broken", mend: "mend it"),
            Finding("c.c", .note, "so", mend: nil),
        ])
        #expect(
            text == """
                fault    b.long  broken
                                 → mend it
                note     c.c     so
                ok       a.a     fine
                """)
    }
}
