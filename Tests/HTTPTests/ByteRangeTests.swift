// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTP

@Suite struct ByteRangeTests {
    /// RFC 9110 §14.1.2, its own examples among them.
    @Test(
        arguments: [
            (nil, .whole), ("bytes=0-499", .part(0..<500)), ("bytes=500-999", .part(500..<1000)),
            ("bytes=-500", .part(9500..<10_000)), ("bytes=9500-", .part(9500..<10_000)), ("bytes=0-0", .part(0..<1)),
            ("bytes=-1", .part(9999..<10_000)), ("bytes=0-99999", .part(0..<10_000)), ("BYTES=1-1", .part(1..<2)),
            ("bytes=-99999", .part(0..<10_000)), ("bytes=9999-9999", .part(9999..<10_000)),
            ("bytes=10000-", .unsatisfiable), ("bytes=10000-10001", .unsatisfiable), ("bytes=-0", .unsatisfiable),
            ("bytes=99999999999999999999999-", .unsatisfiable), ("bytes=0-99999999999999999999999", .part(0..<10_000)),
            ("bytes=5-4", .whole), ("bytes=", .whole), ("bytes=-", .whole), ("bytes=a-b", .whole), ("bytes=1", .whole),
            ("lines=1-2", .whole), ("bytes=0-1,3-4", .whole), ("bytes=+1-2", .whole), ("bytes=1--2", .whole),
            ("bytes 1-2", .whole), ("", .whole), ("bytes=\u{301}1-2", .whole),
        ] as [(String?, ByteRange)])
    func `what a field asks of ten thousand bytes`(_ field: String?, _ range: ByteRange) {
        #expect(ByteRange(field, count: 10_000) == range)
    }

    @Test func `of nothing, nothing can be had`() {
        #expect(ByteRange("bytes=0-", count: 0) == .unsatisfiable)
        #expect(ByteRange("bytes=-1", count: 0) == .unsatisfiable)
        #expect(ByteRange(nil, count: 0) == .whole)
    }
}
