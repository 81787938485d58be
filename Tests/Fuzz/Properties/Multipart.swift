// SPDX-License-Identifier: Apache-2.0

import Bytes

@testable import HTTP

extension Property {
    /// A form is the same however it is cut, holds no more than what came, and no content with a delimiter in it. Its
    /// boundary is `b`.
    package static let multipart = Property("Multipart") { (bytes) throws(Broken) -> Bool in
        let whole = Form(bytes, step: max(1, bytes.count))
        for step in [1, 2, 3, 7] {
            try demand(Form(bytes, step: step) == whole, "in pieces of \(step), it differs")
        }
        guard let whole else { return false }
        try demand(whole.contents.joined().count <= bytes.count, "more bytes than came")
        for content in whole.contents {
            let bytes = [0x0D, 0x0A] + content
            try demand(bytes.span.firstRange(of: Array("\r\n--b".utf8).span) == nil, "a delimiter inside of content")
        }
        return true
    }
}

private struct Form: Equatable {
    var parts: [MultipartPart] = []
    var contents: [[UInt8]] = []

    /// Nil for what is refused.
    init?(_ bytes: [UInt8], step: Int) {
        var parser = MultipartParser(boundary: "b")
        do throws(MultipartDefect) {
            for piece in pieces(bytes, step) {
                parser.append(piece)
                while let event = try parser.next() { take(event) }
            }
            try parser.finish()
        } catch {
            return nil
        }
    }

    private mutating func take(_ event: MultipartParser.Event) {
        switch event {
        case .part(let part):
            parts.append(part)
            contents.append([])
        case .data(let data): contents[contents.count - 1] += data
        case .endOfPart, .end: break
        }
    }
}
