// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Glibc
import Platform
import Testing

@testable import Appliance

@Suite struct InheritedSocketsTests {
    private func read(_ variables: [String: String]) throws(StartFailure) -> [InheritedSockets.Item] {
        try InheritedSockets(processID: 42) { variables[$0] }.items
    }

    @Test func `takes what is meant for this process, with its names`() throws {
        #expect(try read([:]) == [])
        #expect(try read(["LISTEN_PID": "42"]) == [])
        #expect(try read(["LISTEN_PID": "41", "LISTEN_FDS": "2"]) == [], "meant for a parent")
        #expect(try read(["LISTEN_PID": "42", "LISTEN_FDS": "0"]) == [])
        let two: [InheritedSockets.Item] = [.init(descriptor: 3, name: "tls"), .init(descriptor: 4, name: "")]
        #expect(try read(["LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "tls:"]) == two)
        #expect(try read(["LISTEN_PID": "42", "LISTEN_FDS": "1"]) == [.init(descriptor: 3, name: "")])
    }

    // In a process of its own, since the environment is the process's.
    @Test func `the variables are gone afterwards, whoever they were for`() async {
        await #expect(processExitsWith: .success) {
            for processID in [getpid(), 1] {
                unsafe setenv("LISTEN_PID", "\(processID)", 1)
                unsafe setenv("LISTEN_FDS", "0", 1)
                unsafe setenv("LISTEN_FDNAMES", "", 1)
                _ = try? InheritedSockets.take()
                for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
                    precondition(unsafe getenv(name) == nil, "\(name) is still there")
                }
            }
        }
    }

    @Test(arguments: [("x", nil), ("-1", nil), ("65", nil), ("99999999999999999999", nil), ("2", "tls"), ("1", "a:b")])
    func `refuses what cannot be`(_ count: String, _ names: String?) {
        #expect(throws: StartFailure.self) {
            try read(["LISTEN_PID": "42", "LISTEN_FDS": count, "LISTEN_FDNAMES": names].compactMapValues { $0 })
        }
    }

    @Test(arguments: [
        ("tls", "127.0.0.1:1", Door.secure), ("redirect", "127.0.0.1:1", .plain), ("admin", "/x.sock", .admin),
        ("", "127.0.0.1:8443", .secure), ("gatehouse.socket", "127.0.0.1:8080", .plain),
        ("unknown", "/run/admin.sock", .admin),
        // The name decides.
        ("redirect", "127.0.0.1:8443", .plain),
        // Neither tells, or the kind is wrong.
        ("", "127.0.0.1:1", nil), ("TLS", "127.0.0.1:1", nil), ("", "/other.sock", nil),
        ("tls", "/run/admin.sock", nil),
        ("redirect", "/x.sock", nil), ("admin", "127.0.0.1:8443", nil), ("", "127.0.0.2:8443", nil),
    ])
    func `the name decides, else the address`(_ name: String, _ address: String, _ expected: Door?) throws {
        let configuration = try Configuration(
            text: "mode = \"development\"\n[http]\nlisten = [\"127.0.0.1:8443\"]\nredirect = [\"127.0.0.1:8080\"]")
        let settings = try HouseSettings(configuration).http
        let item = InheritedSockets.Item(descriptor: 3, name: name)
        let place = SocketAddress(address) ?? .unix(path: address)
        if let expected {
            #expect(try Door.of(item, at: place, settings, socketPath: "/run/admin.sock") == expected)
        } else {
            #expect(throws: StartFailure.self) {
                try Door.of(item, at: place, settings, socketPath: "/run/admin.sock")
            }
        }
    }
}
