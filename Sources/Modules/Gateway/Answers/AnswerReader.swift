// SPDX-License-Identifier: Apache-2.0

/// Reads a provider's stream: bytes in, events out. One type for both protocols, so that whoever reads needs not know
/// which it is.
package struct AnswerReader: Sendable {
    private var openai: OpenAIChatReader?
    private var anthropic: AnthropicReader?
    private var frames = EventFrames()
    private var hasFailed = false

    /// A reader of what a provider of that kind sends; the builtin model makes its events itself.
    package init(_ kind: ProviderKind, answerTool: String? = nil) {
        if kind == .anthropic {
            anthropic = AnthropicReader(answerTool: answerTool)
        } else {
            openai = OpenAIChatReader()
        }
    }

    /// The events of the next bytes. Nothing follows a `failed`.
    package mutating func receive(_ bytes: [UInt8]) -> [ChatEvent] {
        guard !hasFailed else { return [] }
        do throws(Fault) {
            var events: [ChatEvent] = []
            for frame in try frames.receive(bytes) {
                guard let data = frame.data else { continue }
                events += read(data)
            }
            return note(events)
        } catch {
            return note([.failed(error)])
        }
    }

    /// The events of the end of the bytes: nothing where the answer was complete, else `failed`.
    package mutating func end() -> [ChatEvent] {
        guard !hasFailed else { return [] }
        // A last event may lack the empty line after it.
        var events = frames.last().data.map { read($0) } ?? []
        events += openai?.end() ?? anthropic?.end() ?? []
        return note(events)
    }

    /// The events of a whole (not streamed) answer with status 200.
    package static func whole(
        _ body: [UInt8], from kind: ProviderKind, answerTool: String? = nil
    ) throws(Fault) -> [ChatEvent] {
        kind == .anthropic
            ? try AnthropicReader.whole(body, answerTool: answerTool) : try OpenAIChatReader.whole(body)
    }

    private mutating func read(_ data: [UInt8]) -> [ChatEvent] {
        openai?.read(data) ?? anthropic?.read(data) ?? []
    }

    private mutating func note(_ events: [ChatEvent]) -> [ChatEvent] {
        guard let end = events.firstIndex(where: { if case .failed = $0 { true } else { false } }) else {
            return events
        }
        hasFailed = true
        return Array(events[...end])
    }
}
