// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

/// What gateway, keeper and box say to each other.
struct WireTests {
    private static let limits = BoxLimits(
        wallMilliseconds: 1, cpuMilliseconds: 2, memoryBytes: 3, processes: 4, outputBytes: 5, diskBytes: 6)

    @Test func `an order is read as it was written`() throws {
        let order = BoxOrder(
            .command(path: "/usr/bin/python3", words: ["python3", "main.py"], settings: ["A=b"]),
            files: [.init(name: [0x61, 0xff], content: [0, 1, 2]), .init(name: Array("d/e".utf8), content: [])],
            limits: Self.limits, layers: [.filter], collectsFiles: true, keepsAll: true)
        #expect(try BoxOrder(decoding: order.encoded) == order)
        let probes = BoxOrder(.probes, limits: Self.limits, collectsFiles: false)
        #expect(try BoxOrder(decoding: probes.encoded) == probes)
    }

    @Test func `an order that ends too early is refused at every byte`() {
        let whole = BoxOrder(.command(path: "/a", words: ["b"], settings: []), limits: Self.limits).encoded
        for count in 0..<whole.count {
            #expect(throws: WordReader.Malformed.self) { try BoxOrder(decoding: Array(whole[..<count])) }
        }
    }

    @Test func `a report is read as it was written`() throws {
        var report = BoxReport()
        report.refusedCalls = [0, 73, 101]
        report.end = .memory
        report.exitCode = 0
        report.wallNanoseconds = 5
        report.isDiskFull = true
        report.step = .filter
        report.errno = 13
        #expect(try BoxReport(decoding: report.encoded) == report)
        report.exitCode = nil
        report.signal = 9
        #expect(try BoxReport(decoding: report.encoded) == report)
    }

    @Test(arguments: [(0, UInt64(7)), (1, 257), (2, 65), (9, 2), (11, 99), (12, 5000), (3, .max)])
    func `a report that says what cannot be is refused`(place: Int, word: UInt64) {
        var bytes = BoxReport().encoded
        for index in 0..<8 { bytes[place * 8 + index] = UInt8(truncatingIfNeeded: word >> (8 * UInt64(index))) }
        #expect(throws: WordReader.Malformed.self) { try BoxReport(decoding: bytes) }
    }

    @Test func `a message of another length or kind is refused`() throws {
        let message = KeeperMessage(.run, number: 7, a: 1, b: 2, c: 3, d: 4)
        #expect(try KeeperMessage(decoding: message.encoded) == message)
        #expect(throws: WordReader.Malformed.self) { try KeeperMessage(decoding: message.encoded + [0]) }
        var other = message.encoded
        other[0] = 99
        #expect(throws: WordReader.Malformed.self) { try KeeperMessage(decoding: other) }
    }
}
