// SPDX-License-Identifier: Apache-2.0

import JSON

extension FieldTable {
    /// `POST /v1/messages`: Anthropic's fields of today (as of its Python SDK 2.11).
    package static let messages = FieldTable(native: .anthropic, MessagesFields.fields)

    /// `POST /v1/messages/count_tokens`: the fields that make up the input.
    package static let countTokens = FieldTable(
        native: .anthropic,
        MessagesFields.fields.compactMap { field in
            switch field.name {
            case "stream", "max_tokens", "metadata", "stop_sequences", "temperature", "top_p", "top_k", "service_tier",
                "inference_geo":
                nil
            default: field
            }
        })
}

enum MessagesFields {
    static let fields: [Field] = [
        Field("model", .model, required: true),
        Field("max_tokens", .tokens, required: true),
        Field("messages", .array(message, 1...GatewayLimits.messagesMax), required: true),
        Field(
            "system", .either([.text, .array(.tagged(by: "type", or: nil, [textBlock]), 0...GatewayLimits.partsMax)])),
        Field("stream", .bool),
        Field("stop_sequences", .array(.string(1...1_024), 0...GatewayLimits.stopsMax)),
        Field("temperature", .share, builtin: .hint),
        Field("top_p", .share, builtin: .hint),
        // OpenAI has no such field; compatible engines do, and then the provider's `pass` list says so.
        Field("top_k", .integer(0...1_000_000), openai: .unsupported, builtin: .hint),
        Field("tools", .array(tool, 0...GatewayLimits.toolsMax)),
        Field(
            "tool_choice",
            .tagged(
                by: "type", or: nil,
                [
                    Tag("auto", [parallel]), Tag("any", [parallel]),
                    Tag("tool", [Field("name", .name, required: true), parallel]), Tag("none", []),
                ])),
        Field(
            "thinking",
            .tagged(
                by: "type", or: nil,
                [
                    Tag(
                        "enabled",
                        [
                            Field("budget_tokens", .integer(1_024...GatewayLimits.tokensMax), required: true), display,
                        ]),
                    Tag("disabled", []), Tag("adaptive", [display]),
                    Tag("between_tools", [], openai: .hint, builtin: .hint),
                ])),
        Field(
            "output_config",
            .object([
                Field("effort", .choice(["low", "medium", "high", "xhigh", "max"])),
                Field(
                    "format",
                    .tagged(
                        by: "type", or: nil,
                        [
                            Tag("json_schema", [Field("schema", .free, required: true)])
                        ])),
            ])),
        // The name of the same in the beta that came before.
        Field("output_format", .free, openai: .unknown, builtin: .unknown),
        Field("metadata", .object([Field("user_id", .user)])),
        Field("cache_control", .cacheControl, openai: .hint, builtin: .hint),
        Field("service_tier", .choice(["auto", "standard_only"]), openai: .hint, builtin: .hint),
        Field(
            "speed", .choice(["standard", "fast"]), openai: .unpriced("standard"), anthropic: .unpriced("standard"),
            builtin: .unpriced("standard")),
        Field("inference_geo", .word, openai: .priced, anthropic: .priced, builtin: .priced),
        Field("context_management", .free, openai: .unsupported, builtin: .hint),
        Field("container", .any, openai: .consent(), anthropic: .consent(), builtin: .consent()),
        Field("diagnostics", .any, openai: .consent(), anthropic: .consent(), builtin: .consent()),
        Field("mcp_servers", .array(.any, 0...64), openai: .only([]), anthropic: .unpriced([]), builtin: .only([])),
        Field("fallbacks", .any, openai: .priced, anthropic: .priced, builtin: .priced),
        Field("user_profile_id", .any, openai: .shared, anthropic: .shared, builtin: .shared),
    ]

    private static let parallel = Field("disable_parallel_tool_use", .bool)
    private static let display = Field(
        "display", .choice(["summarized", "omitted"]), openai: .hint, builtin: .hint)

    private static let cacheControl = Field("cache_control", .cacheControl, openai: .hint, builtin: .hint)
    private static let citations = Field("citations", .any, openai: .hint, builtin: .hint)
    private static let caller = Field("caller", .free, openai: .hint, builtin: .hint)

    private static let textBlock = Tag("text", [Field("text", .text, required: true), cacheControl, citations])

    private static let imageBlock = Tag(
        "image",
        [
            Field(
                "source",
                .tagged(
                    by: "type", or: nil,
                    [
                        Tag(
                            "base64",
                            [
                                Field(
                                    "media_type", .choice(["image/jpeg", "image/png", "image/gif", "image/webp"]),
                                    required: true),
                                Field("data", .text, required: true),
                            ]),
                        Tag("url", [Field("url", .address, required: true)]),
                        fileSource,
                    ]), required: true),
            cacheControl, Field("transformations", .free, openai: .hint, builtin: .hint),
        ])

    private static let documentBlock = Tag(
        "document",
        [
            Field(
                "source",
                .tagged(
                    by: "type", or: nil,
                    [
                        Tag(
                            "base64",
                            [
                                Field("media_type", .choice(["application/pdf"]), required: true),
                                Field("data", .text, required: true),
                            ]),
                        Tag(
                            "text",
                            [
                                Field("media_type", .choice(["text/plain"]), required: true),
                                Field("data", .text, required: true),
                            ]),
                        Tag("url", [Field("url", .address, required: true)]),
                        Tag(
                            "content", [Field("content", .either([.text, inner]), required: true)], openai: .unsupported
                        ),
                        fileSource,
                    ]), required: true),
            Field("title", .word), Field("context", .text, openai: .unsupported, builtin: .hint), cacheControl,
            citations,
        ])

    /// Files at the provider belong to the house's account, so to every tenant of it.
    private static let fileSource = Tag(
        "file", [Field("file_id", .any)], openai: .shared, anthropic: .shared, builtin: .shared)

    private static let searchResult = Tag(
        "search_result",
        [
            Field(
                "content", .array(.tagged(by: "type", or: nil, [textBlock]), 0...GatewayLimits.partsMax), required: true
            ),
            Field("source", .text, required: true), Field("title", .text, required: true), cacheControl, citations,
        ], openai: .unsupported)

    private static let inner = Shape.array(
        .tagged(by: "type", or: nil, [textBlock, imageBlock]), 0...GatewayLimits.partsMax)

    /// Thinking is opaque to anybody but the provider that made it; others go without it.
    private static let thinking = [
        Tag(
            "thinking", [Field("thinking", .text, required: true), Field("signature", .text, required: true)],
            openai: .hint, builtin: .hint),
        Tag("redacted_thinking", [Field("data", .text, required: true)], openai: .hint, builtin: .hint),
    ]

    private static let toolUse = Tag(
        "tool_use",
        [
            Field("id", .string(1...512), required: true), Field("name", .name, required: true),
            Field("input", .free, required: true), cacheControl, caller,
        ])

    private static let toolResult = Tag(
        "tool_result",
        [
            Field("tool_use_id", .string(1...512), required: true),
            Field(
                "content",
                .either([
                    .text,
                    .array(
                        .tagged(by: "type", or: nil, [textBlock, imageBlock, documentBlock, searchResult]),
                        0...GatewayLimits.partsMax),
                ])),
            Field("is_error", .bool), cacheControl,
        ])

    private static func content(_ tags: [Tag]) -> Shape {
        .either([.text, .array(.tagged(by: "type", or: nil, tags), 0...GatewayLimits.partsMax)])
    }

    static let message = Shape.tagged(
        by: "role", or: nil,
        [
            Tag(
                "user",
                [
                    Field(
                        "content", content([textBlock, imageBlock, documentBlock, searchResult, toolResult]),
                        required: true)
                ]),
            Tag("assistant", [Field("content", content([textBlock, toolUse] + thinking), required: true)]),
            Tag("system", [Field("content", content([textBlock]), required: true)]),
        ])

    // Tools.

    /// Tools whose schema Anthropic knows and whose work the client does: they cost tokens only.
    static let clientTools = [
        "bash_20250124", "text_editor_20250124", "text_editor_20250429", "text_editor_20250728", "memory_20250818",
        "computer_20250124", "computer_20251124",
    ]

    private static let custom: [Field] = [
        Field("name", .name, required: true), Field("description", .text), Field("input_schema", .free, required: true),
        Field("strict", .bool), cacheControl,
        Field("eager_input_streaming", .bool, openai: .hint, builtin: .hint),
        Field("input_examples", .array(.free, 0...64), openai: .hint, builtin: .hint),
        Field("defer_loading", .bool, openai: .hint, builtin: .hint),
        Field("allowed_callers", .array(.choice(["direct"]), 0...4), openai: .hint, builtin: .hint),
    ]

    static let tool = Shape.tagged(
        by: "type", or: "custom",
        [Tag("custom", custom)]
            + clientTools.map { name in
                Tag(
                    name,
                    [
                        Field("name", .name, required: true), cacheControl, Field("max_characters", .count),
                        Field("display_width_px", .count), Field("display_heighs_px", .count),
                        Field("display_number", .count), Field("strict", .bool),
                    ], openai: .unsupported, builtin: .unsupported)
            })
}
