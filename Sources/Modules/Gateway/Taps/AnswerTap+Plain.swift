// SPDX-License-Identifier: Apache-2.0

import Bytes
import JSON
import Log

// A stream mostly comes as whole events in the usual form, `data: {…}` and an empty line, of which nothing must change.
// These are looked at where they stand, once, and pass without a copy. Whatever is not of that form goes the general way.

extension AnswerTap {
    /// An event that passes by a look.
    private struct Passed {
        /// Behind its last byte.
        let end: Int
        /// Of its bytes those that do not pass.
        var cut: Range<Int>?
    }

    /// The end of those bytes, from `start` on, that are whole events and pass as they are, but for a usage that was not asked for.
    /// No line may end in CR.
    ///
    /// - Parameters:
    ///   - copied: how many of the bytes, from the first, `output` has or is not to have.
    mutating func passPlain(
        _ bytes: [UInt8], from start: Int, output: inout [UInt8], copied: inout Int
    ) -> Int {
        let (span, needles) = (bytes.span, needles)
        var start = start
        while mayHavePlain,
            let passed = passLikeBefore(span, from: start, needles) ?? passPlain(span, from: start, needles)
        {
            if let cut = passed.cut {
                output += bytes[copied..<cut.lowerBound]
                copied = cut.upperBound
            }
            start = passed.end
        }
        return start
    }

    /// Passes an event that is as the one before but for its text.
    private mutating func passLikeBefore(
        _ bytes: Span<UInt8>, from start: Int, _ needles: SecretNeedles?
    ) -> Passed? {
        guard let place = template.match(bytes, from: start), !progress.finishedChoices.contains(template.choice),
            needles?.mayPassText(bytes.extracting(place.text)) ?? true
        else { return nil }
        take(textBytes: place.text.count)
        return Passed(end: place.end, cut: place.cut)
    }

    /// Passes an event that is a plain chunk, or the mark that ends the answer where it may end.
    private mutating func passPlain(
        _ bytes: Span<UInt8>, from start: Int, _ needles: SecretNeedles?
    ) -> Passed? {
        guard let data = Self.plainData(bytes, from: start) else { return nil }
        let event = start..<data.upperBound + 2
        guard !bytes.extracting(data).equals("[DONE]") else {
            guard progress.mayEnd else { return nil }
            takeEnd()
            return Passed(end: event.upperBound)
        }
        let (progress, showsUsage) = (progress, showsUsage)
        var onlyText: Range<Int>?
        let read = try? JSONDocument.read(
            bytes.extracting(data), limits: .upstream, strictness: .rfc8259
        ) { view -> OpenAIChatReader.PlainChunk? in
            // Figures beside a text that passes are cut out by the general way; alone, or saying nothing, here.
            guard let chunk = progress.plainChunk(view),
                showsUsage || !chunk.hasUsage || chunk.usageCut != nil || (chunk.choice == nil && chunk.usage != nil),
                needles?.mayPass(chunk.texts, view) ?? true
            else { return nil }
            if chunk.onlyText > 0 { onlyText = view.range(of: chunk.onlyText) }
            return chunk
        }
        guard let chunk = read else { return nil }
        take(chunk)
        var cut: Range<Int>?
        if !showsUsage, chunk.hasUsage {
            cut = chunk.usageCut.map { data.lowerBound + $0.lowerBound..<data.lowerBound + $0.upperBound } ?? event
        }
        if let onlyText {
            let text = data.lowerBound + onlyText.lowerBound + 1..<data.lowerBound + onlyText.upperBound - 1
            template.learn(bytes, event: event, text: text, cut: cut, of: chunk)
        }
        return Passed(end: event.upperBound, cut: cut)
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

extension SecretNeedles {
    /// Whether a text without escapes holds nothing that could be of a secret.
    fileprivate func mayPassText(_ text: Span<UInt8>) -> Bool { isEmpty || mayPass(text) }
}
