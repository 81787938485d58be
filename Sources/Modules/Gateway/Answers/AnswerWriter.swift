// SPDX-License-Identifier: Apache-2.0

import Core

/// Writes answers in the protocol of a route: one type for all, so that whoever writes needs not know which it is.
package struct AnswerWriter: Sendable {
    // One of the four is there. (Optionals are changed in place; an enumeration's payload would be copied each time, and
    // with it the text so far.)
    private var chat: ChatCompletionWriter?
    private var completions: TextCompletionWriter?
    private var responses: ResponsesWriter?
    private var messages: AnthropicMessageWriter?

    /// A writer for a streamed answer to `request`.
    package init(_ route: ModelRoute, _ context: AnswerContext, request: ChatRequest) {
        switch route {
        case .chat, .embeddings: chat = ChatCompletionWriter(context, showsUsage: request.showsUsage)
        case .completions: completions = TextCompletionWriter(context, showsUsage: request.showsUsage)
        case .responses: responses = ResponsesWriter(context, request: request)
        case .messages, .countTokens: messages = AnthropicMessageWriter(context)
        }
    }

    /// The bytes of one step; empty where the protocol says nothing for it.
    package mutating func write(_ event: ChatEvent) -> [UInt8] {
        chat?.write(event) ?? completions?.write(event) ?? responses?.write(event) ?? messages?.write(event) ?? []
    }

    /// The bytes of the stream's end; empty after a `failed`, whose own bytes were the end.
    package mutating func end() -> [UInt8] {
        chat?.end() ?? completions?.end() ?? responses?.end() ?? messages?.end() ?? []
    }

    /// The body of a whole answer with status 200, or why there is none.
    package static func whole(
        _ events: [ChatEvent], _ route: ModelRoute, _ context: AnswerContext, request: ChatRequest
    ) throws(Fault) -> [UInt8] {
        let answer = ChatAnswer(events)
        if let fault = answer.fault { throw fault }
        switch route {
        case .chat, .embeddings: return ChatCompletionWriter.whole(answer, context)
        case .completions: return TextCompletionWriter.whole(answer, context)
        case .responses: return ResponsesWriter.whole(events, context, request: request)
        case .messages, .countTokens: return try AnthropicMessageWriter.whole(answer, context)
        }
    }

    /// The body of an error in the shape of a route.
    package static func error(_ fault: Fault, _ route: ModelRoute, requestID: String) -> [UInt8] {
        route.isAnthropic
            ? FaultBody.anthropic(fault, requestID: requestID) : FaultBody.openAI(fault, requestID: requestID)
    }
}
