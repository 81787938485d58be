// SPDX-License-Identifier: Apache-2.0

import Platform

/// An answer: its head, and its body as it comes in.
///
/// Read it to the end or close it; one that is dropped closes itself, from whatever thread. One task reads at a time, on
/// the client's loop.
package final class ClientResponse: Sendable {
    package var status: Status { head.status }
    package var version: Version { head.version }
    package var fields: Fields { head.fields }

    private let head: ResponseHead
    private let exchange: ClientExchange

    init(_ head: ResponseHead, _ exchange: ClientExchange) {
        self.head = head
        self.exchange = exchange
    }

    deinit {
        // SAFETY: this holds it until its own end, which is behind this call.
        unsafe Unmanaged.passUnretained(exchange).lend { $0.abandon() }
    }

    /// True once nothing more comes: the last byte has been taken, or the connection is gone. On the client's loop.
    package var isAtEnd: Bool { exchange.hasEnded }

    /// What one read gave of the body, neither cut nor joined; never empty. Nil at the end, and from then on.
    ///
    /// After a failure the connection is gone, and each further call throws the same.
    package func next() async throws(ClientFailure) -> [UInt8]? {
        while true {
            switch try exchange.takeData() {
            case .data(let data): return data
            case .end: return nil
            case .wait: try await exchange.waitForData()
            }
        }
    }

    /// The rest of the body.
    /// - Throws: also `.tooLarge` beyond `max` bytes; the answer is closed then.
    package func collect(max: Int) async throws(ClientFailure) -> [UInt8] {
        var body: [UInt8] = []
        while true {
            switch try exchange.takeData() {
            case .end: return body
            case .wait: try await exchange.waitForData()
            case .data(let data):
                guard data.count <= max - body.count else {
                    close()
                    throw .tooLarge
                }
                if body.isEmpty { body = data } else { body.append(contentsOf: data) }
            }
        }
    }

    /// The rest of the body, where all of it has come and its length is known; nil where ``collect(max:)`` has to be asked, and
    /// nothing has been taken.
    /// - Throws: as ``collect(max:)``.
    package func collectNow(max: Int) throws(ClientFailure) -> [UInt8]? {
        guard exchange.hasAll else { return nil }
        guard case .data(let body) = try exchange.takeData() else { return nil }
        guard body.count <= max else {
            close()
            throw .tooLarge
        }
        return body
    }

    /// Wants no more of it. An answer that is not read to its end is broken off, and its connection with it, so that
    /// the upstream stops working on it. Nothing happens behind the end. On the client's loop.
    package func close() {
        exchange.fail(.cancelled)
    }
}
