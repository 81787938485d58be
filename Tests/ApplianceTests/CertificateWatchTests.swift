// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Glibc
import HTTP
import Platform
import Support
import Testing

@testable import Appliance

@Suite(.serialized) struct CertificateWatchTests {
    private struct Files {
        let directory: TemporaryDirectory
        var paths: (certificate: String, key: String) { (directory("cert.pem"), directory("key.pem")) }
        var pair: CertificateWatch.Pair { CertificateWatch.Pair(paths) }

        init() throws {
            directory = try TemporaryDirectory()
            try write("cert.pem", "a")
            try write("key.pem", "b")
        }

        func write(_ name: String, _ text: String) throws {
            try AtomicFile.write(path: directory(name), bytes: Array(text.utf8), mode: 0o600)
        }
    }

    @Test func `a pair that stays as it is is not read again`() throws {
        let files = try Files()
        var watch = CertificateWatch(using: files.pair)
        for _ in 0..<3 { #expect(watch.look(files.pair) == .wait) }
    }

    @Test func `another pair is read once it has stood still`() throws {
        let files = try Files()
        var watch = CertificateWatch(using: files.pair)
        try files.write("cert.pem", "c")
        #expect(watch.look(files.pair) == .wait)
        try files.write("key.pem", "d")
        #expect(watch.look(files.pair) == .wait, "still changing")
        #expect(watch.look(files.pair) == .load)
        #expect(watch.look(files.pair) == .wait, "tried once")
        try files.write("key.pem", "d")
        #expect(watch.look(files.pair) == .wait)
        #expect(watch.look(files.pair) == .load, "the same bytes in another file")
    }

    @Test func `a file that vanishes is tried once, and again when it is back`() throws {
        let files = try Files()
        var watch = CertificateWatch(using: files.pair)
        let gone = CertificateWatch.Pair(nil, files.pair.key)
        #expect([gone, gone, gone].map { watch.look($0) } == [.wait, .load, .wait])
        #expect([files.pair, files.pair].map { watch.look($0) } == [.wait, .load])
    }

    // MARK: The running server

    /// Puts another pair in the place of the server's, and says whether a client that trusts the old one alone still
    /// gets in.
    private func servesOld(_ house: House, looks: Int) throws -> Bool {
        let pair = try SelfSignedCertificate(names: ["localhost"], at: .now())
        let key = pair.keyPEM.withBytes { bytes in bytes.indices.map { bytes[$0] } }
        try AtomicFile.write(path: house.tls.key, bytes: key, mode: 0o600)
        try AtomicFile.write(path: house.tls.certificate, bytes: pair.certificatePEM, mode: 0o600)
        for _ in 0..<looks { house.lookAfterCertificate() }
        // The loops take the other pair up at their next turn, which may be a while on a busy machine.
        for _ in 0..<(looks == 0 ? 1 : 500) {
            if (try? house.call(.get, "/livez"))?.status != 200 { return false }
            usleep(10_000)
        }
        return true
    }

    @Test func `a server that looks uses the other pair for the connections that follow`() throws {
        #expect(try !servesOld(House(), looks: 2))
    }

    @Test func `a server that does not look goes on with the old one`() throws {
        #expect(try servesOld(House(), looks: 0))
    }

    @Test func `half of a pair changes nothing, and is complained about once`() throws {
        let house = try House()
        let pair = try SelfSignedCertificate(names: ["localhost"], at: .now())
        try AtomicFile.write(path: house.tls.certificate, bytes: pair.certificatePEM, mode: 0o600)
        for _ in 0..<5 { house.lookAfterCertificate() }
        #expect(try house.call(.get, "/livez").status == 200)
        #expect(house.log.count { $0.contains("the old certificate stays in use") } == 1)
        let key = pair.keyPEM.withBytes { bytes in bytes.indices.map { bytes[$0] } }
        try AtomicFile.write(path: house.tls.key, bytes: key, mode: 0o600)
        for _ in 0..<5 { house.lookAfterCertificate() }
        var served = true
        for _ in 0..<500 where served {
            served = (try? house.call(.get, "/livez")) != nil
            usleep(10_000)
        }
        #expect(!served, "the client trusts the old one alone")
    }
}
