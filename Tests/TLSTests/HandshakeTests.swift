// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import EventLoop
import Platform
import Support
import Synchronization
import Testing

@testable import TLS

struct HandshakeTests {
    let certificates: Certificates

    init() throws { certificates = try Certificates.shared.get() }

    func server(_ name: String = "server", minimum: TLSVersion = .tls13) throws -> TLSServerContext {
        try TLSServerContext(
            certificateFile: certificates.certificate(name), keyFile: certificates.key(name), minimum: minimum)
    }

    func client(_ authority: String? = nil, minimum: TLSVersion = .tls12) throws -> TLSClientContext {
        try TLSClientContext(authoritiesFile: authority ?? certificates.authority, minimum: minimum)
    }

    struct Visit: CustomTestStringConvertible, Sendable {
        let server: String
        let host: String
        var failure: String?
        var testDescription: String { "\(server) as \(host)" }
    }

    static let visits = [
        Visit(server: "server", host: "localhost"),
        Visit(server: "server", host: "127.0.0.1"),
        Visit(server: "server", host: "a.example.test"),
        Visit(server: "server", host: "LOCALHOST."),
        Visit(server: "rsa", host: "localhost"),
        Visit(server: "server", host: "a.b.example.test", failure: "certificate: hostname mismatch"),
        Visit(server: "server", host: "example.test", failure: "certificate: hostname mismatch"),
        Visit(server: "server", host: "127.0.0.2", failure: "certificate: IP address mismatch"),
        Visit(server: "other", host: "localhost", failure: "certificate: hostname mismatch"),
        // The name is in the subject only.
        Visit(server: "other", host: "other", failure: "certificate: hostname mismatch"),
        Visit(server: "expired", host: "localhost", failure: "certificate: certificate has expired"),
        Visit(server: "alone", host: "localhost", failure: "certificate: self-signed certificate"),
    ]

    @Test(arguments: visits) func `the server's certificate is verified`(visit: Visit) throws {
        let (serverContext, clientContext) = (try server(visit.server), try client())
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop)
            do throws(IOFailure) {
                let transport = try await server.connect(clientContext, host: visit.host)
                #expect(visit.failure == nil)
                try await transport.write([1])
                #expect(try await transport.read() == [1])
                await transport.close()
            } catch {
                #expect(error == visit.failure.map { .tls($0) })
            }
            server.close()
        }
    }

    @Test func `a certificate of an unknown authority is refused, one trusted by itself is not`() throws {
        let serverContext = try server("alone")
        let trusting = try client(certificates.certificate("alone"))
        let system = try TLSClientContext()
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop)
            let transport = try await server.connect(trusting)
            await transport.close()
            await #expect(throws: IOFailure.tls("certificate: self-signed certificate")) {
                try await server.connect(system)
            }
            server.close()
        }
    }

    struct Offer: CustomTestStringConvertible, Sendable {
        let arguments: String
        let minimum: TLSVersion
        /// Part of what s_client says, and nil where the handshake fails.
        let agreed: String?
        var testDescription: String { "\(arguments) to \(minimum)" }
    }

    static let offers = [
        Offer(arguments: "-tls1_1 -cipher DEFAULT@SECLEVEL=0", minimum: .tls13, agreed: nil),
        Offer(arguments: "-tls1_1 -cipher DEFAULT@SECLEVEL=0", minimum: .tls12, agreed: nil),
        Offer(arguments: "-tls1 -cipher DEFAULT@SECLEVEL=0", minimum: .tls12, agreed: nil),
        Offer(arguments: "-tls1_2", minimum: .tls13, agreed: nil),
        Offer(arguments: "-tls1_2", minimum: .tls12, agreed: "TLSv1.2"),
        Offer(arguments: "-tls1_3", minimum: .tls12, agreed: "TLSv1.3"),
        Offer(arguments: "-tls1_3", minimum: .tls13, agreed: "TLSv1.3"),
        Offer(arguments: "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256", minimum: .tls12, agreed: nil),
        Offer(arguments: "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA", minimum: .tls12, agreed: nil),
        Offer(arguments: "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256", minimum: .tls12, agreed: nil),
        Offer(
            arguments: "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", minimum: .tls12,
            agreed: "ECDHE-ECDSA-CHACHA20-POLY1305"),
        Offer(
            arguments: "-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256", minimum: .tls13, agreed: "TLS_AES_128_GCM_SHA256"
        ),
        Offer(arguments: "-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256", minimum: .tls13, agreed: nil),
        Offer(arguments: "-groups P-256", minimum: .tls13, agreed: "TLSv1.3"),
        Offer(arguments: "-groups P-384", minimum: .tls13, agreed: "TLSv1.3"),
        Offer(arguments: "-groups P-521", minimum: .tls13, agreed: nil),
        Offer(arguments: "-alpn http/1.1", minimum: .tls13, agreed: "ALPN protocol: http/1.1"),
        Offer(arguments: "-alpn h2,http/1.1", minimum: .tls13, agreed: "ALPN protocol: http/1.1"),
        Offer(arguments: "-alpn h2", minimum: .tls13, agreed: nil),
    ]

    /// A client that we did not write.
    @Test(arguments: offers) func `openssl s_client gets what we speak, and nothing else`(offer: Offer) throws {
        let serverContext = try server(minimum: offer.minimum)
        let authority = certificates.authority
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop)
            let worker = try Worker(name: "s_client", queueMax: 1)
            let words = "openssl s_client -connect 127.0.0.1:\(server.port) -CAfile \(authority) -verify_return_error"
            let arguments = "\(words) \(offer.arguments)".split(separator: " ").map(String.init)
            let result = try await worker.run { Result { try run(arguments) } }
            let (status, output) = try result.get()
            if let agreed = offer.agreed {
                #expect(status == 0, "\(output)")
                #expect(output.contains(agreed), "\(output)")
                #expect(output.contains("Verify return code: 0 (ok)"))
                #expect(!output.contains("Compression: zlib"))
            } else {
                #expect(status != 0, "\(output)")
                if offer.arguments == "-alpn h2" { #expect(output.contains("no application protocol"), "\(output)") }
            }
            worker.stop()
            server.close()
        }
    }

    @Test func `renegotiation is refused`() throws {
        let serverContext = try server(minimum: .tls12)
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop)
            let worker = try Worker(name: "s_client", queueMax: 1)
            let arguments = ["openssl", "s_client", "-connect", "127.0.0.1:\(server.port)", "-tls1_2"]
            let result = try await worker.run { Result { try run(arguments, input: "R\nhello\n") } }
            let (_, output) = try result.get()
            #expect(output.contains("RENEGOTIATING"))
            #expect(output.contains("no renegotiation"), "\(output)")
            worker.stop()
            server.close()
        }
    }

    @Test(arguments: [TLSVersion.tls13, .tls12]) func `a session is resumed, on another loop too`(
        version: TLSVersion
    ) throws {
        let serverContext = try server(minimum: .tls12)
        let clientContext = try client()
        // SSL_CTX_set_max_proto_version is a macro.
        _ = unsafe SSL_CTX_ctrl(
            clientContext.context.pointer, SSL_CTRL_SET_MAX_PROTO_VERSION, CLong(version.rawValue), nil)
        let port = Mutex<UInt16>(0)
        let resumed = try (0..<4).map { _ in
            // Each time another loop for the server.
            try onLoop { loop in
                let server = try TestServer(serverContext, on: loop, port: port.withLock { $0 })
                port.withLock { $0 = server.port }
                let transport = try await server.connect(clientContext)
                try await transport.write([1])
                #expect(try await transport.read() == [1])
                #expect(transport.security?.version == (version == .tls13 ? "TLSv1.3" : "TLSv1.2"))
                await transport.close()
                await loop.sleep(.milliseconds(5))
                #expect(server.securities.last??.isResumed == transport.security?.isResumed)
                server.close()
                return transport.security?.isResumed
            }
        }
        #expect(resumed == [false, true, true, true])
    }

    @Test func `a session of another server context is not resumed, and the handshake still works`() throws {
        let clientContext = try client()
        let port = Mutex<UInt16>(0)
        for isFirst in [true, false] {
            let serverContext = try server()
            try onLoop { loop in
                let server = try TestServer(serverContext, on: loop, port: port.withLock { $0 })
                port.withLock { $0 = server.port }
                let transport = try await server.connect(clientContext)
                try await transport.write([1])
                #expect(try await transport.read() == [1])
                #expect(transport.security?.isResumed == false, "first: \(isFirst)")
                await transport.close()
                server.close()
            }
        }
    }

    @Test func `a session is never used for another host`() throws {
        let (serverContext, clientContext) = (try server(), try client())
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop)
            for host in ["localhost", "a.example.test", "127.0.0.1"] {
                let transport = try await server.connect(clientContext, host: host)
                try await transport.write([1])
                #expect(try await transport.read() == [1])
                #expect(transport.security?.isResumed == false)
                await transport.close()
            }
            #expect(clientContext.sessions.count == 3)
            await #expect(throws: IOFailure.tls("certificate: hostname mismatch")) {
                try await server.connect(clientContext, host: "wrong.test")
            }
            #expect(clientContext.sessions.count == 3)
            server.close()
        }
    }
}
