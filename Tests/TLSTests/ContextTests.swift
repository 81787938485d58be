// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import Crypto
import EventLoop
import Glibc
import Platform
import Support
import Testing

@testable import TLS

struct ContextTests {
    let certificates: Certificates

    init() throws { certificates = try Certificates.shared.get() }

    @Test func `knows when its certificate ends`() throws {
        let context = try TLSServerContext(
            certificateFile: certificates.certificate("server"), keyFile: certificates.key("server"))
        let left = context.expiry - .now()
        #expect(left > .seconds(29 * 86_400) && left <= .seconds(30 * 86_400))
    }

    @Test func `takes a certificate made in memory, and a chain`() throws {
        let made = try SelfSignedCertificate(names: ["localhost", "127.0.0.1"], at: .now())
        _ = try TLSServerContext(certificate: made.certificatePEM, key: made.keyPEM)
        let chain =
            try AtomicFile.read(path: certificates.certificate("server"), bytesMax: 100_000)
            + AtomicFile.read(path: certificates.authority, bytesMax: 100_000)
        let key = try AtomicFile.readSecret(path: certificates.key("server"), bytesMax: 100_000)
        _ = try TLSServerContext(certificate: chain, key: key)
    }

    @Test func `refuses a key that is not the certificate's`() throws {
        for other in ["other", "rsa"] {
            #expect(throws: TLSContextFailure.keyMismatch) {
                try TLSServerContext(
                    certificateFile: certificates.certificate("server"), keyFile: certificates.key(other))
            }
        }
    }

    @Test(arguments: [(0o600, true), (0o400, true), (0o640, true), (0o644, false), (0o604, false), (0o660, false)])
    func `refuses a key that others may read or change`(mode: UInt32, isFine: Bool) throws {
        let directory = try TemporaryDirectory()
        let key = try AtomicFile.read(path: certificates.key("server"), bytesMax: 100_000)
        try AtomicFile.write(path: directory("key"), bytes: key, mode: mode)
        let make = { () throws(TLSContextFailure) in
            _ = try TLSServerContext(
                certificateFile: certificates.certificate("server"), keyFile: directory("key"))
        }
        if isFine {
            try make()
        } else {
            #expect(throws: TLSContextFailure.keyExposed(mode: mode)) { try make() }
        }
    }

    @Test func `says what is wrong with a file`() throws {
        let directory = try TemporaryDirectory()
        let (certificate, key) = (certificates.certificate("server"), certificates.key("server"))
        #expect(throws: TLSContextFailure.certificateUnreadable(.noSuchFile)) {
            try TLSServerContext(certificateFile: directory("none"), keyFile: key)
        }
        #expect(throws: TLSContextFailure.keyUnreadable(.noSuchFile)) {
            try TLSServerContext(certificateFile: certificate, keyFile: directory("none"))
        }
        #expect(throws: TLSContextFailure.certificateMalformed("no certificate")) {
            try TLSServerContext(certificateFile: key, keyFile: key)
        }
        #expect(throws: TLSContextFailure.keyMalformed("no private key")) {
            try AtomicFile.write(path: directory("empty"), bytes: [], mode: 0o600)
            _ = try TLSServerContext(certificateFile: certificate, keyFile: directory("empty"))
        }
        let half = try AtomicFile.read(path: certificate, bytesMax: 100_000).prefix(200)
        try AtomicFile.write(path: directory("half"), bytes: Array(half), mode: 0o600)
        #expect(throws: TLSContextFailure.self) {
            try TLSServerContext(certificateFile: directory("half"), keyFile: key)
        }
        // With a passphrase: an error, not a question on the terminal.
        let locked = directory("locked")
        let (status, output) = try run([
            "openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked,
        ])
        #expect(status == 0, "\(output)")
        #expect(throws: TLSContextFailure.self) {
            try TLSServerContext(certificateFile: certificate, keyFile: locked)
        }
        #expect(throws: TLSContextFailure.authoritiesUnreadable) {
            try TLSClientContext(authoritiesFile: directory("none"))
        }
        #expect(throws: TLSContextFailure.authoritiesUnreadable) { try TLSClientContext(authoritiesFile: key) }
    }
}

struct TicketKeyRingTests {
    @Test func `keys are replaced every hour, and the one before still opens`() throws {
        let start = Instant(nanoseconds: 1_000_000_000_000)
        var ring = TicketKeyRing(at: start)
        let first = ring.sealing(at: start)
        #expect(first.name.count == 16)
        #expect(ring.sealing(at: start + .seconds(3_599)).name == first.name)
        #expect(ring.opening(first.name, at: start)?.isOld == false)
        let second = ring.sealing(at: start + .seconds(3_600))
        #expect(second.name != first.name)
        #expect(ring.opening(first.name, at: start + .seconds(3_601))?.isOld == true)
        #expect(ring.opening(second.name, at: start + .seconds(3_601))?.isOld == false)
        #expect(ring.opening([UInt8](repeating: 0, count: 16), at: start + .seconds(3_601)) == nil)
        #expect(ring.opening(first.name, at: start + .seconds(7_200)) == nil)
        #expect(ring.opening(second.name, at: start + .seconds(7_200))?.isOld == true)
        // After a long rest, nothing old is left.
        #expect(ring.opening(second.name, at: start + .seconds(100_000)) == nil)
    }
}

struct TLSSessionCacheTests {
    private func session(_ version: TLSVersion) throws -> ResumableSession {
        guard let session = unsafe SSL_SESSION_new() else { throw TookTooLong() }
        unsafe SSL_SESSION_set_protocol_version(session, version.rawValue)
        return unsafe ResumableSession(owning: session)
    }

    @Test func `keeps a few sessions an origin, each of TLS 1.3 for one use, and forgets the oldest origin`() throws {
        let cache = TLSSessionCache(originsMax: 3)
        let sessions = try (0..<6).map { _ in try session(.tls13) }
        for session in sessions { cache.put(session, "a:443") }
        for index in [5, 4, 3, 2] { #expect(cache.take("a:443") === sessions[index]) }
        #expect(cache.take("a:443") == nil)
        let old = try session(.tls12)
        cache.put(old, "b:443")
        #expect(cache.take("b:443") === old)
        #expect(cache.take("b:443") === old)
        cache.put(old, "c:443")
        cache.put(old, "a:443")
        cache.put(old, "d:443")
        #expect(cache.count == 3)
        #expect(cache.take("b:443") == nil)
        #expect(cache.take("a:443") === old)
        cache.remove("a:443")
        #expect(cache.take("a:443") == nil)
    }
}
