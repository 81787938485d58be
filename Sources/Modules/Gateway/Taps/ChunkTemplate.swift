// SPDX-License-Identifier: Apache-2.0

import Bytes
import JSON

/// What the chunks of a stream have in common. A provider writes them all alike, with another piece of text in each: one that
/// begins and ends as the one before says the same, and only its text need be looked at.
struct ChunkTemplate: Sendable {
    /// Whose text it is.
    private(set) var choice = 0
    /// The bytes of the event up to the text's opening quote; empty where no chunk has been learnt.
    private var head: [UInt8] = []
    /// From the closing quote to the empty line.
    private var tail: [UInt8] = []
    /// Of the tail what does not pass.
    private var cut: Range<Int>?

    /// Where the parts of an event stand.
    struct Place {
        let text: Range<Int>
        /// Behind its last byte.
        let end: Int
        /// What of it does not pass.
        let cut: Range<Int>?
    }

    /// Remembers a chunk with one text that does not end its choice.
    ///
    /// - Parameters:
    ///   - event: its bytes, with the empty line.
    ///   - text: between the quotes.
    ///   - cut: what of it does not pass.
    mutating func learn(
        _ bytes: Span<UInt8>, event: Range<Int>, text: Range<Int>, cut: Range<Int>?,
        of chunk: OpenAIChatReader.PlainChunk
    ) {
        guard let choice = chunk.choice, chunk.finish == nil, chunk.usage == nil, chunk.model == nil,
            bytes.endOfPlainJSONString(from: text.lowerBound) == text.upperBound,
            cut.map({ $0.lowerBound >= text.upperBound }) ?? true
        else { return }
        self.choice = choice
        head.removeAll(keepingCapacity: true)
        head.append(bytes.extracting(event.lowerBound..<text.lowerBound))
        tail.removeAll(keepingCapacity: true)
        tail.append(bytes.extracting(text.upperBound..<event.upperBound))
        self.cut = cut.map { $0.lowerBound - text.upperBound..<$0.upperBound - text.upperBound }
    }

    /// Whether the event that begins at `start` is as the one that was learnt but for its text, which has no escapes.
    func match(_ bytes: Span<UInt8>, from start: Int) -> Place? {
        let first = start + head.count
        guard !head.isEmpty, first < bytes.count, bytes.extracting(start..<first).equals(head.span),
            let quote = bytes.endOfPlainJSONString(from: first), quote + tail.count <= bytes.count,
            bytes.extracting(quote..<quote + tail.count).equals(tail.span)
        else { return nil }
        return Place(
            text: first..<quote, end: quote + tail.count,
            cut: cut.map { quote + $0.lowerBound..<quote + $0.upperBound })
    }
}
