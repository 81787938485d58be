// SPDX-License-Identifier: Apache-2.0

import Bytes
import JSON

// A stream mostly comes as whole events in the usual form, `data: {…}` and an empty line, of which nothing must change.
// These are looked at where they stand, once, and pass without a copy. Whatever is not of that form goes the general way.

extension AnswerTap {
    /// The end of those bytes, from `start` on, that are whole events and pass as they are, but for a usage that says
    /// nothing. No line may end in CR.
    ///
    /// - Parameters:
    ///   - copied: how many of the bytes, from the first, `output` has or is not to have.
    mutating func passPlain(
        _ bytes: [UInt8], from start: Int, output: inout [UInt8], copied: inout Int
    ) -> Int {
        guard mayHavePlain else { return start }
        let span = bytes.span
        let (needles, showsUsage) = (needles, showsUsage)
        var start = start
        while let data = Self.plainData(span, from: start) {
            let progress = progress
            let read = try? JSONDocument.read(
                span.extracting(data), limits: .upstream, strictness: .rfc8259
            ) { view -> OpenAIChatReader.PlainChunk? in
                guard let chunk = progress.plainChunk(view), showsUsage || !chunk.hasUsage || chunk.usageCut != nil,
                    needles?.mayPass(chunk.texts, view) ?? true
                else { return nil }
                return chunk
            }
            guard let chunk = read else { break }
            take(chunk)
            if !showsUsage, let cut = chunk.usageCut {
                output += bytes[copied..<data.lowerBound + cut.lowerBound]
                copied = data.lowerBound + cut.upperBound
            }
            start = data.upperBound + 2
        }
        return start
    }

    /// The data of the event that begins at `start`, if it is one line that an empty one follows. No line ends in CR here.
    private static func plainData(_ bytes: Span<UInt8>, from start: Int) -> Range<Int>? {
        let field: StaticString = "data: "
        let first = start + field.utf8CodeUnitCount
        guard first < bytes.count, bytes.extracting(start..<first).equals(field),
            let end = bytes.firstIndex(of: 0x0A, from: first), end + 1 < bytes.count, bytes[end + 1] == 0x0A
        else { return nil }
        return first..<end
    }
}
