// SPDX-License-Identifier: Apache-2.0

import JSON

extension FieldTable {
    /// `POST /v1/completions` (legacy): OpenAI's fields, then those of compatible engines.
    package static let completions = FieldTable(
        native: .openai,
        [
            Field("model", .model, required: true),
            // Only text can be translated: token ids belong to the provider's tokenizer.
            Field("prompt", prompt, required: true, anthropic: .within(text), builtin: .within(text)),
            Field("stream", .bool),
            Field("stream_options", .streamOptions),
            // 0 with `echo` scores a prompt.
            Field("max_tokens", .count, anthropic: .within(.tokens), builtin: .within(.tokens)),
            Field("n", .integer(1...GatewayLimits.choicesMax), anthropic: .only(1)),
            Field("stop", .stop),
            Field("temperature", .number(0...2), anthropic: .within(.share), builtin: .hint),
            Field("top_p", .share, builtin: .hint),
            Field("frequency_penalty", .penalty, anthropic: .only(0), builtin: .hint),
            Field("presence_penalty", .penalty, anthropic: .only(0), builtin: .hint),
            Field("logit_bias", .logitBias, anthropic: .only([:]), builtin: .hint),
            Field("seed", .seed, anthropic: .hint, builtin: .hint),
            Field("logprobs", .integer(0...100), anthropic: .unsupported, builtin: .unsupported),
            Field("echo", .bool, anthropic: .only(false), builtin: .only(false)),
            Field("suffix", .text, anthropic: .unsupported, builtin: .unsupported),
            Field("user", .user),
            Field("response_format", .free, anthropic: .unknown, builtin: .unknown),
        ] + EngineFields.fields)

    private static let tokens = Shape.integer(0...Int(Int32.max))
    private static let prompt = Shape.either([
        .text,
        .array(
            .either([.text, tokens, .array(tokens, 1...GatewayLimits.tokenArrayMax)]),
            1...GatewayLimits.tokenArrayMax),
    ])
    private static let text = Shape.either([.text, .array(.text, 1...1)])

    /// `POST /v1/embeddings`. Anthropic has none: a model of that kind is refused before the table is asked.
    package static let embeddings = FieldTable(
        native: .openai,
        [
            Field("model", .model, required: true),
            Field(
                "input",
                .either([
                    .string(1...(1 << 40)),
                    .array(
                        .either([.string(1...(1 << 40)), tokens, .array(tokens, 1...GatewayLimits.tokenArrayMax)]),
                        1...GatewayLimits.tokenArrayMax),
                ]), required: true),
            Field("dimensions", .integer(1...65_536), builtin: .within(.integer(1...BuiltinEmbedding.dimensionsMax))),
            Field("encoding_format", .choice(["float", "base64"])),
            Field("user", .user),
            // Of compatible servers (vLLM, LiteLLM, Voyage, Cohere through them).
            Field("input_type", .word, builtin: .hint),
            Field("truncate", .either([.bool, .word]), builtin: .hint),
            Field("truncate_prompt_tokens", .integer(-1...GatewayLimits.tokensMax), builtin: .hint),
            Field("add_special_tokens", .bool, builtin: .hint),
            Field("normalize", .bool, builtin: .hint),
        ])
}
