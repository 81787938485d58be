// SPDX-License-Identifier: Apache-2.0

import Bytes

@testable import HTTP

extension Property {
    /// A chunked body is the same however it is cut, as a plain reader sees it, and as it is written again.
    package static let chunkedBody = Property("ChunkedBody") { (bytes) throws(Broken) -> Bool in
        let whole = Chunks(bytes, step: max(1, bytes.count))
        for step in [1, 2, 3, 7] {
            try demand(Chunks(bytes, step: step) == whole, "in pieces of \(step), it differs")
        }
        for outputMax in [1, 5] {
            try demand(
                Chunks(bytes, step: 9, outputMax: outputMax) == whole, "\(outputMax) bytes at a time, it differs")
        }
        guard let whole else { return false }
        try demand(whole.data.count <= whole.consumed && whole.consumed <= bytes.count, "more bytes than came")
        guard whole.isAtEnd else { return false }
        try demand(whole == Chunks(plainly: bytes), "a plain reader sees another body")
        var output: [UInt8] = []
        for piece in pieces(whole.data, 10) { MessageEncoder.appendChunk(piece.span, to: &output) }
        MessageEncoder.appendLastChunk(to: &output)
        let again = Chunks(output, step: 4)
        try demand(again?.data == whole.data && again?.consumed == output.count, "written, it is another body")
        return true
    }
}

private struct Chunks: Equatable {
    var data: [UInt8] = []
    var consumed = 0
    var isAtEnd = false

    /// Nil for what is refused.
    init?(_ bytes: [UInt8], step: Int, outputMax: Int = .max) {
        var decoder = ChunkedDecoder(trailersMax: 3)
        while consumed < bytes.count, !decoder.isAtEnd {
            let end = min(consumed + step, bytes.count)
            do throws(ChunkedDecoder.Defect) {
                consumed += try decoder.decode(
                    bytes.span.extracting(consumed..<end), into: &data, outputMax: outputMax)
            } catch {
                return nil
            }
        }
        isAtEnd = decoder.isAtEnd
    }

    /// The body of well-formed chunks, without a look at anything but sizes and line ends.
    init?(plainly bytes: [UInt8]) {
        var rest = bytes[...]
        func line() -> ArraySlice<UInt8>? {
            guard let end = rest.firstIndex(of: 0x0A), end > rest.startIndex, rest[end - 1] == 0x0D else { return nil }
            defer { rest = rest[(end + 1)...] }
            return rest[..<(end - 1)]
        }
        while let head = line() {
            let digits = head.prefix { ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x66) }
            guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16) else { return nil }
            guard size > 0 else {
                while let trailer = line() {
                    guard trailer.isEmpty else { continue }
                    consumed = rest.startIndex
                    isAtEnd = true
                    return
                }
                return nil
            }
            guard size <= rest.count else { return nil }
            data += rest.prefix(size)
            rest = rest.dropFirst(size)
            guard let end = line(), end.isEmpty else { return nil }
        }
        return nil
    }
}
