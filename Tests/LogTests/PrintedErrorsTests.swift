// SPDX-License-Identifier: Apache-2.0

import Glibc
import Platform
import Support
import Testing

@testable import Log

/// The crash path of row W9. Each test ends a process of its own and reads what that left on standard error.
@Suite struct PrintedErrorsTests {
    private static let lastWords =
        "cause: ana@example.com, card 4111 1111 1111 1111, password=hunter2Z9, key of-this-house-01"

    /// What a server does at its start, in the process that is about to end.
    private static func take(masks: Bool = true) throws {
        let secrets = SecretRegistry()
        secrets.register(SecretBytes(copying: Array("of-this-house-01".utf8).span))
        let sink = try LogSink.standardError(level: .info, format: .json, secrets: secrets, masks: masks)
        _ = try PrintedErrors(to: sink, masks: masks)
    }

    private static func text(_ result: ExitTest.Result?) -> String {
        String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    }

    private func expectMasked(_ text: String) {
        #expect(
            text.contains("\"message\":\"printed\"")
                && text.contains("cause: [email], card [card], password=[redacted]"))
        for raw in ["ana@", "4111", "hunter2", "of-this-house"] { #expect(!text.contains(raw), "\(text)") }
    }

    @Test func `the last words of a fault are masked`() async throws {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            try PrintedErrorsTests.take()
            fatalError(PrintedErrorsTests.lastWords)
        }
        expectMasked(Self.text(result))
        #expect(Self.text(result).contains("Fatal error"))
    }

    @Test func `the last words of a fault on a thread of the house are masked, and it ends by its signal`() async throws
    {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            try PrintedErrorsTests.take()
            _ = try NamedThread.start(name: "fault") { fatalError(PrintedErrorsTests.lastWords) }
            while true { usleep(10_000) }
        }
        expectMasked(Self.text(result))
        guard case .signal = try #require(result).exitStatus else {
            Issue.record("it did not end by a signal: \(String(describing: result))")
            return
        }
    }

    @Test func `abort of a library is no way around it`() async throws {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            try PrintedErrorsTests.take()
            // Without an end of the line, in two pieces, and then the end of everything.
            PrintedErrorsTests.say(String(PrintedErrorsTests.lastWords.prefix(20)))
            PrintedErrorsTests.say(String(PrintedErrorsTests.lastWords.dropFirst(20)))
            abort()
        }
        expectMasked(Self.text(result))
    }

    @Test func `whoever prints without the mask is found out`() async throws {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            try PrintedErrorsTests.take(masks: false)
            fatalError(PrintedErrorsTests.lastWords)
        }
        #expect(Self.text(result).contains("hunter2Z9") && Self.text(result).contains("ana@example.com"))
    }

    @Test func `the corpora, printed in pieces, come out as they say`() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            let sink = try LogSink.standardError(level: .info, format: .json, secrets: SecretRegistry())
            let printed = try PrintedErrors(to: sink)
            var random = SeededGenerator()
            for line in try MaskCorpus.masking().cases + MaskCorpus.redaction().cases {
                var rest = Array((line.text + "\nend\n").utf8)[...]
                while !rest.isEmpty {
                    let piece = rest.prefix(1 + random.below(30))
                    PrintedErrorsTests.say(Array(piece))
                    rest = rest.dropFirst(piece.count)
                }
                // Slower than the sink, which drops lines rather than wait for whoever reads: the test's own process, which
                // may be busy with other tests for minutes.
                if random.below(20) == 0 { sink.flush(timeout: .seconds(1_000)) }
            }
            printed.close()
            sink.flush(timeout: .seconds(1_000))
            PrintedErrorsTests.say("after\n")
            exit(0)
        }
        let text = Self.text(result)
        #expect(text.hasSuffix("\nafter\n"))
        var missing: [String] = []
        for line in try MaskCorpus.masking().cases + MaskCorpus.redaction().cases where !line.text.contains("\n") {
            var wanted: [UInt8] = []
            LogText.append(quoting: line.shown, Redaction(secrets: SecretNeedles([]), masker: nil), to: &wanted)
            if !text.contains("\"text\":" + String(decoding: wanted, as: UTF8.self)) { missing.append(line.text) }
        }
        // An unfinished private key goes on into the next line, as it should.
        #expect(missing.filter { !$0.contains("PRIVATE KEY") } == [])
    }

    @Test func `a process leaves no dump, and nobody of its user reads its memory`() async {
        await #expect(processExitsWith: .success) {
            CoreDumps.turnOff()
            var limit = rlimit()
            // One structure, a local.
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
            var status = stat()
            unsafe _ = stat("/proc/self/mem", &status)
            // What is not dumpable belongs to root (proc(5)).
            exit(limit.rlim_cur == 0 && limit.rlim_max == 0 && status.st_uid == 0 ? 0 : 1)
        }
    }

    private static func say(_ text: String) { say(Array(text.utf8)) }

    private static func say(_ bytes: [UInt8]) {
        // The array's own buffer, for the length of the call. A full pipe takes nothing, or a piece as a whole.
        while unsafe bytes.withUnsafeBytes({ unsafe write(2, $0.baseAddress, $0.count) }) < 0, errno == EAGAIN {
            usleep(1000)
        }
    }
}
