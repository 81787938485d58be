// SPDX-License-Identifier: Apache-2.0

import Log

/// What stands between a provider's stream and the client's: bytes in, bytes out, no I/O.
///
///     same protocol      bytes ─ scrubber ─ tap ──────────────────────────────→ bytes
///     another protocol   bytes ─ scrubber ─ reader ─ events ─ strict ─ writer ─→ bytes
///     built-in model                                 events ─ strict ─ writer ─→ bytes
///
/// An object: its parts are kilobytes, which a task that waits for the next piece would hold several times.
final class AnswerRelay {
    private var scrubber: SecretScrubber
    private var tap: AnswerTap?
    private var reader: AnswerReader?
    private var writer: EventWriter?

    /// Passes the provider's own protocol through.
    init(_ tap: AnswerTap, _ needles: SecretNeedles) {
        scrubber = SecretScrubber(needles)
        self.tap = tap
    }

    /// Translates.
    init(_ reader: AnswerReader, _ writer: EventWriter, _ needles: SecretNeedles) {
        scrubber = SecretScrubber(needles)
        self.reader = reader
        self.writer = writer
    }

    /// What is known of the answer so far.
    var summary: AnswerSummary { tap?.summary ?? writer?.summary ?? AnswerSummary() }

    /// Pieces of text that have passed.
    var pieces: Int { tap?.summary.pieces ?? writer?.summary.pieces ?? 0 }

    /// Whether nothing more will come: the answer is complete, or has failed.
    var isOver: Bool { tap?.isOver ?? writer?.isOver ?? true }

    /// The bytes for the client after the provider's next.
    func receive(_ bytes: consuming [UInt8]) -> [UInt8] {
        pass(scrubber.feed(bytes))
    }

    /// The bytes for the client after the provider's last.
    func end() -> [UInt8] {
        var output = pass(scrubber.flush())
        output += tap?.end() ?? []
        if let events = reader?.end() { output += writer?.write(events) ?? [] }
        output += writer?.end() ?? []
        return output
    }

    /// The end of a stream that the provider broke off.
    func fail(_ fault: Fault) -> [UInt8] {
        tap?.fail(fault) ?? writer?.write([.failed(fault)]) ?? []
    }

    private func pass(_ bytes: consuming [UInt8]) -> [UInt8] {
        guard !bytes.isEmpty else { return [] }
        if tap != nil { return tap?.receive(bytes) ?? [] }
        guard let events = reader?.receive(bytes) else { return [] }
        return writer?.write(events) ?? []
    }
}

/// Writes events for a client, and stops at the first that must not be written.
struct EventWriter {
    private var writer: AnswerWriter
    private var strict: StrictAnswer?
    private var deltas: DeltaScrubber?
    private(set) var summary = AnswerSummary()
    private(set) var isOver = false

    /// - Parameter needles: the secrets to keep out, even in pieces; `nil` for the built-in model, which knows none.
    init(_ writer: AnswerWriter, strict: StrictAnswer?, needles: SecretNeedles?) {
        self.writer = writer
        self.strict = strict
        deltas = needles.map(DeltaScrubber.init)
    }

    mutating func write(_ events: [ChatEvent]) -> [UInt8] {
        var output: [UInt8] = []
        for event in events {
            for event in deltas?.scrub(event) ?? [event] where !isOver {
                output += write(event)
            }
        }
        return output
    }

    mutating func end() -> [UInt8] {
        guard !isOver else { return [] }
        isOver = true
        return writer.end()
    }

    private mutating func write(_ event: ChatEvent) -> [UInt8] {
        var event = event
        if let fault = strict?.check(event) { event = .failed(fault) }
        summary.add(event)
        if case .failed = event { isOver = true }
        return writer.write(event)
    }
}
