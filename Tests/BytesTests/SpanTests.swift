// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@Suite struct `Spans of bytes` {
    @Test(
        arguments: [
            [0x41], [0x7F], [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
            [0xEF, 0xBF, 0xBF], [0xF0, 0x90, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF], [],
        ] as [[UInt8]])
    func `accepts well-formed UTF-8`(bytes: [UInt8]) {
        #expect(bytes.spanned { $0.isValidUTF8 })
        // Wherever it stands, and whatever the word-wise scanner has skipped before it.
        for before in 0..<20 {
            let longer = [UInt8](repeating: 0x61, count: before) + bytes + [UInt8](repeating: 0x62, count: 3)
            #expect(longer.spanned { $0.isValidUTF8 })
        }
    }

    @Test(
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x41], [0xE0, 0x9F, 0xBF], [0xE1, 0x80],
            [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x90, 0x80],
            [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xFE], [0xE2, 0x28, 0xA1], [0xF0, 0x90, 0x28, 0xBC],
        ] as [[UInt8]])
    func `refuses what is not UTF-8 where it begins`(bytes: [UInt8]) {
        #expect(bytes.spanned { $0.firstInvalidUTF8 } == 0)
        for before in 0..<20 {
            let longer = [UInt8](repeating: 0x61, count: before) + bytes
            #expect(longer.spanned { $0.firstInvalidUTF8 } == before)
        }
    }

    @Test func `agrees with the standard library about UTF-8`() {
        var random = SystemRandomNumberGenerator()
        let leads: [UInt8] = [0x41, 0x80, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5]
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...12, using: &random)).map { _ in leads[Int.random(in: 0..<leads.count)] }
            #expect(bytes.spanned { $0.isValidUTF8 } == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes)")
        }
    }

    @Test(
        arguments: [
            ("hello\r\n\r\nworld", "\r\n\r\n", 5..<9), ("aaab", "aab", 1..<4), ("abc", "", nil), ("abc", "abcd", nil),
            ("abc", "abc", 0..<3), ("", "a", nil), ("xyz", "z", 2..<3), ("ababac", "abac", 2..<6),
        ] as [(String, String, Range<Int>?)])
    func `finds the first occurrence`(text: String, needle: String, range: Range<Int>?) {
        let (text, needle) = (Array(text.utf8), Array(needle.utf8))
        #expect(text.spanned { $0.firstRange(of: needle.span) } == range)
    }

    @Test func `finds from a start on`() {
        let text = Array("a.b.c".utf8)
        #expect(text.spanned { $0.firstIndex(of: UInt8(ascii: ".")) } == 1)
        #expect(text.spanned { $0.firstIndex(of: UInt8(ascii: "."), from: 2) } == 3)
        #expect(text.spanned { $0.firstIndex(of: UInt8(ascii: "."), from: 4) } == nil)
        #expect(text.spanned { $0.firstIndex(of: UInt8(ascii: "."), from: 5) } == nil)
        #expect(text.spanned { $0.firstIndex(of: UInt8(ascii: "."), from: -1) } == nil)
        #expect(text.spanned { $0.starts(with: text.span.extracting(0..<2)) })
        #expect(text.spanned { $0.equals("a.b.c" as String) })
        #expect(text.spanned { $0.equals("a.b.c" as StaticString) })
        #expect(!text.spanned { $0.equals("a.b.d" as String) })
        #expect(!text.spanned { $0.equals("a.b" as StaticString) })
    }
}

extension [UInt8] {
    /// Lends the span to `body`: the macro `#expect` cannot hold one.
    func spanned<Result>(_ body: (Span<UInt8>) -> Result) -> Result { body(span) }
}

@Suite struct `The byte buffer` {
    @Test func `holds what was appended until it is consumed`() {
        var buffer = ByteBuffer(bytesMax: 10)
        var kept = [append("hello", to: &buffer), append("world", to: &buffer), append("!", to: &buffer)]
        #expect(kept == [true, true, false])
        buffer.consume(6)
        var held = text(of: buffer)
        #expect(held == "orld")
        kept = [append("123456", to: &buffer)]
        held = text(of: buffer)
        #expect(kept == [true])
        #expect(held == "orld123456")
        let room = buffer.room
        #expect(room == 0)
        buffer.consume(100)
        let rest = buffer.takeAll()
        #expect(rest == [])
    }

    @Test func `lets a reader fill it up to its limit`() {
        var buffer = ByteBuffer(bytesMax: 6, reserving: 2)
        var given: [Int] = []
        for _ in 0..<4 {
            _ = unsafe buffer.fill(upTo: 4) { free in
                given.append(free.count)
                for index in 0..<free.count { unsafe free[index] = 0x78 }
                return free.count
            }
        }
        #expect(given == [4, 2])
        let held = buffer.takeAll()
        #expect(held == Array("xxxxxx".utf8))
    }

    /// The same events to the buffer and to a plain array.
    @Test func `behaves as an array does`() {
        var random = SystemRandomNumberGenerator()
        var buffer = ByteBuffer(bytesMax: 100)
        var model: [UInt8] = []
        for _ in 0..<5_000 {
            if Bool.random(using: &random) {
                let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255) }
                let fits = model.count + bytes.count <= 100
                let isAppended = buffer.append(bytes.span)
                #expect(isAppended == fits)
                if fits { model += bytes }
            } else {
                let count = Int.random(in: 0...50, using: &random)
                buffer.consume(count)
                model.removeFirst(min(count, model.count))
            }
            let held = buffer.withReadable { readable in (0..<readable.count).map { readable[$0] } }
            #expect(held == model)
        }
    }

    private func append(_ text: String, to buffer: inout ByteBuffer) -> Bool {
        let bytes = Array(text.utf8)
        return buffer.append(bytes.span)
    }

    private func text(of buffer: borrowing ByteBuffer) -> String {
        buffer.withReadable { String(decoding: $0) }
    }
}
