// SPDX-License-Identifier: Apache-2.0

/// The largest sizes of everything the gateway reads, builds or waits for.
package enum GatewayLimits {
    /// Messages of one conversation (Anthropic's own limit is 100,000).
    package static let messagesMax = 20_000
    /// Parts of one message.
    package static let partsMax = 4_096
    /// Tools of one request (OpenAI's limit is 128; agents with many MCP servers send more).
    package static let toolsMax = 512
    /// Bytes of one tool's or schema's name (OpenAI 64, Anthropic 128).
    package static let nameBytesMax = 128
    /// Bytes of a model's name as clients give it.
    package static let modelBytesMax = 256
    /// Bytes of an end user's name.
    package static let userBytesMax = 512
    /// Choices (`n`) of one request.
    package static let choicesMax = 128
    /// Tokens that may be asked for, and the largest figure believed in a provider's usage.
    package static let tokensMax = 100_000_000
    /// Stop sequences of one request (OpenAI takes 4, vLLM and Anthropic more).
    package static let stopsMax = 64
    /// Tokens of one tokenised prompt or input.
    package static let tokenArrayMax = 1_048_576
    /// Bytes of one server-sent event of a provider. A larger one ends the stream as malformed.
    package static let eventBytesMax = 8 << 20
    /// Bytes of an answer that is collected before it is sent (not streamed, or checked against a schema).
    package static let answerBytesMax = 64 << 20
    /// Tool calls in one choice of an answer.
    package static let toolCallsMax = 1_024
    /// Longest `retry-after` handed on from a provider, in seconds.
    package static let retryAfterSecondsMax = 3_600
}
