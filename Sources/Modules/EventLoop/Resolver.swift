// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import Platform

/// Names to addresses, by the system's resolver (getaddrinfo(3)), on threads of its own.
package final class Resolver: Sendable {
    /// Why there is no address.
    package enum Failure: Error, Equatable, Sendable {
        /// The name does not exist, or has no address.
        case notFound
        /// The name server could not say; later it may.
        case unavailable
        /// The deadline passed.
        case timedOut
        /// The cancellation fired.
        case cancelled
        /// Too many names are being looked up.
        case busy
        /// This can be no name: empty, longer than 253 bytes, or with bytes other than letters, digits, `-`, `_`, `.`.
        case invalidName
    }

    private let worker: Worker

    /// Starts the threads. One that hangs on a dead name server holds up only its own name.
    package init(threads: Int = 2, queueMax: Int = 256) throws(Errno) {
        worker = try Worker(name: "resolver", queueMax: queueMax, threads: threads)
    }

    /// The addresses of `host`, in the order of preference (RFC 6724), at most `addressesPerName`; an address in text
    /// form is itself. On `loop`'s thread.
    ///
    /// The system call cannot be broken off; past the deadline its answer is dropped.
    package func resolve(
        _ host: String, on loop: EventLoop, deadline: Instant? = nil, cancellation: Cancellation? = nil
    ) async throws(Failure) -> [IPAddress] {
        if let address = IPAddress(host) { return [address] }
        guard Self.isName(host) else { throw .invalidName }
        if cancellation?.isFired == true { throw .cancelled }
        let answer = OneShot<Result<[IPAddress], Failure>>(on: loop)
        do throws(Worker.Refusal) {
            try worker.post {
                let found = Resolver.lookUp(host)
                loop.post { answer.fulfil(found) }
            }
        } catch {
            throw .busy
        }
        let token = cancellation?.onFire { answer.fulfil(.failure(.cancelled)) }
        let timer = deadline.map { deadline in
            loop.schedule(after: deadline - loop.now) { answer.fulfil(.failure(.timedOut)) }
        }
        defer {
            timer?.cancel()
            if let token { cancellation?.remove(token) }
        }
        return try await answer.value().get()
    }

    /// Ends the threads once they are idle.
    package func stop() {
        worker.stop()
    }

    private static func isName(_ host: String) -> Bool {
        let bytes = host.utf8
        return (1...253).contains(bytes.count)
            && bytes.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    private static func lookUp(_ host: String) -> Result<[IPAddress], Failure> {
        var list: UnsafeMutablePointer<addrinfo>?
        // SAFETY: the shim sets the hints; the list is freed below, and read only before.
        let result = unsafe clinux_look_up(host, &list)
        defer { if let list = unsafe list { unsafe freeaddrinfo(list) } }
        guard result == 0 else {
            return .failure(result == EAI_AGAIN || result == EAI_SYSTEM ? .unavailable : .notFound)
        }
        var addresses: [IPAddress] = []
        var next = unsafe list
        while let entry = unsafe next, addresses.count < EventLoopLimits.addressesPerName {
            let length = Int(unsafe entry.pointee.ai_addrlen)
            // SAFETY: getaddrinfo gives each entry an address of the length beside it.
            if let address = unsafe entry.pointee.ai_addr,
                let found = unsafe SocketAddress(
                    system: UnsafeRawBufferPointer(start: address, count: length), length: length)?.ip,
                !addresses.contains(found)
            {
                addresses.append(found)
            }
            unsafe next = entry.pointee.ai_next
        }
        return addresses.isEmpty ? .failure(.notFound) : .success(addresses)
    }
}
