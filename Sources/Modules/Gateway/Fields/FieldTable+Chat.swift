// SPDX-License-Identifier: Apache-2.0

import JSON

extension FieldTable {
    /// `POST /v1/chat/completions`: OpenAI's fields of today (its OpenAPI description as of the Python SDK 3.52), then
    /// those of compatible engines. Read a row as: name, shape, and what each kind of provider makes of it.
    package static let chat = FieldTable(native: .openai, ChatFields.fields + EngineFields.fields)
}

enum ChatFields {
    static let fields: [Field] = [
        Field("model", .model, required: true),
        Field("messages", .array(message, 1...GatewayLimits.messagesMax), required: true),
        Field("stream", .bool),
        Field("stream_options", .streamOptions),
        Field("max_tokens", .tokens),
        Field("max_completion_tokens", .tokens),
        Field("n", .integer(1...GatewayLimits.choicesMax), anthropic: .only(1)),
        Field("stop", .stop),
        // Anthropic's scale ends at 1: a request above it is refused rather than answered at another temperature.
        Field("temperature", .number(0...2), anthropic: .within(.share), builtin: .hint),
        Field("top_p", .share, builtin: .hint),
        Field("frequency_penalty", .penalty, anthropic: .only(0), builtin: .hint),
        Field("presence_penalty", .penalty, anthropic: .only(0), builtin: .hint),
        Field("logit_bias", .logitBias, anthropic: .only([:]), builtin: .hint),
        Field("seed", .seed, anthropic: .hint, builtin: .hint),
        Field("logprobs", .bool, anthropic: .only(false), builtin: .only(false)),
        Field("top_logprobs", .integer(0...20), anthropic: .only(0), builtin: .only(0)),
        Field("tools", .array(tool, 0...GatewayLimits.toolsMax)),
        Field("tool_choice", toolChoice),
        Field("parallel_tool_calls", .bool),
        Field("functions", .array(function, 0...GatewayLimits.toolsMax), anthropic: .deprecated, builtin: .deprecated),
        Field(
            "function_call", .either([.choice(["none", "auto"]), .object([Field("name", .name, required: true)])]),
            anthropic: .deprecated, builtin: .deprecated),
        Field("response_format", responseFormat),
        Field("reasoning_effort", .effort),
        Field("reasoning", .reasoningOptions),
        Field("verbosity", .choice(["low", "medium", "high"]), anthropic: .hint, builtin: .hint),
        Field("user", .user),
        Field("safety_identifier", .user, anthropic: .hint, builtin: .hint),
        Field("metadata", .metadata, anthropic: .hint, builtin: .hint),
        Field("prompt_cache_key", .word, anthropic: .hint, builtin: .hint),
        Field(
            "prompt_cache_retention", .choice(["in_memory", "24h"]), openai: .consent("in_memory"),
            anthropic: .consent("in_memory"), builtin: .hint),
        Field("prompt_cache_options", .free, openai: .unpriced([:]), anthropic: .hint, builtin: .hint),
        Field("store", .bool, openai: .consent(false), anthropic: .consent(false), builtin: .consent(false)),
        Field(
            "service_tier", .choice(["auto", "default", "flex", "scale", "priority", "fast"]),
            openai: .unpriced("auto", "default"), anthropic: .unpriced("auto", "default"),
            builtin: .unpriced("auto", "default")),
        Field(
            "modalities", .array(.choice(["text", "audio"]), 1...2), openai: .unpriced(["text"]),
            anthropic: .only(["text"]), builtin: .only(["text"])),
        Field("audio", .free, openai: .priced, anthropic: .unsupported, builtin: .unsupported),
        Field("prediction", .free, openai: .priced, anthropic: .unsupported, builtin: .unsupported),
        Field("web_search_options", .free, openai: .priced, anthropic: .unsupported, builtin: .unsupported),
        Field("moderation", .free, openai: .priced, anthropic: .unsupported, builtin: .unsupported),
    ]

    static let function = Shape.object(definition)

    static let definition: [Field] = [
        Field("name", .name, required: true),
        Field("description", .text),
        Field("parameters", .free),
        Field("strict", .bool),
    ]

    static let tool = Shape.tagged(
        by: "type", or: nil,
        [
            Tag("function", [Field("function", function, required: true)]),
            Tag(
                "custom",
                [
                    Field(
                        "custom",
                        .object([
                            Field("name", .name, required: true), Field("description", .text), Field("format", .free),
                        ]), required: true)
                ],
                anthropic: .unsupported, builtin: .unsupported),
        ])

    private static let named = Shape.object([Field("name", .name, required: true)])

    static let toolChoice = Shape.either([
        .choice(["none", "auto", "required"]),
        .tagged(
            by: "type", or: nil,
            [
                Tag("function", [Field("function", named, required: true)]),
                Tag("custom", [Field("custom", named, required: true)], anthropic: .unsupported, builtin: .unsupported),
                Tag(
                    "allowed_tools", [Field("allowed_tools", .free, required: true)],
                    anthropic: .unsupported, builtin: .unsupported),
            ]),
    ])

    static let responseFormat = Shape.tagged(
        by: "type", or: nil,
        [
            Tag("text", []),
            Tag(
                "json_object",
                [
                    // llama.cpp takes the schema here.
                    Field("schema", .free, anthropic: .unknown, builtin: .unknown)
                ], judged: true),
            Tag(
                "json_schema",
                [
                    Field(
                        "json_schema",
                        .object([
                            Field("name", .name, required: true),
                            Field("description", .text),
                            Field("schema", .free),
                            Field("strict", .bool),
                        ]), required: true)
                ], judged: true),
        ])

    // Messages.

    /// Set on text, image, audio and file parts where the caller places cache breakpoints.
    private static let breakpoint = Field(
        "prompt_cache_breakpoint", .free, openai: .priced, anthropic: .hint, builtin: .hint)
    /// LiteLLM's and OpenRouter's way to place Anthropic's cache marks through OpenAI's protocol.
    private static let cacheControl = Field("cache_control", .cacheControl, anthropic: .hint, builtin: .hint)

    private static let textPart = Tag(
        "text", [Field("text", .text, required: true), breakpoint, cacheControl])
    private static let refusalPart = Tag("refusal", [Field("refusal", .text, required: true)])
    private static let imagePart = Tag(
        "image_url",
        [
            Field(
                "image_url",
                .object([
                    Field("url", .address, required: true),
                    Field("detail", .choice(["auto", "low", "high", "original"]), anthropic: .hint, builtin: .hint),
                ]), required: true),
            breakpoint, cacheControl,
        ], judged: true)
    private static let audioPart = Tag(
        "input_audio",
        [
            Field(
                "input_audio",
                .object([
                    Field("data", .text, required: true), Field("format", .choice(["wav", "mp3"]), required: true),
                ]), required: true), breakpoint,
        ],
        judged: true, anthropic: .unsupported)
    private static let filePart = Tag(
        "file",
        [
            Field(
                "file",
                .object([
                    Field("file_data", .fileData),
                    Field("filename", .word),
                    // Files at the provider belong to the house's account, so to every tenant of it.
                    Field("file_id", .word, openai: .shared, anthropic: .shared, builtin: .shared),
                ]), required: true),
            breakpoint, cacheControl,
        ], judged: true)
    private static let videoPart = Tag(
        "video_url", [Field("video_url", .object([Field("url", .address, required: true)]), required: true)],
        judged: true, anthropic: .unsupported, builtin: .unsupported)
    private static let soundPart = Tag(
        "audio_url", [Field("audio_url", .object([Field("url", .address, required: true)]), required: true)],
        judged: true, anthropic: .unsupported, builtin: .unsupported)

    private static func content(_ parts: Tag...) -> Shape {
        .either([.text, .array(.tagged(by: "type", or: nil, parts), 1...GatewayLimits.partsMax)])
    }

    private static let speaker = Field("name", .word, anthropic: .hint, builtin: .hint)
    private static let system: [Field] = [Field("content", content(textPart), required: true), speaker]

    static let message = Shape.tagged(
        by: "role", or: nil,
        [
            Tag("system", system),
            Tag("developer", system),
            Tag(
                "user",
                [
                    Field(
                        "content", content(textPart, imagePart, audioPart, filePart, videoPart, soundPart),
                        required: true),
                    speaker,
                ]),
            Tag(
                "assistant",
                [
                    Field("content", content(textPart, refusalPart)),
                    Field("refusal", .text),
                    speaker,
                    Field("tool_calls", .array(toolCall, 0...GatewayLimits.toolCallsMax)),
                    Field(
                        "function_call",
                        .object([Field("name", .name, required: true), Field("arguments", .text, required: true)]),
                        anthropic: .deprecated, builtin: .deprecated),
                    // Answers replayed as they came: what SDKs hand back with a message.
                    Field("annotations", .array(.free, 0...1_024), anthropic: .hint, builtin: .hint),
                    Field("audio", .free, openai: .priced, anthropic: .unsupported, builtin: .unsupported),
                    Field("reasoning_content", .text, anthropic: .hint, builtin: .hint),
                    Field("reasoning", .text, anthropic: .hint, builtin: .hint),
                    Field("reasoning_details", .array(.free, 0...1_024), anthropic: .hint, builtin: .hint),
                    Field("prefix", .bool, anthropic: .hint, builtin: .hint),
                ]),
            Tag(
                "tool",
                [
                    Field("content", content(textPart, imagePart), required: true),
                    Field("tool_call_id", .string(1...512), required: true),
                    Field("name", .word, anthropic: .hint, builtin: .hint),
                ]),
            Tag(
                "function",
                [Field("content", .text, required: true), Field("name", .name, required: true)],
                judged: true, anthropic: .deprecated, builtin: .deprecated),
        ])

    private static let toolCall = Shape.tagged(
        by: "type", or: "function",
        [
            Tag(
                "function",
                [
                    Field("id", .string(1...512), required: true),
                    Field("index", .count),
                    Field(
                        "function",
                        .object([
                            Field("name", .name, required: true), Field("arguments", .text, required: true),
                        ]), required: true),
                ]),
            Tag(
                "custom",
                [
                    Field("id", .string(1...512), required: true),
                    Field(
                        "custom",
                        .object([
                            Field("name", .name, required: true), Field("input", .text, required: true),
                        ]), required: true),
                ],
                anthropic: .unsupported, builtin: .unsupported),
        ])
}
