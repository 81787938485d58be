// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

struct QuantityTests {
    static let times: [(String, Int)] = [
        ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("24h", 86_400_000), ("30d", 2_592_000_000), ("0s", 0),
    ]

    @Test(arguments: times)
    func `reads a time`(text: String, milliseconds: Int) {
        #expect(Quantity.milliseconds(text) == .amount(milliseconds))
    }

    @Test(arguments: ["", "ms", "1", "1 s", "1M", "-1s", "+1s", "1.5h", "1h30m", "١s", "1s "])
    func `refuses what is no time`(text: String) {
        #expect(Quantity.milliseconds(text) == .malformed)
    }

    @Test func `says when 64 bits do not hold it`() {
        #expect(Quantity.milliseconds("106751991168d") == .overflow)
        #expect(Quantity.bytes("99999999999999999999B") == .overflow)
        #expect(Quantity.bytes("9223372036854775807B") == .amount(.max))
    }

    @Test func `writes the largest unit that loses nothing`() {
        #expect(
            [0, 1, 1500, 60_000, 7_200_000, 172_800_000].map { Quantity.write(milliseconds: $0) } == [
                "0s", "1ms", "1500ms", "1m", "2h", "2d",
            ])
        #expect(
            [0, 1, 1024, 1536, 20 << 20, 1 << 30].map { Quantity.write(bytes: $0) } == [
                "0B", "1B", "1KiB", "1536B", "20MiB", "1GiB",
            ])
    }
}
