// SPDX-License-Identifier: Apache-2.0
import EventLoop
import Platform
import Support
import TLS

/// A listener that shakes hands and hands over, or notes why not. Used on its loop only.
final class TestServer: @unchecked Sendable {
    let listener: Listener
    var context: TLSServerContext?
    var failures: [IOFailure] = []
    var securities: [Transport.Security?] = []

    var address: SocketAddress { listener.address }
    var port: UInt16 { address.port ?? 0 }

    init(
        _ context: TLSServerContext?, on loop: EventLoop, port: UInt16 = 0,
        serve: @escaping @Sendable (Transport) async -> Void = echo
    ) throws {
        self.context = context
        listener = Listener(try ListeningSocket(on: .ip(.loopbackV4, port: port)), on: loop)
        try listener.start { [self] socket in
            loop.spawn {
                do throws(IOFailure) {
                    let transport = try await Transport.accept(
                        socket, self.context, deadline: loop.now + .seconds(20))
                    self.securities.append(transport.security)
                    await serve(transport)
                } catch {
                    self.failures.append(error)
                }
            }
        }
    }

    /// Breaks the reference from the listener's closure too.
    func close() {
        listener.close()
    }

    func connect(_ client: TLSClientContext?, host: String = "localhost") async throws(IOFailure) -> Transport {
        try await Transport.connect(
            to: address, host: host, client, on: listener.loop, deadline: listener.loop.now + .seconds(20))
    }
}

@Sendable func echo(_ transport: Transport) async {
    while let bytes = try? await transport.read(), !bytes.isEmpty { try? await transport.write(bytes) }
    await transport.close()
}

extension Transport {
    func read(exactly count: Int) async throws(IOFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try await read(upTo: count - bytes.count)
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }
}
