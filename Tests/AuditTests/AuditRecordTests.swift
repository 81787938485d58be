// SPDX-License-Identifier: Apache-2.0

import Crypto
import JSON
import Platform
import Testing

@testable import Audit

struct AuditRecordTests {
    private static func record(_ fill: (inout AuditEntry) -> Void = { _ in }) -> AuditRecord {
        var entry = AuditEntry(.intent)
        fill(&entry)
        return AuditRecord(
            entry,
            at: .init(
                sequence: 41, time: WallTime(milliseconds: 1_790_000_000_123), monotonic: Instant(nanoseconds: 99),
                boot: .init([UInt8](repeating: 3, count: 16)), generation: 5, previous: SHA256.digest([1])))
    }

    @Test func `a record comes back from its bytes`() throws {
        let record = Self.record { entry in
            entry.set(.tenant, "ten_1")
            entry.set(.address, digest: [1, 2, 3])
            entry.set(.action, "chat.completions")
            entry.set(.isStreamed, 1)
            entry.set(.inputTokens, 0)
            entry.set(.outputTokens, 256)
            entry.set(.cost, Int.max)
            entry.set(.latency, nil as Int?)
        }
        let read = try #require(AuditRecord(record.encoded()))
        #expect(read.place == record.place)
        #expect(read.encoded() == record.encoded())
        #expect(read.text(.tenant) == "ten_1" && read.text(.keyPrefix) == nil)
        #expect(read.digest(.address) == [1, 2, 3])
        #expect(read.number(.inputTokens) == 0 && read.number(.outputTokens) == 256)
        #expect(read.number(.cost) == Int.max && read.number(.latency) == nil)
        let json = JSONValue.object(read.json(id: nil, isWhole: true))
        #expect(json["sequence"]?.int == 41)
        #expect(json["stream"]?.bool == true)
        #expect(json["address"]?.string == "010203")
        #expect(json["time"]?.string == "2026-09-21T14:13:20.123Z")
        #expect(read.json(id: "aud_1", isWhole: false)["sequence"] == nil, "places count the records of all tenants")
    }

    @Test func `long text is cut at a character`() throws {
        for padding in 0..<4 {
            let text = String(repeating: "a", count: padding) + String(repeating: "\u{1F511}", count: 100)
            let record = Self.record { $0.set(.action, text) }
            let read = try #require(AuditRecord(record.encoded()))
            let kept = try #require(read.text(.action))
            #expect(text.hasPrefix(kept) && kept.utf8.count <= 255 && kept.utf8.count > 251)
        }
    }

    @Test func `bytes that no record has are refused`() {
        let whole = Self.record {
            $0.set(.tenant, "t")
            $0.set(.inputTokens, 300)
        }.encoded()
        #expect(AuditRecord(whole) != nil)
        for count in 0..<AuditRecord.headByteCount { #expect(AuditRecord(Array(whole[..<count])) == nil) }
        for count in AuditRecord.headByteCount + 1..<whole.count where count != AuditRecord.headByteCount + 3 {
            #expect(AuditRecord(Array(whole[..<count])) == nil, "cut at \(count)")
        }
        var wrong = whole
        wrong[0] = 2
        #expect(AuditRecord(wrong) == nil)
        wrong = whole
        wrong[1] = 99
        #expect(AuditRecord(wrong) == nil)
        wrong = whole
        wrong[2] = 0x80
        #expect(AuditRecord(wrong) == nil, "a sequence below zero")
        let head = Array(whole[..<AuditRecord.headByteCount])
        let fields: [[UInt8]] = [
            [0, 0], [1], [1, 1], [99, 1, 0], [10, 1, 65, 1, 1, 65], [1, 1, 65, 1, 1, 65], [1, 1, 0xFF], [25, 0],
            [25, 2, 0, 1], [25, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1], [5, 33] + [UInt8](repeating: 1, count: 33),
        ]
        for field in fields { #expect(AuditRecord(head + field) == nil, "\(field)") }
        #expect(AuditRecord(whole + [UInt8](repeating: 0, count: AuditRecord.bytesMax)) == nil)
    }

    @Test func `every field has a name of its own and its number`() {
        #expect(Set(AuditField.allCases.map(\.name)).count == AuditField.allCases.count)
        #expect(AuditField.allCases.map(\.rawValue) == AuditField.allCases.map(\.rawValue).sorted())
    }
}
