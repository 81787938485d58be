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
        .answer, .chatRequest, .multipart,
    ]

    /// One run of a fuzzer. What does not hold is said on standard error and ends the process, which is how libFuzzer
    /// learns of it and keeps the input.
    package func run(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        // libFuzzer lends `count` bytes for the time of the call; they are copied.
        let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
        do throws(Broken) {
            _ = try check(bytes)
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

/// How long the pieces are in which an input comes once more, as its own bytes choose: one byte, in which every place is a
/// cut, a few, or half.
func step(for bytes: [UInt8]) -> Int {
    let sum = bytes.reduce(0) { $0 &+ Int($1) }
    return [1, 2, 3, 7, max(1, bytes.count / 2)][sum % 5]
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
}
