// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import TLS

/// The server's certificate and key, from the files that `[http] tls` names.
enum CertificateFiles {
    /// In development, where no file is named, makes a self-signed pair below the data directory, and makes it anew when it
    /// is about to end.
    ///
    /// - Returns: what handshakes need, and how the files looked before they were read.
    static func load(_ settings: TLSSettings, hosts: Set<String>, dataDirectory: String) throws(StartFailure)
        -> (context: TLSServerContext, pair: CertificateWatch.Pair)
    {
        var pair = CertificateWatch.Pair((settings.certificate, settings.key))
        if settings.isSelfSigned {
            if let context = try? open(settings), context.expiry > .now() + Self.renewBefore { return (context, pair) }
            try make(settings, hosts: hosts, dataDirectory: dataDirectory)
            pair = CertificateWatch.Pair((settings.certificate, settings.key))
        }
        return (try open(settings), pair)
    }

    /// A certificate that ends sooner than this is replaced at the start.
    private static let renewBefore: Duration = .seconds(7 * 86_400)

    /// Reads the pair as it is.
    static func open(_ settings: TLSSettings) throws(StartFailure) -> TLSServerContext {
        do {
            return try TLSServerContext(
                certificateFile: settings.certificate, keyFile: settings.key,
                minimum: settings.minimum == .tls12 ? .tls12 : .tls13)
        } catch {
            throw StartFailure(
                "the certificate \(settings.certificate) with key \(settings.key) cannot be used: \(error)",
                hint: "both are PEM; the chain begins with the server's own certificate")
        }
    }

    private static func make(
        _ settings: TLSSettings, hosts: Set<String>, dataDirectory: String
    ) throws(StartFailure) {
        // The brackets of an IPv6 host belong to the Host field, not to the name on a certificate.
        let names = hosts.map { $0.hasPrefix("[") ? String($0.dropFirst().dropLast()) : $0 }.sorted()
        do {
            try AtomicFile.makeDirectory(path: dataDirectory + "/tls", mode: 0o700)
            let pair = try SelfSignedCertificate(names: names, at: .now())
            var key = pair.keyPEM.withBytes { bytes in bytes.indices.map { bytes[$0] } }
            defer { SecretBytes.wipe(&key) }
            try AtomicFile.write(path: settings.key, bytes: key, mode: 0o600)
            try AtomicFile.write(path: settings.certificate, bytes: pair.certificatePEM, mode: 0o600)
        } catch {
            throw StartFailure("a self-signed certificate cannot be made: \(error)")
        }
    }
}
