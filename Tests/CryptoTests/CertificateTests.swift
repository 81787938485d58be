// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Crypto
import Platform
import Support
import Testing

@Suite struct CertificateTests {
    private let certificate: SelfSignedCertificate
    private let parsed: Parsed

    /// The certificate as OpenSSL reads it back.
    @safe private final class Parsed {
        let pointer: OpaquePointer

        init(pem: [UInt8]) throws {
            let bio = unsafe try #require(unsafe BIO_new_mem_buf(pem, CInt(pem.count)))
            defer { unsafe _ = BIO_free(bio) }
            unsafe pointer = try #require(unsafe PEM_read_bio_X509(bio, nil, nil, nil))
        }

        deinit { unsafe X509_free(pointer) }
    }

    init() throws {
        certificate = try SelfSignedCertificate(names: ["localhost", "*.example.org", "127.0.0.1", "::1"], at: .now())
        parsed = try Parsed(pem: certificate.certificatePEM)
    }

    @Test(arguments: [
        ("localhost", true), ("a.example.org", true), ("example.org", false), ("localhost.evil", false), ("b", false),
    ])
    func `speaks for its names alone`(name: String, isNamed: Bool) {
        #expect(unsafe (X509_check_host(parsed.pointer, name, 0, 0, nil) == 1) == isNamed)
    }

    @Test(arguments: [("127.0.0.1", true), ("::1", true), ("127.0.0.2", false), ("::2", false)])
    func `speaks for its addresses alone`(address: String, isNamed: Bool) {
        #expect(unsafe (X509_check_ip_asc(parsed.pointer, address, 0) == 1) == isNamed)
    }

    @Test func `is a server's, no authority, signed by its own key, for 397 days`() throws {
        let server = unsafe X509_check_purpose(parsed.pointer, X509_PURPOSE_SSL_SERVER, 0)
        let client = unsafe X509_check_purpose(parsed.pointer, X509_PURPOSE_SSL_CLIENT, 0)
        let authority = unsafe X509_check_ca(parsed.pointer)
        #expect(server == 1 && client == 0 && authority == 0)
        let bytes = certificate.keyPEM.withBytes { Array(copying: $0) }
        let bio = unsafe try #require(unsafe BIO_new_mem_buf(bytes, CInt(bytes.count)))
        defer { unsafe _ = BIO_free(bio) }
        let key = unsafe try #require(unsafe PEM_read_bio_PrivateKey(bio, nil, nil, nil))
        defer { unsafe EVP_PKEY_free(key) }
        let matches = unsafe X509_check_private_key(parsed.pointer, key)
        let verified = unsafe X509_verify(parsed.pointer, key)
        #expect(matches == 1 && verified == 1)
        var days: CInt = 0
        var seconds: CInt = 0
        let differs = unsafe ASN1_TIME_diff(
            &days, &seconds, X509_get0_notBefore(parsed.pointer), X509_get0_notAfter(parsed.pointer))
        #expect(differs == 1 && days == 397 && seconds == 0)
        let started = unsafe X509_cmp_current_time(X509_get0_notBefore(parsed.pointer))
        #expect(started < 0)
    }

    @Test func `has another key and serial number each time`() throws {
        let other = try SelfSignedCertificate(names: ["localhost"], at: .now())
        #expect(other.fingerprint != certificate.fingerprint)
        #expect(other.certificatePEM != certificate.certificatePEM)
        #expect(String(decoding: other.certificatePEM, as: UTF8.self).hasPrefix("-----BEGIN CERTIFICATE-----\n"))
    }

    @Test(arguments: [
        [], [""], ["a,IP:1.2.3.4"], ["a\nb"], ["a..b"], [".a"], ["a."], ["*"], ["a.*"], ["a b"], ["ä"], ["1.2.3.4/8"],
        [String(repeating: "a", count: 64)], [String(repeating: "a.", count: 127) + "a"],
        [String](repeating: "a", count: 65), ["email:a@b"], ["@section"],
    ])
    func `refuses what is no name`(names: [String]) {
        #expect(throws: CryptoError.self) { try SelfSignedCertificate(names: names, at: .now()) }
    }
}
