// SPDX-License-Identifier: Apache-2.0

import Bytes
import Platform
import Support
import Synchronization
import Testing

@testable import Log

private func mask(_ text: String) -> String {
    var isInKey = false
    return String(decoding: Masker.shared.masked(Array(text.utf8), isInKey: &isInKey), as: UTF8.self)
}

/// Row W9: what is masked and what is not, measured on corpora and printed.
@Suite struct MaskCorpusTests {
    @Test func `personal data is masked and nothing else: both errors are counted`() throws {
        try count("masking", MaskCorpus.masking())
    }

    @Test func `secrets are redacted and nothing else: both errors are counted`() throws {
        try count("redaction", MaskCorpus.redaction())
    }

    private func count(_ name: String, _ corpus: MaskCorpus) throws {
        #expect(corpus.positives.count >= 300 && corpus.negatives.count >= 300)
        let (missed, wronged) = corpus.errors(mask)
        print(
            "\(name): \(missed.count) of \(corpus.positives.count) missed,",
            "\(wronged.count) of \(corpus.negatives.count) masked that are nothing")
        #expect(missed == [] && wronged == [])
    }

    @Test func `the count finds what a server without masking shows, and one that masks all`() throws {
        for corpus in [try MaskCorpus.masking(), try MaskCorpus.redaction()] {
            #expect(corpus.errors { $0 }.missed.count == corpus.positives.count)
            #expect(corpus.errors { _ in "[redacted]" }.wronged.count == corpus.negatives.count)
        }
    }

    @Test(arguments: [LogFormat.json, .text(isColoured: false)])
    func `the sink shows of every text what the corpora say, in message, name and value`(format: LogFormat) throws {
        for corpus in [try MaskCorpus.masking(), try MaskCorpus.redaction()] {
            for line in corpus.cases {
                let expected = written(line.shown, format, masks: false)
                #expect(written(line.text, format, masks: true) == expected, "\(line.kind): \(line.text)")
            }
        }
    }

    @Test func `a sink without masking is found out by the same comparison`() throws {
        let corpus = try MaskCorpus.masking()
        let same = corpus.positives.filter {
            written($0.text, .json, masks: false) == written($0.shown, .json, masks: false)
        }
        #expect(same.isEmpty)
    }

    private func written(_ text: String, _ format: LogFormat, masks: Bool) -> String {
        var output: [UInt8] = []
        let line = LogLine(
            level: .info, time: WallTime(milliseconds: 0), message: text,
            fields: ["x": .string("say: \(text)"), text: .int(1), "y": .bool(true)])
        line.write(
            as: format, redactedBy: Redaction(secrets: SecretNeedles([]), masker: masks ? .shared : nil), to: &output)
        return String(decoding: output, as: UTF8.self)
    }
}

@Suite struct MaskPropertyTests {
    /// Pieces of the corpora, joined by what joins texts in a log, so that everything stands beside everything.
    private struct Texts {
        var random = SeededGenerator()
        let pieces: [String]
        let joints = [
            " ", ",", ", ", "\n", ";", "|", "&", "\"", "", "-", ".", "/", "=", ": ", "(", ")", "%20", "\\n", "0", "a",
        ]

        init() throws {
            pieces = (try MaskCorpus.masking().cases + MaskCorpus.redaction().cases).map(\.text)
        }

        mutating func next() -> String {
            var text = ""
            for _ in 0...random.below(4) {
                let piece = pieces[random.below(pieces.count)]
                let start = random.below(4) == 0 ? random.below(piece.utf8.count + 1) : 0
                text += String(decoding: Array(piece.utf8.dropFirst(start)), as: UTF8.self)
                text += joints[random.below(joints.count)]
            }
            return text
        }
    }

    @Test func `masking what is masked changes nothing, and adds less than twice`() throws {
        print("masks: seed \(SeededGenerator.seed)")
        var texts = try Texts()
        var changed: [String] = []
        let rounds = Repetition.rounds(4_000, full: 200_000)
        for _ in 0..<rounds {
            let text = texts.next()
            let once = mask(text)
            if mask(once) != once { changed.append(text) }
            #expect(once.utf8.count <= 3 * text.utf8.count + 16, "\(text)")
        }
        // Two things joined without a space may be one word until one of them is masked; then the other one is seen. One
        // text in some hundred thousand of these is so.
        print("masks: \(changed.count) of \(rounds) texts changed again")
        #expect(changed.count <= 1 + rounds / 20_000, "\(changed)")
    }

    @Test func `a stream shows the same however it is cut`() throws {
        var texts = try Texts()
        for _ in 0..<Repetition.rounds(1_500, full: 50_000) {
            let text = Array(texts.next().utf8)
            var whole = MaskStream(SecretNeedles([]))
            let expected = whole.feed(text) + whole.flush()
            #expect(String(decoding: expected, as: UTF8.self) == mask(String(decoding: text, as: UTF8.self)))
            var stream = MaskStream(SecretNeedles([]))
            var output: [UInt8] = []
            var rest = text[...]
            while !rest.isEmpty {
                let piece = rest.prefix(1 + texts.random.below(12))
                output += stream.feed(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            #expect(output + stream.flush() == expected, "seed \(SeededGenerator.seed)")
        }
    }

    @Test func `every case of the corpora is the same cut at every place`() throws {
        for line in try MaskCorpus.masking().cases + MaskCorpus.redaction().cases {
            let text = Array(line.text.utf8)
            let expected = Array(line.shown.utf8)
            for cut in 0...text.count {
                var stream = MaskStream(SecretNeedles([]))
                let output = stream.feed(Array(text[..<cut])) + stream.feed(Array(text[cut...])) + stream.flush()
                guard output == expected else {
                    Issue.record("\(line.text) cut at \(cut): \(String(decoding: output, as: UTF8.self))")
                    break
                }
            }
        }
    }

    @Test func `a held secret is gone from a stream, also over lines`() {
        let secret = "first-line-of-it\nsecond-line-of-it"
        let needles = SecretNeedles([SecretBytes(copying: Array(secret.utf8).span)])
        let text = Array("before \(secret) after\n".utf8)
        for cut in 0...text.count {
            var stream = MaskStream(needles)
            let output = stream.feed(Array(text[..<cut])) + stream.feed(Array(text[cut...])) + stream.flush()
            #expect(output == Array("before [redacted] after\n".utf8))
        }
    }

    @Test func `a line without end takes no more memory, and nothing is shown at the cut`() {
        var stream = MaskStream(SecretNeedles([]))
        for _ in 0..<100 { #expect(stream.feed([UInt8](repeating: UInt8(ascii: "x"), count: 10_000)) == []) }
        let output = stream.feed(Array(" 4111111111111111\nnext\n".utf8))
        #expect(output.count < LogLine.textBytesMax + 16 && output.suffix(5) == Array("next\n".utf8))
        #expect(!String(decoding: output, as: UTF8.self).contains("4111"))
        var last = MaskStream(SecretNeedles([]))
        let cut = String(repeating: "y", count: LogLine.textBytesMax - 4) + " 4111111111111111"
        let shown = String(decoding: last.feed(Array(cut.utf8)) + last.flush(), as: UTF8.self)
        #expect(!shown.contains("41") && shown.hasSuffix("…"))
    }

    /// Texts that lead each rule on as far as it goes. Sixteen times the text may take some sixteen times the time of this
    /// thread; a rule that reads on and on would take two hundred times.
    @Test(arguments: [
        "1 ", "1-", "+1", "(1", "a@", "@a.b", "eyJa-", "eyJa.", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ",
        "password=\"",
        "token: ", "://", "//a:", "sk-", "ghk_", "Bearer ", "\\u0040", "%40", "AB12", "\"a\"@", "x1", "a.a.a.a.a.a.a/",
        "é@",
        "MTaaaaaaaaaaaaaaaaaaaaaaa.", "4111 1111 1111 ", "cookie: a=", "phone phone phone 1234567 ", "0", "-", "a", "=",
        "\\",
    ])
    func `whatever repeats is read in linear time`(piece: String) {
        func work(_ count: Int) -> Duration {
            let text = Array(String(repeating: piece, count: count / piece.utf8.count).utf8)
            return ProcessorTime.measure {
                var isInKey = false
                #expect(Masker.shared.masked(text, isInKey: &isInKey).count <= 3 * text.count + 16)
            }
        }
        let short = (0..<3).map { _ in work(4 << 10) }.min() ?? .zero
        #expect(work(64 << 10) < short * 100 + .milliseconds(50))
    }

    @Test func `no bytes are too strange`() {
        var random = SeededGenerator()
        for _ in 0..<Repetition.rounds(20_000, full: 1_000_000) {
            let alphabet = Array("09+-@.=:/%\\u40 ()_\"AaBbEeyJskghk\n".utf8) + [0, 0x80, 0xC2, 0xA0, 0xE2, 0xFF]
            let text = (0..<random.below(60)).map { _ in alphabet[random.below(alphabet.count)] }
            var isInKey = false
            let once = Masker.shared.masked(text, isInKey: &isInKey)
            var again = false
            #expect(Masker.shared.masked(once, isInKey: &again) == once, "\(text)")
        }
    }
}

@Suite struct PeerTests {
    @Test(arguments: [
        ("203.0.113.195", "203.0.113.0/24"), ("2001:db8:85a3:8d3:1319:8a2e:370:7348", "2001:db8:85a3::/48"),
        ("::ffff:203.0.113.195", "203.0.113.0/24"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1"),
    ])
    func `a peer's address is shortened to its network unless the sink is told otherwise`(whole: String, short: String)
        throws
    {
        let paper = Mutex<[UInt8]>([])
        let sink = try LogSink(level: .info, format: .json, secrets: SecretRegistry()) { bytes in
            paper.withLock { $0 += bytes }
            return true
        }
        let address = try #require(IPAddress(whole))
        Logger(sink).info("a", ["peer": .peer(address)])
        #expect(sink.flush(timeout: .seconds(10)))
        sink.showAddresses(true)
        Logger(sink).info("b", ["peer": .peer(address)])
        #expect(sink.flush(timeout: .seconds(10)))
        let lines = paper.withLock { String(decoding: $0, as: UTF8.self).split(separator: "\n").map(String.init) }
        #expect(lines[0].hasSuffix("\"peer\":\"\(short)\"}") && lines[1].hasSuffix("\"peer\":\"\(whole)\"}"))
    }
}
