// SPDX-License-Identifier: Apache-2.0

/// Bytes on their way: appended at the end, consumed from the front, never more than `bytesMax` at a time.
///
///     | consumed | readable | free |
///     0        head        tail  storage.count
///
/// The room of consumed bytes is used again before the storage grows; it grows by doubling.
@usableFromInline package struct ByteBuffer: ~Copyable {
    /// The most bytes that may be readable at a time.
    package let bytesMax: Int

    @usableFromInline var storage: [UInt8]
    @usableFromInline var head = 0
    @usableFromInline var tail = 0

    /// An empty buffer that will refuse to hold more than `bytesMax` bytes.
    package init(bytesMax: Int, reserving bytes: Int = 0) {
        self.bytesMax = max(0, bytesMax)
        storage = [UInt8](repeating: 0, count: min(max(0, bytes), self.bytesMax))
    }

    /// The number of readable bytes.
    package var count: Int { tail - head }

    /// True if nothing is readable.
    package var isEmpty: Bool { head == tail }

    /// The number of bytes that may still be appended.
    package var room: Int { bytesMax - count }

    /// Lends the readable bytes to `body`.
    @inlinable package func withReadable<Result, Failure>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(storage.span.extracting(head..<tail))
    }

    /// Appends all bytes, or nothing.
    ///
    /// - Returns: false if they do not fit below `bytesMax`; the buffer is then unaltered.
    package mutating func append(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count <= room else { return false }
        makeRoom(bytes.count)
        for index in 0..<bytes.count { storage[tail &+ index] = bytes[index] }
        tail += bytes.count
        return true
    }

    /// Lets `body` write up to `count` bytes (or as many as `bytesMax` leaves) behind the readable ones; it returns how
    /// many it wrote, which become readable. The shape of read(2).
    ///
    /// - Returns: what `body` returned, limited to the room it was given; 0 without calling it if there is no room.
    package mutating func fill<Failure>(
        upTo count: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) -> Int {
        let given = min(count, room)
        guard given > 0 else { return 0 }
        makeRoom(given)
        // The slice is the `given` initialised bytes behind `tail`, and lives as long as the closure.
        let outcome: Result<Int, Failure> = unsafe storage.withUnsafeMutableBytes { buffer in
            let free = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[tail..<(tail + given)])
            do throws(Failure) {
                return .success(try unsafe body(free))
            } catch {
                return .failure(error)
            }
        }
        let written = min(max(0, try outcome.get()), given)
        tail += written
        return written
    }

    /// Drops `count` readable bytes from the front; all of them if there are fewer.
    package mutating func consume(_ count: Int) {
        head += min(max(0, count), tail - head)
        if head == tail {
            head = 0
            tail = 0
        }
    }

    /// Takes all readable bytes out.
    package mutating func takeAll() -> [UInt8] {
        defer { consume(count) }
        return Array(storage[head..<tail])
    }

    private mutating func makeRoom(_ bytes: Int) {
        guard storage.count - tail < bytes else { return }
        if head > 0 {
            storage.replaceSubrange(0..<count, with: storage[head..<tail])
            tail -= head
            head = 0
        }
        guard storage.count - tail < bytes else { return }
        let wanted = min(max(tail + bytes, storage.count * 2, 256), bytesMax)
        storage.append(contentsOf: repeatElement(0, count: wanted - storage.count))
    }
}
