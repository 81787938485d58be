// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import JSON
package import Log

/// Listens to a provider's stream on its way to a client of the same protocol. An event passes byte for byte unless one of
/// these is so:
///
/// * the client did not ask for usage, which is always asked of the provider: the chunk that only tells usage is left out,
///   and `usage` is cut out of others;
/// * it is an error: the provider's words are replaced by ours, and the stream ends;
/// * its text may be part of a secret of this server (`FrameScrubber`): the text is held, and taken out if it is one;
/// * it ends a choice whose text does not fit the strict schema of the request: an error stands in its place;
/// * the stream ends before the answer does: an error follows.
///
/// `model` and `id` stay the provider's, as they do at OpenAI, where the model that serves is named and not the alias.
/// The tap holds an event at most (`GatewayLimits.eventBytesMax`), and the text of the answer if a schema is to be checked.
package struct AnswerTap: Sendable {
    private let requestID: String
    private let isAnthropic: Bool
    let showsUsage: Bool
    private var frames = EventFrames()
    private var openai = OpenAIChatReader()
    private var anthropic = AnthropicReader()
    private var strict: StrictAnswer?
    private var scrubber: FrameScrubber?
    var template = ChunkTemplate()
    /// What has been learnt so far.
    package private(set) var summary = AnswerSummary()
    /// Whether nothing more will come of it: the answer is complete or has failed.
    package private(set) var isOver = false

    /// `secrets` are what must not be echoed; the bytes given to `receive` have been through a scrubber for them.
    package init(
        _ route: ModelRoute, requestID: String, showsUsage: Bool, strict: StrictAnswer? = nil,
        secrets: SecretNeedles? = nil
    ) {
        self.requestID = requestID
        isAnthropic = route.isAnthropic
        self.showsUsage = showsUsage
        self.strict = strict
        scrubber = secrets.map(FrameScrubber.init)
    }

    /// The bytes for the client after the provider's next; may be empty.
    package mutating func receive(_ bytes: [UInt8]) -> [UInt8] {
        guard !isOver else { return [] }
        let isPlain = bytes.span.firstIndex(of: 0x0D) == nil
        var output: [UInt8] = []
        var (position, copied) = (0, 0)
        while !isOver {
            if isPlain { position = passPlain(bytes, from: position, output: &output, copied: &copied) }
            guard !isOver, position < bytes.count else { break }
            output += bytes[copied..<position]
            do throws(Fault) {
                if let frame = try frames.next(bytes, from: &position) { output += pass(frame) }
            } catch {
                return output + fail(error)
            }
            copied = position
        }
        // Mostly nothing has been copied: then these are the bytes.
        if copied == 0, position == bytes.count { return bytes }
        output += bytes[copied..<position]
        return output
    }

    /// The bytes for the client after the provider's last: nothing, the mark OpenAI's streams end with, or an error.
    package mutating func end() -> [UInt8] {
        guard !isOver else { return [] }
        // A last event may lack the empty line after it.
        var output: [UInt8] = []
        let last = frames.last(ending: [0x0A, 0x0A])
        if last.data != nil { output = pass(last) }
        guard !isOver else { return output }
        let events = isAnthropic ? anthropic.end() : openai.end()
        if let fault = note(events) { return output + fail(fault) }
        isOver = true
        return output + EventText.done
    }

    /// The provider could not be read any further, for a reason the reader of its bytes knows.
    package mutating func fail(_ fault: Fault) -> [UInt8] {
        guard !isOver else { return [] }
        isOver = true
        summary.add(.failed(fault))
        return FaultBody.streamEnd(fault, requestID: requestID, isAnthropic: isAnthropic)
    }

    private mutating func pass(_ frame: EventFrame) -> [UInt8] {
        guard let data = frame.data else { return frame.raw }
        if !isAnthropic, data == OpenAIChatReader.done {
            if let fault = note(openai.end()) { return fail(fault) }
            isOver = true
            return frame.raw
        }
        guard let document = try? JSONDocument(parsing: data, limits: .upstream, strictness: .rfc8259) else {
            return fail(.malformedAnswer)
        }
        let root = document.root
        if let fault = note(isAnthropic ? anthropic.read(root) : openai.read(root)) { return fail(fault) }
        if isAnthropic { isOver = root["type"]?.stringEquals("message_stop") == true }
        switch scrubber?.scrub(document, isAnthropic: isAnthropic) ?? .pass {
        case .pass: return showsUsage ? frame.raw : withoutUsage(frame.raw, document)
        case .precede(let deltas):
            return deltas.flatMap { EventText.event("content_block_delta", $0) } + frame.raw
        case .replace(let data):
            let name = frame.name.map { Array("event: \($0)\n".utf8) } ?? []
            guard !showsUsage, let edited = try? JSONDocument(parsing: data, limits: .upstream, strictness: .rfc8259)
            else { return name + EventText.lines(data) }
            return withoutUsage(name + EventText.lines(data), edited)
        }
    }

    /// Whether an event may begin with the next byte that needs no more than a look.
    var mayHavePlain: Bool {
        !isOver && !isAnthropic && strict == nil && frames.isBetweenEvents && !(scrubber?.holds ?? false)
    }

    /// What plain chunks are to be looked through for.
    var needles: SecretNeedles? { scrubber?.needles }
    var progress: OpenAIChatReader.Progress { openai.progress }

    /// Takes a plain chunk, which passes.
    mutating func take(_ chunk: OpenAIChatReader.PlainChunk) {
        openai.progress.take(chunk)
        summary.add(chunk)
        frames.notePassed()
    }

    /// Takes a chunk that is as the one before but for its text.
    mutating func take(textBytes: Int) { summary.add(textBytes: textBytes) }

    /// Takes the mark that ends an answer.
    mutating func takeEnd() {
        openai.progress.isDone = true
        isOver = true
    }

    /// Takes the events of a frame; gives the fault that must stand in its place.
    private mutating func note(_ events: [ChatEvent]) -> Fault? {
        for event in events {
            if case .failed(let fault) = event { return fault }
            summary.add(event)
            if let fault = strict?.check(event) { return fault }
        }
        return nil
    }

    /// Whether no choice says anything: OpenAI tells usage in a chunk without choices, LiteLLM in one with empty ones.
    private static func saysNothing(_ choices: JSONNode) -> Bool {
        choices.elements.allSatisfy { choice in
            (choice["finish_reason"]?.isNull ?? true) && (choice["delta"]?.count ?? 0) == 0
                && (choice["text"]?.string ?? "").isEmpty
        }
    }

    private func withoutUsage(_ raw: [UInt8], _ document: JSONDocument) -> [UInt8] {
        let root = document.root
        guard let usage = root["usage"] else { return raw }
        if !usage.isNull, root["choices"].map(Self.saysNothing) ?? true { return [] }
        var edit = JSONEdit(document)
        edit.removeMember(of: root, "usage")
        return EventText.lines(edit.apply())
    }
}

extension AnswerTap {
    /// Reads a whole answer with status 200, whose bytes then pass as they are; or says why they must not.
    package static func whole(
        _ body: [UInt8], _ route: ModelRoute, strict: StrictAnswer? = nil
    ) throws(Fault) -> AnswerSummary {
        switch route {
        case .chat, .completions, .responses, .messages:
            let events = try AnswerReader.whole(body, from: route.isAnthropic ? .anthropic : .openai)
            if var strict, let fault = strict.check(events) { throw fault }
            return AnswerSummary(events)
        case .embeddings, .countTokens:
            guard let root = AnswerJSON.root(body) else { throw .malformedAnswer }
            if let error = root["error"], !error.isNull { throw .upstream(inStream: error) }
            var summary = AnswerSummary()
            if route == .embeddings {
                guard root["data"]?.kind == .array else { throw .malformedAnswer }
                summary.add(.started(AnswerHead(id: "", model: root["model"]?.string ?? "")))
                summary.add(TokenUsage(openAI: root["usage"]))
            } else {
                guard root["input_tokens"]?.int != nil else { throw .malformedAnswer }
            }
            return summary
        }
    }
}
