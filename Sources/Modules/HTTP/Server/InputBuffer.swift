// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Bytes that came from a peer and are not consumed yet. It holds no memory while it is empty, so that an idle
/// connection costs none.
struct InputBuffer {
    /// The readable bytes are `bytes[start...]`.
    private(set) var bytes: [UInt8] = []
    private(set) var start = 0

    var count: Int { bytes.count - start }
    var isEmpty: Bool { start == bytes.count }
    var range: Range<Int> { start..<bytes.count }

    /// Looks for the end of a head in what has come. Like ``lend(_:)`` it changes nothing: what is read out of an object by one
    /// that does not say so is counted as held meanwhile.
    mutating func find(_ scanner: inout HeadScanner) -> HeadScanner.Action {
        scanner.scan(bytes.span.extracting(range))
    }

    /// Lends the array to `body`.
    mutating func lend<Result, Failure: Error>(
        _ body: (borrowing [UInt8]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try bytes.lend(body)
    }

    /// Adds what was read, without a copy if nothing is waiting.
    mutating func append(_ new: consuming [UInt8]) {
        if isEmpty {
            bytes = new
        } else {
            if start > 0 { bytes.removeSubrange(0..<start) }
            bytes.append(contentsOf: new)
        }
        start = 0
    }

    /// Drops `count` bytes from the front; there are as many.
    mutating func consume(_ count: Int) {
        start += count
        if isEmpty { removeAll() }
    }

    /// Takes up to `most` bytes off the front; without a copy where that is all there is.
    mutating func take(_ most: Int) -> [UInt8] {
        if start == 0, most >= bytes.count { return exchange(&bytes, with: []) }
        let end = start + Swift.min(most, count)
        let front = [UInt8](copying: bytes.span.extracting(start..<end))
        consume(front.count)
        return front
    }

    mutating func removeAll() {
        bytes = []
        start = 0
    }
}

extension [UInt8] {
    /// Lends itself to `body`. It changes nothing: an array that is read out of an object by what does not say so is counted as
    /// held meanwhile.
    @inline(__always)
    mutating func lend<Result, Failure: Error>(
        _ body: (borrowing [UInt8]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(self)
    }
}
