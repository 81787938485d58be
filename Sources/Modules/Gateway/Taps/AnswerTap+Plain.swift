// SPDX-License-Identifier: Apache-2.0

import Bytes
import JSON

// A stream mostly comes as whole events in the usual form, `data: {…}` and an empty line, of which nothing must change.
// These are looked at where they stand, once, and pass without a copy. Whatever is not of that form goes the general way.

extension AnswerTap {
    /// How many of the bytes, from the first, are whole events that pass as they are.
    mutating func passPlain(_ bytes: [UInt8]) -> Int {
        let span = bytes.span
        guard mayHavePlain, span.firstIndex(of: 0x0D) == nil else { return 0 }
        var start = 0
        while let data = Self.plainData(span, from: start) {
            let read = try? JSONDocument.read(
                span.extracting(data), limits: .upstream, strictness: .rfc8259
            ) { view in plainChunk(view) }
            guard let chunk = read else { break }
            take(chunk)
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
