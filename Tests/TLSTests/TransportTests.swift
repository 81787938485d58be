// SPDX-License-Identifier: Apache-2.0
import Bytes
import EventLoop
import Glibc
import Platform
import Support
import TLS
import Testing

struct TransportTests {
    let certificates: Certificates

    init() throws { certificates = try Certificates.shared.get() }

    func server(_ name: String = "server", minimum: TLSVersion = .tls13) throws -> TLSServerContext {
        try TLSServerContext(
            certificateFile: certificates.certificate(name), keyFile: certificates.key(name), minimum: minimum)
    }

    func client() throws -> TLSClientContext {
        try TLSClientContext(authoritiesFile: certificates.authority)
    }

    @Test(arguments: [false, true]) func `the same stream, plain and over TLS`(isSecure: Bool) throws {
        let serverContext = isSecure ? try server() : nil
        let clientContext = isSecure ? try client() : nil
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop)
            let transport = try await server.connect(clientContext)
            #expect((transport.security != nil) == isSecure)
            if isSecure {
                #expect(transport.security?.version == "TLSv1.3")
                #expect(transport.security?.applicationProtocol == "http/1.1")
            }
            // One byte, a record's length and its neighbours, several records.
            for size in [1, 2, 16_383, 16_384, 16_385, 100_000, 1_000_000] {
                let sent = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }
                let writing = OneShot<Bool>(on: loop)
                loop.spawn { writing.fulfil((try? await transport.write(sent)) != nil) }
                let received = try await transport.read(exactly: size)
                #expect(received == sent)
                #expect(await writing.value())
            }
            await transport.close()
            server.close()
        }
    }

    @Test(arguments: [false, true]) func `two pieces arrive as one stream, whatever their sizes`(isSecure: Bool) throws
    {
        let serverContext = isSecure ? try server() : nil
        let clientContext = isSecure ? try client() : nil
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop)
            let transport = try await server.connect(clientContext)
            for (first, second) in [
                (0, 0), (0, 5), (5, 0), (5, 5), (100, 16_284), (100, 20_000), (20_000, 3), (16_384, 1),
            ] {
                let (head, body) = ([UInt8](repeating: 1, count: first), [UInt8](repeating: 2, count: second))
                loop.spawn { try? await transport.write(head, body) }
                let received = try await transport.read(exactly: first + second)
                #expect(received == head + body)
            }
            await transport.close()
            server.close()
        }
    }

    @Test func `reads go behind what a buffer holds, within its bound`() throws {
        let (serverContext, clientContext) = (try server(), try client())
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop)
            let transport = try await server.connect(clientContext)
            try await transport.write(Array("hello, world".utf8))
            var buffer = ByteBuffer(bytesMax: 8)
            #expect(try await transport.read(into: &buffer, upTo: 5) == 5)
            #expect(try await transport.read(into: &buffer) == 3)
            let first = buffer.takeAll()
            #expect(first == Array("hello, w".utf8))
            #expect(try await transport.read(into: &buffer) == 4)
            await transport.close()
            server.close()
        }
    }

    @Test func `backpressure: a slow reader loses nothing over TLS`() throws {
        let (serverContext, clientContext) = (try server(), try client())
        try onLoop { loop in
            let sent = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 13 >> 5) }
            let server = try TestServer(serverContext, on: loop) { transport in
                try? await transport.write(Array("head".utf8), sent)
                await transport.close()
            }
            let transport = try await server.connect(clientContext)
            var received: [UInt8] = []
            while true {
                if received.count % 5 == 0 { await loop.sleep(.milliseconds(1)) }
                let bytes = try await transport.read(upTo: 50_000)
                if bytes.isEmpty { break }
                received += bytes
            }
            #expect(received == Array("head".utf8) + sent)
            server.close()
        }
    }

    @Test func `an orderly end and a cut are told apart`() throws {
        let (serverContext, clientContext) = (try server(), try client())
        try onLoop { loop in
            let orderly = try TestServer(serverContext, on: loop) { transport in
                try? await transport.write([1])
                await transport.close()
            }
            let first = try await orderly.connect(clientContext)
            #expect(try await first.read() == [1])
            #expect(try await first.read() == [])
            await first.close()
            orderly.close()

            // The socket ends without a goodbye: the transport is dropped, not closed.
            let cutting = try TestServer(serverContext, on: loop) { transport in try? await transport.write([2]) }
            let second = try await cutting.connect(clientContext)
            #expect(try await second.read() == [2])
            await #expect(throws: IOFailure.truncated) { try await second.read() }
            await second.close()
            cutting.close()
        }
    }

    @Test(arguments: [false, true]) func `a client that goes away is noticed within 100 ms while nobody reads`(
        isSecure: Bool
    ) throws {
        let serverContext = isSecure ? try server() : nil
        let clientContext = isSecure ? try client() : nil
        try onLoop { loop in
            let accepted = OneShot<Transport>(on: loop)
            let server = try TestServer(serverContext, on: loop) { accepted.fulfil($0) }
            let client = try await server.connect(clientContext)
            let transport = await accepted.value()
            let noticed = OneShot<Instant>(on: loop)
            transport.onPeerClosed = { _ in noticed.fulfil(.now()) }
            try await client.write(Array("never read".utf8))
            await loop.sleep(.milliseconds(5))
            let start = Instant.now()
            await client.close()
            #expect(await noticed.value() - start < .milliseconds(100))
            server.close()
        }
    }

    @Test func `abort ends a pending read and a pending write at once`() throws {
        let (serverContext, clientContext) = (try server(), try client())
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop) { transport in
                await loop.sleep(.seconds(10))
                _ = transport
            }
            let transport = try await server.connect(clientContext)
            let reading = OneShot<IOFailure?>(on: loop)
            let writing = OneShot<IOFailure?>(on: loop)
            loop.spawn {
                do throws(IOFailure) {
                    _ = try await transport.read()
                    reading.fulfil(nil)
                } catch { reading.fulfil(error) }
            }
            loop.spawn {
                do throws(IOFailure) {
                    try await transport.write([UInt8](repeating: 0, count: 10_000_000))
                    writing.fulfil(nil)
                } catch { writing.fulfil(error) }
            }
            await loop.sleep(.milliseconds(20))
            transport.abort(.cancelled)
            #expect(await reading.value() == .cancelled)
            #expect(await writing.value() == .cancelled)
            server.close()
        }
    }

    @Test func `a read deadline ends the wait, not the stream`() throws {
        let (serverContext, clientContext) = (try server(), try client())
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop)
            let transport = try await server.connect(clientContext)
            transport.readDeadline = loop.now + .milliseconds(20)
            await #expect(throws: IOFailure.timedOut) { try await transport.read() }
            transport.readDeadline = nil
            try await transport.write([9])
            #expect(try await transport.read() == [9])
            await transport.close()
            server.close()
        }
    }

    @Test func `a handshake has a deadline and can be cancelled, on both sides`() throws {
        let (serverContext, clientContext) = (try server(), try client())
        try onLoop { loop in
            // A server that never answers.
            let silent = try TestServer(nil, on: loop) { transport in
                await loop.sleep(.seconds(10))
                _ = transport
            }
            await #expect(throws: IOFailure.timedOut) {
                try await Transport.connect(
                    to: silent.address, host: "localhost", clientContext, on: loop,
                    deadline: loop.now + .milliseconds(30))
            }
            let cancellation = Cancellation(on: loop)
            loop.schedule(after: .milliseconds(10)) { cancellation.fire() }
            await #expect(throws: IOFailure.cancelled) {
                try await Transport.connect(
                    to: silent.address, host: "localhost", clientContext, on: loop, cancellation: cancellation)
            }
            silent.close()
            // A client that never begins.
            let (first, second) = try Socket.pair(on: loop)
            await #expect(throws: IOFailure.timedOut) {
                try await Transport.accept(first, serverContext, deadline: loop.now + .milliseconds(30))
            }
            #expect(!first.isOpen)
            second.close()
        }
    }

    @Test func `an answer survives although the request was not read`() throws {
        try onLoop { loop in
            let answer = [UInt8](repeating: 7, count: 50_000)
            let server = try TestServer(nil, on: loop) { transport in
                try? await transport.write(answer)
                await transport.close(draining: 10_000_000, until: loop.now + .seconds(2))
            }
            let transport = try await server.connect(nil)
            let writing = OneShot<Bool>(on: loop)
            loop.spawn { writing.fulfil((try? await transport.write([UInt8](repeating: 1, count: 3_000_000))) != nil) }
            #expect(await writing.value())
            #expect(try await transport.read(exactly: 50_000) == answer)
            #expect(try await transport.read() == [])
            await transport.close()
            server.close()
        }
    }

    @Test func `a plain request to a TLS port is an error, not a hang`() throws {
        let serverContext = try server()
        try onLoop { loop in
            let server = try TestServer(serverContext, on: loop)
            let transport = try await server.connect(nil)
            try await transport.write(Array("GET / HTTP/1.1\r\nhost: x\r\n\r\n".utf8))
            while let bytes = try? await transport.read(), !bytes.isEmpty {}
            #expect(server.failures == [.tls("http request")])
            await transport.close()
            server.close()
        }
    }

    @Test func `new connections get the new certificate, old ones go on`() throws {
        let (old, new) = (try server("server"), try server("rsa"))
        let clientContext = try client()
        try onLoop { loop in
            let server = try TestServer(old, on: loop)
            let first = try await server.connect(clientContext, host: "127.0.0.1")
            server.context = new
            // The new certificate is for localhost only.
            await #expect(throws: IOFailure.tls("certificate: IP address mismatch")) {
                try await server.connect(clientContext, host: "127.0.0.1")
            }
            let second = try await server.connect(clientContext)
            try await first.write([1])
            #expect(try await first.read() == [1])
            await first.close()
            await second.close()
            server.close()
        }
    }

    @Test func `hundreds of handshakes leave no descriptor behind`() throws {
        let (serverContext, clientContext) = (try server(), try client())
        try onLoop(within: .seconds(100)) { loop in
            func openDescriptors() -> Int { (0..<4_096).count { fcntl($0, F_GETFD) >= 0 } }
            let server = try TestServer(serverContext, on: loop)
            let before = openDescriptors()
            for number in 0..<300 {
                let transport = try await server.connect(clientContext)
                if number % 2 == 0 { await transport.close() } else if number % 3 == 0 { transport.abort() }
            }
            await loop.sleep(.milliseconds(50))
            #expect(openDescriptors() < before + 200)
            server.close()
        }
    }
}
