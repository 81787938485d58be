// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Glibc
package import Platform

/// A certificate that vouches for itself, for a laptop and for tests: ECDSA P-256, usable by servers only, no authority.
///
/// It says of itself `CA:FALSE`, so that trusting it never means trusting what somebody else signs with its key.
package struct SelfSignedCertificate: Sendable {
    /// 397 days, the most that browsers accept.
    package static let validityDays = 397
    /// Names in one certificate.
    package static let namesMax = 64

    /// The certificate as PEM.
    package let certificatePEM: [UInt8]
    /// The private key as PEM (PKCS #8). Write it with mode 0600.
    package let keyPEM: SecretBytes
    /// SHA-256 of the certificate's DER, what browsers show.
    package let fingerprint: Digest

    /// Makes a fresh key and a certificate for `names`, each a DNS name (`*.` in front is allowed) or an address of IPv4
    /// or IPv6, valid from an hour before `time` (clocks differ) for 397 days.
    package init(names: [String], at time: WallTime) throws(CryptoError) {
        guard (1...SelfSignedCertificate.namesMax).contains(names.count) else { throw .parameter("names") }
        var entries: [String] = []
        for name in names {
            guard let entry = SelfSignedCertificate.entry(for: name) else { throw .parameter("name \(name)") }
            entries.append(entry)
        }
        guard let rawKey = unsafe copenssl_p256_generate(), let raw = unsafe X509_new() else {
            throw OpenSSLErrors.take("certificate")
        }
        let key = unsafe Key(rawKey)
        let certificate = unsafe Certificate(raw)
        guard certificate.fill(key: key, from: time.seconds - 3600), certificate.nameItself(),
            certificate.add(NID_basic_constraints, "critical,CA:FALSE"),
            certificate.add(NID_key_usage, "critical,digitalSignature"),
            certificate.add(NID_ext_key_usage, "serverAuth"),
            certificate.add(NID_subject_alt_name, entries.joined(separator: ",")),
            certificate.add(NID_subject_key_identifier, "hash"),
            certificate.sign(with: key)
        else { throw OpenSSLErrors.take("certificate") }
        certificatePEM = try certificate.pem()
        keyPEM = try key.pem()
        fingerprint = try certificate.fingerprint()
    }

    /// The name in the language of x509v3_config(5). A comma or a line end in a name would be another entry there, so only
    /// what is certainly a name or an address passes.
    private static func entry(for name: String) -> String? {
        // Large enough for an address of either family, and written by inet_pton only.
        var address = in6_addr()
        if unsafe inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1 {
            return "IP:\(name)"
        }
        guard (1...253).contains(name.utf8.count) else { return nil }
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        for (index, label) in labels.enumerated() {
            if index == 0, label.elementsEqual("*".utf8), labels.count > 1 { continue }
            let plain = label.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
            guard plain, (1...63).contains(label.count) else { return nil }
        }
        return "DNS:\(name)"
    }
}

/// An X509 with one owner, being filled.
@safe private struct Certificate: ~Copyable {
    private let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

    deinit { unsafe X509_free(pointer) }

    /// Version 3, a random serial number of 127 bits, the times, the public key.
    func fill(key: Key, from start: Int64) -> Bool {
        var serial = Random.bytes(16)
        // RFC 5280 §4.1.2.2: positive, so the highest bit is clear; and never zero.
        serial[0] = serial[0] & 0x7F | 0x40
        let end = start + Int64(SelfSignedCertificate.validityDays) * 86_400
        // Everything given lives for the call, which copies it; BN_bin2bn reads 16 bytes of an array of 16.
        guard let number = unsafe serial.withUnsafeBufferPointer({ unsafe BN_bin2bn($0.baseAddress, 16, nil) }) else {
            return false
        }
        defer { unsafe BN_free(number) }
        return unsafe X509_set_version(pointer, 2) == 1
            && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(pointer)) != nil
            && ASN1_TIME_set(X509_getm_notBefore(pointer), time_t(start)) != nil
            && ASN1_TIME_set(X509_getm_notAfter(pointer), time_t(end)) != nil
            && X509_set_pubkey(pointer, key.pointer) == 1
    }

    /// Subject and issuer are one.
    func nameItself() -> Bool {
        guard let name = unsafe X509_get_subject_name(pointer) else { return false }
        // The name belongs to the certificate; -1 asks for the text's own length.
        return unsafe X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, "gatehouse self-signed", -1, -1, 0) == 1
            && X509_set_issuer_name(pointer, name) == 1
    }

    /// Adds an extension written as in x509v3_config(5).
    func add(_ identifier: CInt, _ value: String) -> Bool {
        var context = unsafe X509V3_CTX()
        // The context is a local that refers to the certificate for the length of the two calls.
        unsafe copenssl_x509v3_context(&context, pointer, pointer)
        guard let addition = unsafe X509V3_EXT_conf_nid(nil, &context, identifier, value) else { return false }
        defer { unsafe X509_EXTENSION_free(addition) }
        return unsafe X509_add_ext(pointer, addition, -1) == 1
    }

    func sign(with key: Key) -> Bool {
        unsafe X509_sign(pointer, key.pointer, SHA256.algorithm.pointer) > 0
    }

    func pem() throws(CryptoError) -> [UInt8] {
        try unsafe collect { unsafe PEM_write_bio_X509($0, pointer) == 1 }
    }

    func fingerprint() throws(CryptoError) -> Digest {
        let der = try unsafe collect { unsafe i2d_X509_bio($0, pointer) == 1 }
        return SHA256.digest(der)
    }
}

extension Key {
    /// PKCS #8, not encrypted.
    fileprivate func pem() throws(CryptoError) -> SecretBytes {
        var bytes = try unsafe collect { unsafe PEM_write_bio_PKCS8PrivateKey($0, pointer, nil, nil, 0, nil, nil) == 1 }
        return SecretBytes(taking: &bytes)
    }
}

/// What `write` puts into a BIO in memory. BIO_free wipes it (BIO_s_mem(3) clears its buffer).
private func collect(_ write: (OpaquePointer) -> Bool) throws(CryptoError) -> [UInt8] {
    guard let bio = unsafe BIO_new(BIO_s_mem()) else { throw OpenSSLErrors.take("BIO") }
    defer { unsafe BIO_free(bio) }
    guard unsafe write(bio) else { throw OpenSSLErrors.take("BIO") }
    let count = unsafe BIO_ctrl_pending(bio)
    // The array has room for `count` bytes, the most the call writes.
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        initialized = unsafe max(0, Int(BIO_read(bio, buffer.baseAddress, CInt(count))))
    }
}
