// SPDX-License-Identifier: Apache-2.0

import Log
import Platform
import Support
import Synchronization
import Testing

/// Collects what a sink writes, and can stand still like a terminal that nobody reads.
private final class Paper: Sendable {
    private let state = Mutex((bytes: [UInt8](), isStuck: false))

    var text: String { state.withLock { String(decoding: $0.bytes, as: UTF8.self) } }
    var lines: [String] { text.split(separator: "\n").map(String.init) }

    func stick(_ isStuck: Bool) { state.withLock { $0.isStuck = isStuck } }

    func write(_ bytes: [UInt8]) -> Bool {
        while state.withLock({ $0.isStuck }) { pause() }
        state.withLock { $0.bytes += bytes }
        return true
    }
}

@Suite struct LoggerTests {
    private let paper = Paper()
    private let secrets = SecretRegistry()

    private func logger(_ format: LogFormat, level: Logger.Level = .info) throws -> (Logger, LogSink) {
        let paper = paper
        let sink = try LogSink(level: level, format: format, secrets: secrets) { paper.write($0) }
        return (Logger(sink), sink)
    }

    /// What stands behind time and level.
    private func written(_ format: LogFormat, _ body: (Logger) -> Void) throws -> String {
        let (log, sink) = try logger(format)
        body(log)
        #expect(sink.flush(timeout: .seconds(10)))
        return paper.text
    }

    @Test func `writes a JSON object a line, in order, with every kind of value`() throws {
        let text = try written(.json) { log in
            log.info("listening", ["address": "x".asValue, "n": .int(-7), "f": .double(1.5), "b": .bool(true)])
            log.warning("twice", ["message": .string("me too"), "none": .double(.nan)])
        }
        let lines = text.split(separator: "\n")
        #expect(lines.count == 2 && text.hasSuffix("\n"))
        #expect(lines[0].hasPrefix("{\"time\":\"20"))
        #expect(
            lines[0].hasSuffix(
                "Z\",\"level\":\"info\",\"message\":\"listening\",\"address\":\"x\",\"n\":-7,\"f\":1.5,\"b\":true}"))
        #expect(lines[1].hasSuffix("\"message\":\"twice\",\"field_message\":\"me too\",\"none\":null}"))
    }

    @Test func `writes text for people, quoted where it must be`() throws {
        let text = try written(.text(isColoured: false)) { log in
            log.error("cannot listen", ["address": .string("[::]:8443"), "why": .string("in use"), "n": .int(3)])
        }
        #expect(text.hasSuffix("Z error   cannot listen address=[::]:8443 why=\"in use\" n=3\n"))
        #expect(!text.contains("\u{1B}"))
        #expect(try written(.text(isColoured: true)) { $0.error("x") }.contains("\u{1B}[1;31merror\u{1B}[0m"))
    }

    @Test(arguments: [
        "a\nb", "a\r\nb", "\u{1B}[2Jx", "a\u{0}b", "\u{9B}31m", "\u{7F}", "\u{2028}", "\u{202E}gpj",
        "\",\"level\":\"error",
        "back\\slash\"", "é ’ 🦊",
    ])
    func `no text can end its line, forge a member or speak to the terminal`(text: String) throws {
        for format in [LogFormat.json, .text(isColoured: false)] {
            let all = try written(format) { $0.info(text, ["v": .string(text), text: .int(1)]) }
            let line = try #require(all.split(separator: "\n", omittingEmptySubsequences: false).dropLast().last)
            #expect(!line.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) })
            #expect(!line.unicodeScalars.contains { (0x2028...0x202E).contains($0.value) })
            #expect(line.contains("level\":\"error\"") == false)
        }
        let paper = paper.lines
        #expect(paper.count == 2)
    }

    @Test func `cuts what is too long, and takes secrets out first`() throws {
        let secret = "sk-live-0123456789abcdefghijklmnop"
        secrets.register(SecretBytes(copying: Array(secret.utf8).span))
        let text = try written(.json) { log in
            log.info("long", ["v": .string(String(repeating: "x", count: 8190) + secret)])
        }
        #expect(text.utf8.count < 9000 && text.contains("…"))
        #expect(!text.contains("sk-l"))
    }

    @Test func `shows no secret in message, name or value`() throws {
        let secret = "sk-live-0123456789abcdefghijklmnop"
        #expect(secrets.register(SecretBytes(copying: Array(secret.utf8).span)))
        for format in [LogFormat.json, .text(isColoured: true)] {
            let text = try written(format) { log in
                log.error("upstream said \(secret)", [secret: .string("a \(secret) \"b\" \(secret)")])
            }
            #expect(!text.contains("0123456789") && text.contains("[redacted]"))
        }
    }

    @Test func `makes nothing of a line below the level, and changes levels while running`() throws {
        let (log, sink) = try logger(.json, level: .warning)
        func mustNotRun() -> String {
            Issue.record("made the message of a line that is not written")
            return ""
        }
        log.info(mustNotRun(), ["x": .string(mustNotRun())])
        #expect(!log.isEnabled(.notice) && log.isEnabled(.warning) && log.isEnabled(.error))
        sink.setLevel(.debug)
        log.debug("now")
        #expect(sink.flush(timeout: .seconds(10)))
        #expect(paper.lines.count == 1)
        Logger.disabled.error(mustNotRun())
    }

    @Test func `never waits for who does not read, and says how many lines were lost`() throws {
        let (log, sink) = try logger(.json)
        paper.stick(true)
        let start = Instant.now()
        let count = 3 * LogSink.linesMax
        for number in 0..<count { log.info("line", ["n": .int(number)]) }
        #expect(Instant.now() - start < .seconds(5))
        #expect(!sink.flush(timeout: .milliseconds(20)))
        paper.stick(false)
        #expect(sink.flush(timeout: .seconds(20)))
        log.info("last")
        #expect(sink.flush(timeout: .seconds(10)))
        let lines = paper.lines
        // One such line, or two where the queue filled up before the first batch was taken.
        let dropped = lines.filter { $0.contains("log lines were dropped") }
        let lost = dropped.compactMap { Int($0.split(separator: ":").last?.dropLast() ?? "") }.reduce(0, +)
        #expect(lost > 0 && lines.count - 1 - dropped.count + lost == count)
        #expect(lines.last?.contains("\"last\"") == true)
    }

    @Test func `refuses to hold more bytes than it says`() throws {
        let (log, sink) = try logger(.json)
        paper.stick(true)
        let large = String(repeating: "x", count: 1 << 20)
        for _ in 0..<50 { log.info(large) }
        paper.stick(false)
        #expect(sink.flush(timeout: .seconds(20)))
        #expect((2...10).contains(paper.lines.count))
        #expect(paper.text.contains("log lines were dropped"))
    }

    @Test func `writes every line of four threads whole`() throws {
        let (log, sink) = try logger(.json)
        try withThreads(4) { thread in
            for number in 0..<500 { log.info("t", ["id": .string("\(thread)-\(number)")]) }
        }
        #expect(sink.flush(timeout: .seconds(20)))
        let lines = paper.lines
        #expect(Set(lines.compactMap { $0.split(separator: "\"id\":").last }).count == 2000 && lines.count == 2000)
        #expect(lines.allSatisfy { $0.hasPrefix("{\"time\":") && $0.hasSuffix("\"}") })
    }
}

extension String {
    fileprivate var asValue: Logger.Value { .string(self) }
}
