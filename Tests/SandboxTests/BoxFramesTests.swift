// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

/// What a box says, as the gateway believes it.
struct BoxFramesTests {
    private static var limits: BoxLimits {
        var limits = BoxLimits(
            wallMilliseconds: 1, cpuMilliseconds: 1, memoryBytes: 1, processes: 1, outputBytes: 1, diskBytes: 1)
        limits.filesMax = 2
        limits.fileBytesMax = 10
        return limits
    }

    private static func file(_ name: String, _ content: [UInt8], says size: Int? = nil) -> [UInt8] {
        var writer = WordWriter()
        writer.append(BoxFrame.file)
        writer.append(Array(name.utf8))
        writer.append(size ?? content.count)
        return writer.bytes + content
    }

    private static var report: [UInt8] {
        var writer = WordWriter()
        writer.append(BoxFrame.report)
        return writer.bytes + BoxReport().encoded
    }

    private static func isEnd(_ progress: BoxFrames.Progress) -> Bool {
        if case .end = progress { true } else { false }
    }

    @Test func `files and report are read in pieces of every size`() {
        let whole = Self.file("a/b", [1, 2, 3]) + Self.file("c", []) + Self.report
        for size in [1, 2, 3, 7, 8, 9, 50, whole.count] {
            var frames = BoxFrames(Self.limits)
            var last = BoxFrames.Progress.more
            for start in stride(from: 0, to: whole.count, by: size) {
                last = frames.take(whole[start..<min(start + size, whole.count)])
            }
            guard case .report(let report) = last else {
                Issue.record("no report in pieces of \(size)")
                continue
            }
            #expect(report == BoxReport())
            #expect(frames.files.map(\.content) == [[1, 2, 3], []])
        }
    }

    @Test(arguments: [
        file("a", [UInt8](repeating: 0, count: 11)),
        file("a", [0], says: 1 << 40),
        file("a", [1, 2, 3, 4, 5, 6]) + file("b", [1, 2, 3, 4, 5]),
        file("a", []) + file("b", []) + file("c", []),
        [9, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
        [1, 0, 0, 0, 0, 0, 0, 0, 1, 16, 0, 0, 0, 0, 0, 0],
    ])
    func `what is more than was promised ends it`(bytes: [UInt8]) {
        var frames = BoxFrames(Self.limits)
        #expect(Self.isEnd(frames.take(bytes[...])))
    }
}
