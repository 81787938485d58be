// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Platform

@Suite struct ColdCodeTests {
    @Test(
        arguments: [
            ("7f3c5a000000-7f3c5a100000 r-xp 00002000 fe:00 123456                     /usr/lib/libc.so.6", 0x100000),
            ("1000-3000 r-xp 00000000 08:01 7 /a b (deleted)", 0x2000),
            ("7f3c5a000000-7f3c5a100000 rwxp 00002000 fe:00 123456                     /usr/lib/libc.so.6", nil),
            ("7f3c5a000000-7f3c5a100000 rw-p 00002000 fe:00 123456                     /usr/lib/libc.so.6", nil),
            ("7f3c5a000000-7f3c5a100000 r--p 00002000 fe:00 123456                     /usr/lib/libc.so.6", nil),
            ("1000-3000 r--p 00000000 08:01 7                     /usr/bin/gatehouse", 0x2000),
            ("1000-3000 rw-p 00000000 08:01 7                     /usr/bin/gatehouse", nil),
            ("7ffd1c5f4000-7ffd1c5f6000 r-xp 00000000 00:00 0                          [vdso]", nil),
            ("7f3c5a000000-7f3c5a100000 r-xp 00000000 00:00 0", nil),
            ("7f3c5a100000-7f3c5a000000 r-xp 00002000 fe:00 123456 /usr/lib/libc.so.6", nil),
            ("x-y r-xp 00002000 fe:00 123456 /usr/lib/libc.so.6", nil), ("", nil), ("r-xp", nil),
        ] as [(String, Int?)])
    func `only a file's code is given back`(line: String, bytes: Int?) {
        let ranges = ColdCode.ranges(in: Array(line.utf8))
        #expect(ranges.map(\.count) == (bytes.map { [$0] } ?? []))
    }

    @Test func `what a library of less than a page had relocated stays, though it stands in the file's first page`() {
        let map = """
            55d0c0000000-55d0c0300000 r--p 00000000 fe:00 7                          /usr/bin/gatehouse
            55d0c0300000-55d0c1000000 r-xp 00300000 fe:00 7                          /usr/bin/gatehouse
            55d0c1000000-55d0c1001000 r--p 01000000 fe:00 7                          /usr/bin/gatehouse
            7f0000000000-7f0000001000 r-xp 00000000 fe:00 8                          /usr/lib/small.so
            7f0000001000-7f0000002000 r--p 00000000 fe:00 8                          /usr/lib/small.so
            7f0000002000-7f0000003000 rw-p 00001000 fe:00 8                          /usr/lib/small.so
            7f0000003000-7f0000004000 rw-p 00000000 00:00 0
            7f0000004000-7f0000008000 r--p 00000000 fe:00 9                          /usr/lib/other.so
            """
        let starts = ColdCode.ranges(in: Array(map.utf8)).map { String($0.lowerBound, radix: 16) }
        #expect(starts == ["55d0c0000000", "55d0c0300000", "7f0000000000", "7f0000004000"])
    }

    @Test func `a process whose code was given back runs on`() async {
        // In a process of its own: whatever runs beside this would bring code back.
        await #expect(processExitsWith: .success) {
            let before = try ResidentMemory.pagesOfFiles()
            for _ in 0..<3 { ColdCode.giveBack() }
            #expect(try ResidentMemory.pagesOfFiles() < before)
            #expect((1...100).map { "\($0)" }.joined().count == 192)
        }
    }
}
