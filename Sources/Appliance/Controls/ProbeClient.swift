// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import Platform
import TLS

/// Asks the server as a stranger would: over the network, at the addresses it listens on, whatever its name resolves to.
///
/// Made for one round of probes, with a loop of its own; `stop` ends it.
final class ProbeClient: Sendable {
    /// Why there is no answer.
    struct Failure: Error {
        let reason: String
    }

    struct Answer: Sendable {
        let status: Int
        let fields: Fields
        let body: [UInt8]
    }

    /// Its name and port.
    let origin: Origin
    let secure: SocketAddress
    /// The door that redirects; nil where there is none.
    let plain: SocketAddress?
    private let trust: TLSClientContext
    private let loop: EventLoop
    private let client: HTTPClient

    private static let patience = Duration.seconds(10)
    private static let bodyBytesMax = 8 << 20

    /// Gives the server's own address for its name: a name server could lead to another server, and that one's conduct
    /// would prove nothing.
    private struct OwnAddress: NameResolver {
        let address: IPAddress

        func resolve(
            _ host: String, on loop: EventLoop, deadline: Instant?, cancellation: Cancellation?
        ) async throws(Resolver.Failure) -> [IPAddress] { [address] }
    }

    /// - Parameter certificate: the only one that is taken for the server's.
    init(
        host: String, secure: SocketAddress, plain: SocketAddress?, certificate: String
    ) throws(Failure) {
        self.secure = secure.reachable
        self.plain = plain?.reachable
        guard case .ip(let address, let port, _) = self.secure, let origin = Origin("https://\(host):\(port)") else {
            throw Failure(reason: "\(host) at \(secure) is no address that can be asked")
        }
        self.origin = origin
        do {
            trust = try TLSClientContext(authoritiesFile: certificate)
            loop = try EventLoop(name: "probes")
            try loop.start()
        } catch {
            throw Failure(reason: "nobody can be asked: \(error)")
        }
        client = HTTPClient(on: loop, resolver: OwnAddress(address: address))
    }

    func stop() {
        let (client, loop) = (client, loop)
        let isClosed = Monitor(false)
        loop.post {
            client.close()
            isClosed.withLock { $0 = true }
            isClosed.signal()
        }
        isClosed.wait { $0 ? true : nil }
        loop.stop()
        loop.join()
    }

    /// One request over TLS; where its method has a body and none is given, with an empty object.
    func call(
        _ method: HTTP.Method, _ path: String, _ fields: Fields = [:], body: String? = nil
    ) throws(Failure) -> Answer {
        let hasBody = method == .post || method == .put || method == .patch
        var fields = fields
        if hasBody { fields.append("content-type", "application/json") }
        let limits = ClientLimits(
            connect: Self.patience, firstByte: Self.patience, idle: Self.patience, total: Self.patience,
            bodyBytesMax: Self.bodyBytesMax)
        let request = ClientRequest(
            method: method, origin: origin, target: path, fields: fields,
            body: hasBody ? Array((body ?? "{}").utf8) : [],
            limits: limits, addresses: .configured, tls: trust)
        let client = client
        return try wait { () async throws(Failure) -> Answer in
            do throws(ClientFailure) {
                let response = try await client.send(request, cancellation: nil)
                let body = try await response.collect(max: Self.bodyBytesMax)
                return Answer(status: response.status.code, fields: response.fields, body: body)
            } catch {
                throw Failure(reason: "\(method.name) \(path) has no answer: \(error)")
            }
        }
    }

    /// Sends bytes and gives what comes first; empty where the connection is closed without a word.
    func exchange(_ bytes: [UInt8], with address: SocketAddress) throws(Failure) -> [UInt8] {
        let loop = loop
        return try wait { () async throws(Failure) -> [UInt8] in
            do throws(IOFailure) {
                let transport = try await Transport.connect(
                    to: address, host: "", on: loop, deadline: .now() + Self.patience)
                try await transport.write(bytes)
                let answer = try await transport.read(upTo: 4096)
                await transport.close()
                return answer
            } catch {
                switch error {
                // It was hung up on us, which is an answer.
                case .closed, .reset, .truncated: return []
                default: throw Failure(reason: "\(address) does not take connections: \(error)")
                }
            }
        }
    }

    /// Runs something on the loop and waits for it, for a while.
    func wait<Result: Sendable>(
        _ body: @escaping @Sendable () async throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let outcome = Monitor<Swift.Result<Result, Failure>?>(nil)
        loop.spawn {
            let result: Swift.Result<Result, Failure>
            do throws(Failure) {
                result = .success(try await body())
            } catch {
                result = .failure(error)
            }
            outcome.withLock { $0 = result }
            outcome.signal()
        }
        guard let result = outcome.wait(until: .now() + Self.patience * 3, { $0 }) else {
            throw Failure(reason: "there was no answer for half a minute")
        }
        return try result.get()
    }
}

extension SocketAddress {
    /// Where to connect for what listens here: everywhere includes the loopback.
    fileprivate var reachable: SocketAddress {
        guard case .ip(let address, let port, let scope) = self, address.reach == .unspecified else { return self }
        return .ip(address.isV6 ? .loopbackV6 : .loopbackV4, port: port, scope: scope)
    }
}
