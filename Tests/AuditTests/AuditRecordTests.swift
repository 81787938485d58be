// SPDX-License-Identifier: Apache-2.0

import JSON
import Platform
import Testing

@testable import Audit

struct AuditRecordTests {
    /// A record read from its text, wherever it stands.
    private static func read(_ text: [UInt8]) -> AuditRecord? { AuditRecord(text[...], at: record().place) }

    private static func record(_ fill: (inout AuditEntry) -> Void = { _ in }) -> AuditRecord {
        var entry = AuditEntry(.intent)
        fill(&entry)
        return AuditRecord(
            entry,
            at: .init(
                sequence: 41, time: WallTime(milliseconds: 1_790_000_000_123), monotonic: Instant(nanoseconds: 99),
                boot: .init([UInt8](repeating: 3, count: 16)), generation: 5))
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
        let read = try #require(Self.read(record.encoded()))
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

    @Test func `fields that are written in their place are those of an entry`() throws {
        var entries = AuditEntries()
        for round in 0..<40 {
            entries.append(.outcome, .outcome) { Self.fill(&$0, round) }
            var entry = AuditEntry(.outcome)
            Self.fill(&entry, round)
            let mark = entries.marks[round]
            #expect(Array(entries.bytes[mark.place]) == entry.bytes && mark.kind == .outcome && mark.claim == .outcome)
            var numbers: [(number: UInt8, end: Int)] = []
            entry.bytes.span.forEachField { number, place in numbers.append((number, place.upperBound)) }
            let heads = numbers.filter { $0.number < AuditField.inputTokens.rawValue }
            #expect(mark.figures == heads.last?.end ?? 0)
            #expect(mark.intent == entry.number(.intent))
        }
        // As long as an entry can be.
        entries.append(.house, .plain) { writer in
            for number in UInt8.min...UInt8.max {
                guard let field = AuditField(rawValue: number) else { continue }
                writer.set(field, String(repeating: "x", count: 300))
            }
            writer.set(.earlierRoot, digest: nil)
        }
        #expect(entries.marks.last?.place.count == AuditField.allCases.count * 257)
    }

    /// Some fields, of which others are there in each round.
    private static func fill(_ sink: inout some FieldSink & ~Copyable, _ round: Int) {
        let head = AuditEntry.house("head").bytes
        if round & 1 == 1 { sink.begin(head.span, upTo: .action) } else { sink.set(.tenant, "ten_1") }
        if round & 2 == 2 { sink.set(name: .model, String(repeating: "é", count: round * 5)) }
        if round & 4 == 4 { sink.set(.isStreamed, 1) }
        if round & 8 == 8 {
            sink.set(.inputTokens, -1)
            sink.set(.outputTokens, 1 << round)
            sink.set(.cost, Int.max)
        }
        sink.set(.outcome, literal: "answered")
        sink.set(.latency, round & 16 == 16 ? nil : 255 + round)
        if round & 2 == 2 { sink.set(.intent, round << 8) }
        sink.set(.earlierRoot, digest: [UInt8](repeating: 7, count: 40))
    }

    @Test func `long text is cut at a character`() throws {
        for padding in 0..<4 {
            let text = String(repeating: "a", count: padding) + String(repeating: "\u{1F511}", count: 100)
            let record = Self.record { $0.set(.action, text) }
            let read = try #require(Self.read(record.encoded()))
            let kept = try #require(read.text(.action))
            #expect(text.hasPrefix(kept) && kept.utf8.count <= 255 && kept.utf8.count > 251)
        }
    }

    @Test func `bytes that no record has are refused`() {
        let whole = Self.record {
            $0.set(.tenant, "t")
            $0.set(.inputTokens, 300)
        }.encoded()
        #expect(Self.read(whole) != nil)
        #expect(Self.read([]) == nil)
        for count in 2..<whole.count where count != 4 {
            #expect(Self.read(Array(whole[..<count])) == nil, "cut at \(count)")
        }
        for kind: UInt8 in [0, 7, 99, 255] { #expect(Self.read([kind] + whole[1...]) == nil) }
        let head = Array(whole[..<AuditRecord.kindByteCount])
        let fields: [[UInt8]] = [
            [0, 0], [1], [1, 1], [99, 1, 0], [10, 1, 65, 1, 1, 65], [1, 1, 65, 1, 1, 65], [1, 1, 0xFF], [25, 0],
            [25, 2, 0, 1], [25, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1], [5, 33] + [UInt8](repeating: 1, count: 33),
        ]
        for field in fields { #expect(Self.read(head + field) == nil, "\(field)") }
        #expect(Self.read(whole + [UInt8](repeating: 0, count: AuditRecord.textBytesMax)) == nil)
    }

    @Test func `every field has a name of its own and its number`() {
        #expect(Set(AuditField.allCases.map(\.name)).count == AuditField.allCases.count)
        #expect(AuditField.allCases.map(\.rawValue) == AuditField.allCases.map(\.rawValue).sorted())
    }
}
