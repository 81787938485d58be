// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

@testable import HTTP

@Suite struct MultipartTests {
    /// What a form holds: the heads of its parts and their content, and whether it ended.
    private struct Form: Equatable {
        var parts: [MultipartPart] = []
        var contents: [[UInt8]] = []
        var isWhole = false
    }

    /// Reads a form that comes in pieces of `step` bytes.
    private func read(_ bytes: [UInt8], boundary: String = "b", step: Int) throws(MultipartDefect) -> Form {
        var parser = MultipartParser(boundary: boundary)
        var form = Form()
        for start in stride(from: 0, to: bytes.count, by: step) {
            parser.append(Array(bytes[start..<min(start + step, bytes.count)]))
            while let event = try parser.next() {
                switch event {
                case .part(let part):
                    form.parts.append(part)
                    form.contents.append([])
                case .data(let data): form.contents[form.contents.count - 1] += data
                case .endOfPart: break
                case .end: form.isWhole = true
                }
            }
        }
        try parser.finish()
        return form
    }

    private func read(_ text: String, boundary: String = "b", step: Int = 7) throws(MultipartDefect) -> Form {
        try read(Array(text.utf8), boundary: boundary, step: step)
    }

    private static let head = "content-disposition: form-data; name=\"a\"\r\n\r\n"

    @Test func `a form is the same however it is cut`() throws {
        let content = "x\r\n--c\r\n--\r\r\n\n--b\r-\r\n"
        let text =
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\" c\\d.txt\"\r\n"
            + "Content-Type: text/plain; charset=utf-8\r\n\r\n\(content)\r\n--b  \t\r\n\(Self.head)\r\n--b--\r\n"
        for step in 1...text.utf8.count {
            let form = try read(text, step: step)
            #expect(form.isWhole)
            #expect(form.parts.map(\.name) == ["file", "a"])
            #expect(form.parts[0].filename == "a \"b\" c\\d.txt")
            #expect(form.parts[0].contentType == "text/plain; charset=utf-8")
            #expect(form.parts[1].filename == nil)
            #expect(form.contents == [Array(content.utf8), []])
        }
    }

    @Test func `content of any bytes comes through, large and small`() throws {
        var random = SeededGenerator()
        for bytes in [0, 1, 2, 100, 70_000] {
            let content = (0..<bytes).map { _ in UInt8(random.below(256)) }
            let form =
                Array("--0123456789abcdef\r\n\(Self.head)".utf8) + content + Array("\r\n--0123456789abcdef--".utf8)
            #expect(try read(form, boundary: "0123456789abcdef", step: 4_096).contents == [content])
        }
    }

    @Test(
        arguments: [
            ("", .truncated), ("--b", .truncated), ("--b\r\n", .truncated), ("--b\r\n\(head)x", .truncated),
            ("--b\r\n\(head)x\r\n--b", .truncated), ("--b\r\n\(head)x\r\n--b-", .truncated),
            ("--b\r\n\(head)x\n--b--", .truncated), ("--bX\r\n\(head)\r\n--b--", .malformedDelimiter),
            ("--b\n\(head)\r\n--b--", .malformedDelimiter), ("--b\r\n\(head)x\r\n--b!\r\n", .malformedDelimiter),
            ("--b\r\n\r\n\r\n--b--", .malformedHead), ("--b\r\nno field\r\n\r\nx\r\n--b--", .malformedHead),
            ("--b\r\ncontent-type: text/plain\r\n\r\nx\r\n--b--", .malformedHead),
            ("--b\r\ncontent-disposition: attachment; name=\"a\"\r\n\r\nx\r\n--b--", .malformedHead),
            ("--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--", .malformedHead),
            ("--b\r\ncontent-disposition: form-data; name=\"a\r\n\r\nx\r\n--b--", .malformedHead),
            ("--b\r\ncontent-disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\nx\r\n--b--", .malformedHead),
            (
                "--b\r\ncontent-disposition: form-data; name=\"a\"; filename=\"x\"; filename*=utf-8''y\r\n\r\nx\r\n--b--",
                .malformedHead
            ),
            (
                "--b\r\n\(head.dropLast(2))Content-Disposition: form-data; name=\"c\"\r\n\r\nx\r\n--b--", .malformedHead
            ),
            ("--b\r\n\(head.dropLast(2))content-transfer-encoding: base64\r\n\r\nx\r\n--b--", .malformedHead),
            ("--b\r\n\(head.dropLast(2))x: a\nb\r\n\r\nx\r\n--b--", .malformedHead),
            ("--b\r\n\(head.dropLast(2))--b: x\r\n\r\nx\r\n--b--", .malformedHead),
            ("--b\r\n--b: x\r\n\(head)x\r\n--b--", .malformedHead),
            ("--b\r\nx: \(String(repeating: "a", count: 5_000))\r\n\r\n", .headTooLarge),
            (String(repeating: "a", count: 2_000) + "\r\n--b--", .strayBytes),
            ("--b\r\n\(head)x\r\n--b--" + String(repeating: "a", count: 2_000), .strayBytes),
            ("--b" + String(repeating: " ", count: 100) + "\r\n", .malformedDelimiter),
            ("--b\r\n" + String(repeating: "\(head)\r\n--b\r\n", count: 40), .tooManyParts),
        ] as [(String, MultipartDefect)])
    func `what is no form is refused, whole and in pieces`(_ text: String, _ defect: MultipartDefect) {
        for step in [1, 3, 100_000] {
            #expect(throws: defect) { try read(text, step: step) }
        }
    }

    @Test func `what stands before and behind a form is passed over`() throws {
        let form = try read("hello\r\n--b\r\n\(Self.head)x\r\n--b--\r\ngoodbye")
        #expect(form.contents == [Array("x".utf8)])
    }

    @Test(
        arguments: [
            ("multipart/form-data; boundary=abc", "abc"), ("Multipart/Form-Data;boundary=\"a b\"", "a b"),
            ("multipart/form-data", nil), ("multipart/mixed; boundary=abc", nil),
            ("multipart/form-data; boundary=", nil),
            ("multipart/form-data; boundary=\"a\\\"b\"", nil), ("multipart/form-data; boundary=\"abc \"", nil),
            ("multipart/form-data; boundary=a; boundary=b", nil), ("multipart/form-data; boundary=a b", nil),
            ("multipart/form-data; boundary=\(String(repeating: "a", count: 71))", nil),
            ("multipart/form-data; boundary=\"a\r\nb\"", nil), ("", nil), (";", nil), ("application/json", nil),
        ] as [(String, String?)])
    func `the boundary a content type names`(_ type: String, _ boundary: String?) {
        #expect(MultipartParser.boundary(of: type) == boundary)
    }

    @Test func `names of files are read as browsers write them`() throws {
        for (written, name) in [
            ("a%22b", "a\"b"), ("%41", "%41"), ("a%", "a%"), ("ü.txt", "ü.txt"), ("C:\\x", "C:\\x"),
        ] {
            let text = "--b\r\ncontent-disposition: form-data; name=\"f\"; filename=\"\(written)\"\r\n\r\n\r\n--b--"
            #expect(try read(text).parts.first?.filename == name)
        }
    }

    @Test func `the mark behind a colon belongs to the value`() throws {
        let text = "--b\r\ncontent-disposition: form-data; name=f\r\ncontent-type:\u{301}a \r\n\r\n\r\n--b--"
        #expect(try read(text).parts.first?.contentType.map { Array($0.utf8) } == Array("\u{301}a".utf8))
    }

    @Test func `no bytes stop it`() throws {
        var random = SeededGenerator()
        let seed = Array("--b\r\n\(Self.head)x\r\n--b\r\n\(Self.head)\r\n--b--\r\n".utf8)
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0..<(1 + random.below(4)) {
                switch random.below(3) {
                case 0: bytes[random.below(bytes.count)] = UInt8(random.below(256))
                case 1: bytes.remove(at: random.below(bytes.count))
                default:
                    bytes.insert(UInt8(ascii: ["\r", "\n", "-", "b"][random.below(4)]), at: random.below(bytes.count))
                }
            }
            let whole = try? read(bytes, step: bytes.count)
            let pieces = try? read(bytes, step: 1 + random.below(5))
            #expect(whole == pieces, "seed \(SeededGenerator.seed): \(bytes)")
        }
    }
}
