// SPDX-License-Identifier: Apache-2.0

package import EventLoop
package import Platform
import TLS

/// Turns names into addresses. `Resolver` does; tests have their own.
package protocol NameResolver: Sendable {
    /// The addresses of `host`, most wanted first; an address in text form is itself. On `loop`'s thread.
    func resolve(
        _ host: String, on loop: EventLoop, deadline: Instant?, cancellation: Cancellation?
    ) async throws(Resolver.Failure) -> [IPAddress]
}

extension Resolver: NameResolver {}

/// Opens connections: name, address policy, TCP, TLS.
///
/// The name is resolved once. What the policy allows of the answer is tried in turn, and a connection goes to exactly the
/// address that was checked.
struct Connector {
    let loop: EventLoop
    let resolver: any NameResolver

    /// - Parameter deadline: for all of it. Each address has its share of what is left, so that one that swallows
    ///   packets cannot use up the time of the next.
    /// - Parameter stop: gives up at once with `.cancelled`.
    func connect(
        _ key: ConnectionKey, deadline: Instant, stop: Cancellation
    ) async throws(ClientFailure) -> Transport {
        let addresses = try await allowedAddresses(key, deadline, stop)
        var failure = ClientFailure.refusedAddress
        for (index, address) in addresses.enumerated() {
            let left = deadline - loop.now
            guard left > .zero else { throw .timedOut(.connect) }
            do throws(IOFailure) {
                return try await Transport.connect(
                    to: .ip(address, port: UInt16(clamping: key.origin.port)), host: key.origin.host, key.tls, on: loop,
                    deadline: loop.now + left / (addresses.count - index), cancellation: stop)
            } catch {
                switch error {
                case .cancelled: throw .cancelled
                // Whoever answers there is not who should: the next address is not asked to be another.
                case .tls(let reason): throw .tls(reason)
                case .timedOut: failure = .timedOut(.connect)
                case .closed, .reset, .truncated, .system: failure = .connect(error)
                }
            }
        }
        throw failure
    }

    private func allowedAddresses(
        _ key: ConnectionKey, _ deadline: Instant, _ stop: Cancellation
    ) async throws(ClientFailure) -> [IPAddress] {
        let found: [IPAddress]
        do throws(Resolver.Failure) {
            found = try await resolver.resolve(key.origin.host, on: loop, deadline: deadline, cancellation: stop)
        } catch {
            switch error {
            case .cancelled: throw .cancelled
            case .timedOut: throw .timedOut(.connect)
            case .busy: throw .busy
            case .notFound, .unavailable, .invalidName: throw .resolve(error)
            }
        }
        let allowed = found.filter(key.addresses.allows)
        guard !allowed.isEmpty else { throw .refusedAddress }
        return Self.inTurns(allowed)
    }

    /// The two families by turns, the preferred one first: where one of them leads nowhere, the second address tried
    /// is of the other (RFC 8305 §4, one after the other).
    static func inTurns(_ addresses: [IPAddress]) -> [IPAddress] {
        guard let preferred = addresses.first?.isV6 else { return [] }
        let first = addresses.filter { $0.isV6 == preferred }
        let second = addresses.filter { $0.isV6 != preferred }
        var turns: [IPAddress] = []
        for index in 0..<max(first.count, second.count) {
            if index < first.count { turns.append(first[index]) }
            if index < second.count { turns.append(second[index]) }
        }
        return Array(turns.prefix(HTTPMaxima.addressesTried))
    }
}
