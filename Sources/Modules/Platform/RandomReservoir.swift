// SPDX-License-Identifier: Apache-2.0

/// Random numbers of the kernel, fetched many at a time: a call of getrandom(2) costs more than an identifier does.
///
/// For names that nobody may guess, such as a request's id. Keys and nonces are fetched one by one (`Random`), so that
/// none lies about in memory before it is used. It belongs to one thread.
package struct RandomReservoir {
    /// Numbers fetched at a time.
    private static let capacity = 64

    private var numbers: [UInt64] = []
    /// Those from here on were given out.
    private var count = 0

    package init() {}

    /// A number nobody has had before.
    package mutating func next() -> UInt64 {
        if count == 0 { fill() }
        count &-= 1
        return numbers[count]
    }

    @inline(never)
    private mutating func fill() {
        numbers.removeAll(keepingCapacity: true)
        numbers.reserveCapacity(Self.capacity)
        var bytes = [UInt8](repeating: 0, count: Self.capacity * 8)
        Random.fill(&bytes)
        for start in stride(from: 0, to: bytes.count, by: 8) {
            var number: UInt64 = 0
            for index in start..<start + 8 { number = number << 8 | UInt64(bytes[index]) }
            numbers.append(number)
        }
        count = numbers.count
    }
}
