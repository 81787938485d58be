// SPDX-License-Identifier: Apache-2.0

import JSON

extension FieldTable {
    /// `POST /v1/responses`: always translated (no provider's bytes are the client's), and stateless.
    package static let responses = FieldTable(native: nil, ResponsesFields.fields)
}

enum ResponsesFields {
    static let fields: [Field] = [
        Field("model", .model, required: true),
        Field("input", .either([.text, .array(item, 1...GatewayLimits.messagesMax)]), required: true),
        Field("instructions", .text),
        Field("stream", .bool),
        Field(
            "stream_options",
            .object([Field("include_obfuscation", .bool, openai: .hint, anthropic: .hint, builtin: .hint)])),
        Field("max_output_tokens", .tokens),
        // Bounds the provider's own tools, of which there are none here.
        hint("max_tool_calls", .count),
        Field("temperature", .number(0...2), anthropic: .within(.share), builtin: .hint),
        Field("top_p", .share, builtin: .hint),
        everywhere("top_logprobs", .integer(0...20), .only(0)),
        Field("tools", .array(tool, 0...GatewayLimits.toolsMax)),
        Field("tool_choice", toolChoice),
        Field("parallel_tool_calls", .bool),
        Field(
            "text",
            .object([
                Field("format", format),
                Field("verbosity", .choice(["low", "medium", "high"]), anthropic: .hint, builtin: .hint),
            ])),
        Field(
            "reasoning",
            .object([
                Field("effort", .effort),
                hint("summary", .choice(["auto", "concise", "detailed"])),
                hint("generate_summary", .choice(["auto", "concise", "detailed"])),
                everywhere("context", .word, .only("auto")),
                everywhere("mode", .word, .unpriced("standard")),
            ])),
        // What a stateless answer does not have is left out of it.
        hint(
            "include",
            .array(
                .choice([
                    "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
                    "message.input_image.image_url", "computer_call_output.output.image_url",
                    "code_interpreter_call.outputs", "reasoning.encrypted_content", "message.output_text.logprobs",
                ]), 0...16)),
        Field("user", .user),
        Field("safety_identifier", .user, anthropic: .hint, builtin: .hint),
        hint("metadata", .metadata),
        Field("prompt_cache_key", .word, anthropic: .hint, builtin: .hint),
        everywhere("prompt_cache_retention", .choice(["in_memory", "24h"]), .consent("in_memory")),
        everywhere("prompt_cache_options", .free, .unpriced([:])),
        everywhere("truncation", .choice(["auto", "disabled"]), .only("disabled")),
        everywhere("service_tier", .word, .unpriced("auto", "default")),
        everywhere("store", .bool, .consent(false)),
        everywhere("previous_response_id", .word, .consent()),
        everywhere("conversation", .any, .consent()),
        everywhere("background", .bool, .only(false)),
        everywhere("prompt", .any, .refused("names a prompt stored at the provider; send it as instructions")),
        everywhere("context_management", .any, .unsupported),
        everywhere("moderation", .any, .priced),
        everywhere("image", .any, .unsupported),
        everywhere("access_programs", .any, .unsupported),
    ]

    private static func hint(_ name: String, _ shape: Shape) -> Field { everywhere(name, shape, .hint) }

    private static func everywhere(_ name: String, _ shape: Shape, _ treatment: Treatment) -> Field {
        Field(name, shape, openai: treatment, anthropic: treatment, builtin: treatment)
    }

    private static let status = hint("status", .choice(["in_progress", "completed", "incomplete"]))
    private static let id = hint("id", .word)

    private static let inputParts: [Tag] = [
        Tag("input_text", [Field("text", .text, required: true), hint("prompt_cache_breakpoint", .free)]),
        Tag(
            "input_image",
            [
                Field("image_url", .address),
                Field("detail", .choice(["auto", "low", "high", "original"]), anthropic: .hint, builtin: .hint),
                everywhere("file_id", .word, .shared), hint("prompt_cache_breakpoint", .free),
            ]),
        Tag(
            "input_file",
            [
                Field("file_data", .fileData), Field("filename", .word), Field("file_url", .address),
                everywhere("file_id", .word, .shared), hint("detail", .word), hint("prompt_cache_breakpoint", .free),
            ]),
        Tag(
            "input_audio",
            [
                Field(
                    "input_audio",
                    .object([
                        Field("data", .text, required: true), Field("format", .choice(["wav", "mp3"]), required: true),
                    ]), required: true)
            ], anthropic: .unsupported),
        // An assistant's earlier answer, replayed.
        Tag(
            "output_text",
            [
                Field("text", .text, required: true), hint("annotations", .array(.free, 0...1_024)),
                hint("logprobs", .array(.any, 0...1_000_000)),
            ]),
        Tag("refusal", [Field("refusal", .text, required: true)]),
    ]
    private static let parts = Shape.array(.tagged(by: "type", or: nil, inputParts), 0...GatewayLimits.partsMax)
    private static let callID = Field("call_id", .string(1...512), required: true)

    static let item = Shape.tagged(
        by: "type", or: "message",
        [
            Tag(
                "message",
                [
                    Field("role", .choice(["user", "assistant", "system", "developer"]), required: true),
                    Field("content", .either([.text, parts]), required: true), id, status,
                    hint("phase", .choice(["commentary", "final_answer"])),
                ]),
            Tag(
                "function_call",
                [
                    callID, Field("name", .name, required: true), Field("arguments", .text, required: true), id, status,
                ]),
            Tag(
                "function_call_output", [callID, Field("output", .either([.text, parts]), required: true), id, status]),
            // Another provider's thinking cannot be continued: kept out of the upstream's request, as OpenAI does with ids
            // it does not know when nothing is stored.
            Tag(
                "reasoning",
                [
                    id, status, hint("summary", .array(.free, 0...1_024)), hint("content", .array(.free, 0...1_024)),
                    hint("encrypted_content", .text),
                ]),
            Tag("item_reference", [Field("id", .any)], openai: stored, anthropic: stored, builtin: stored),
        ])
    private static let stored = Treatment.refused("names what was stored; nothing is, so send the items themselves")

    static let tool = Shape.tagged(
        by: "type", or: nil,
        [
            Tag(
                "function",
                [
                    Field("name", .name, required: true), Field("description", .text), Field("parameters", .free),
                    Field("strict", .bool), hint("allowed_callers", .words), hint("defer_loading", .bool),
                    hint("output_schema", .free),
                ])
        ])

    private static let toolChoice = Shape.either([
        .choice(["none", "auto", "required"]),
        .tagged(by: "type", or: nil, [Tag("function", [Field("name", .name, required: true)])]),
    ])

    static let format = Shape.tagged(
        by: "type", or: nil,
        [
            Tag("text", []),
            Tag("json_object", []),
            Tag(
                "json_schema",
                [
                    Field("name", .name, required: true), Field("description", .text),
                    Field("schema", .free, required: true),
                    Field("strict", .bool),
                ]),
        ])
}
