// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What must hold for every input of one reader of bytes from outside, whatever these bytes are.
///
/// A fuzzer (`Tests/Fuzz/<name>`, `make fuzz`) looks for bytes for which it does not; `FuzzTests` replays the corpora.
package struct Property: Sendable {
    /// Of the fuzzer, of its folder in `Corpora` and of its dictionary.
    package let name: String
    /// Whether the input was accepted by the reader; throws what does not hold.
    package let check: @Sendable ([UInt8]) throws(Broken) -> Bool

    init(_ name: String, _ check: @escaping @Sendable ([UInt8]) throws(Broken) -> Bool) {
        self.name = name
        self.check = check
    }

    /// One per fuzzer.
    package static let all: [Property] = [
        .requestHead, .responseHead, .chunkedBody, .fieldLines, .target, .json, .jsonEdit, .schema, .toml, .eventStream,
        .answer, .chatRequest, .multipart, .byteRange,
    ]

    /// The longest that one input may take, in the processor's time: a busy machine, or one that paused us, does not count.
    /// What never ends is libFuzzer's to find.
    fileprivate static let stepMillisecondsMax = 1_000

    fileprivate static func millisecondsOfWork() -> Int {
        var time = timespec()
        // `time` is written during the call.
        _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
    }

    /// One run of a fuzzer. What does not hold is said on standard error and ends the process, which is how libFuzzer
    /// learns of it and keeps the input.
    package func run(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        // libFuzzer lends `count` bytes for the time of the call; they are copied.
        let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
        let begun = Self.millisecondsOfWork()
        do throws(Broken) {
            _ = try check(bytes)
            let taken = Self.millisecondsOfWork() - begun
            try demand(taken <= Self.stepMillisecondsMax, "a step of \(taken) ms")
        } catch {
            let line = Array("\(name): broken: \(error.sentence)\n".utf8)
            // The array's bytes are alive during the call.
            _ = unsafe line.withUnsafeBytes { unsafe write(2, $0.baseAddress, $0.count) }
            abort()
        }
        return 0
    }
}

/// What does not hold, in a sentence.
package struct Broken: Error, Equatable {
    package let sentence: String

    package init(_ sentence: String) { self.sentence = sentence }
}

/// Throws the sentence unless the condition holds.
func demand(_ condition: Bool, _ sentence: @autoclosure () -> String) throws(Broken) {
    guard !condition else { return }
    throw Broken(sentence())
}

/// The input in pieces, cut where its own bytes choose: at up to four places, or at every place of a short stretch. A fuzzer
/// tries the other cuts with the next inputs, which is cheaper than to try them all with each.
func pieces(_ bytes: [UInt8]) -> [[UInt8]] {
    guard bytes.count > 1 else { return [bytes] }
    // FNV-1a, then Knuth's linear congruence: any other byte is another cut.
    var state = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    func choice(below bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }
    let stretch = choice(below: 2) == 0 ? choice(below: bytes.count) : nil
    let places =
        stretch.map { Array($0..<min($0 + 16, bytes.count)) }
        ?? (0...choice(below: 4)).map { _ in choice(below: bytes.count) }.sorted()
    var result: [[UInt8]] = []
    var start = 0
    for place in places where place > start {
        result.append(Array(bytes[start..<place]))
        start = place
    }
    return result + [Array(bytes[start...])]
}

/// The input in pieces of `step` bytes.
func pieces(_ bytes: [UInt8], _ step: Int) -> [[UInt8]] {
    stride(from: 0, to: bytes.count, by: step).map { Array(bytes[$0..<min($0 + step, bytes.count)]) }
}

/// Choices taken from the front of an input, so that a fuzzer can change them; zero where it is too short.
struct Choices {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func byte() -> Int { Int(rest.popFirst() ?? 0) }

    mutating func below(_ bound: Int) -> Int { bound > 0 ? byte() % bound : 0 }
}

/// A property that does not hold, for the rig's own test.
package enum Planted {
    package static let property = Property("Planted") { (_) throws(Broken) -> Bool in throw Broken("planted") }

    /// Works for longer than a step may.
    package static let slow = Property("Planted") { (_) throws(Broken) -> Bool in
        let begun = Property.millisecondsOfWork()
        while Property.millisecondsOfWork() - begun <= Property.stepMillisecondsMax {}
        return true
    }
}
