// SPDX-License-Identifier: Apache-2.0

import JSON

// Shapes that several routes share.

extension Shape {
    /// A text of a conversation: bounded only by the body's own limit.
    static let text = Shape.string(0...(1 << 40))
    /// A word or short identifier that is handed on.
    static let word = Shape.string(0...512)
    /// A tool's or schema's name.
    static let name = Shape.string(1...GatewayLimits.nameBytesMax)
    static let model = Shape.string(1...GatewayLimits.modelBytesMax)
    static let user = Shape.string(0...GatewayLimits.userBytesMax)
    static let tokens = Shape.integer(1...GatewayLimits.tokensMax)
    static let count = Shape.integer(0...GatewayLimits.tokensMax)
    static let penalty = Shape.number(-2...2)
    static let factor = Shape.number(-1e6...1e6)
    static let share = Shape.number(0...1)
    static let seed = Shape.integer(Int.min...Int.max)
    static let words = Shape.array(.word, 0...GatewayLimits.stopsMax)
    /// Stop sequences: one or several.
    static let stop = Shape.either([.string(1...1_024), .array(.string(1...1_024), 0...GatewayLimits.stopsMax)])
    /// OpenAI's key-value pairs: 16 of at most 64 and 512 characters.
    static let metadata = Shape.map(.string(0...2_048), 0...16)
    static let logitBias = Shape.map(.number(-100...100), 0...1_024)
    static let effort = Shape.choice(Reasoning.Effort.allCases.map(\.rawValue))

    static let streamOptions = Shape.object([
        Field("include_usage", .bool),
        // Padding against traffic analysis: OpenAI adds it by itself, others do not know it.
        Field("include_obfuscation", .bool, anthropic: .hint, builtin: .hint),
        Field("continuous_usage_stats", .bool, anthropic: .unknown, builtin: .hint),
    ])

    /// Anthropic's cache marks. A lifetime of an hour is written at twice the input price.
    static let cacheControl = Shape.object([
        Field("type", .choice(["ephemeral"]), required: true),
        Field("ttl", .choice(["5m", "1h"]), anthropic: .unpriced("5m")),
    ])

    static let reasoningOptions = Shape.object([
        Field("effort", .effort),
        Field("max_tokens", .count, anthropic: .hint, builtin: .hint),
        Field("exclude", .bool, anthropic: .hint, builtin: .hint),
        Field("enabled", .bool, anthropic: .hint, builtin: .hint),
        Field("summary", .choice(["auto", "concise", "detailed"]), anthropic: .hint, builtin: .hint),
    ])
}

extension Treatment {
    static let priced = Treatment.refused("would change the model or the price of the request")
    static let shared = Treatment.refused("reaches what tenants share at the provider")
    static let unsupported = Treatment.refused("is not supported by this model's provider")
    static let deprecated = Treatment.refused("is deprecated and not translated for this model's provider; use tools")
}

/// The sampling settings of OpenAI-compatible engines beyond OpenAI's own, on chat and completions alike. They reach
/// providers of kind `openai`; OpenAI itself refuses them there. The builtin model takes and ignores them.
enum EngineFields {
    static let fields: [Field] = vllm + llama + router

    /// vLLM's (and SGLang's, TGI's) sampling and decoding parameters.
    private static let vllm: [Field] = [
        row("top_k", .integer(-1...1_000_000)), row("min_p", .share), row("top_a", .share),
        row("repetition_penalty", .number(0...100)), row("length_penalty", .factor),
        row("stop_token_ids", .array(.seed, 0...1_024)), row("include_stop_str_in_output", .bool),
        row("bad_words", .words), row("allowed_token_ids", .array(.seed, 0...100_000)),
        row("min_tokens", .count), row("ignore_eos", .bool), row("skip_special_tokens", .bool),
        row("spaces_between_special_tokens", .bool), row("truncate_prompt_tokens", .integer(-1...100_000_000)),
        row("prompt_logprobs", .integer(-1...64)), row("add_generation_prompt", .bool),
        row("continue_final_message", .bool), row("add_special_tokens", .bool),
        row("chat_template_kwargs", .free), row("documents", .array(.free, 0...1_024)),
        row("mm_processor_kwargs", .free), row("structured_outputs", .free),
        row("guided_json", .either([.free, .text])), row("guided_regex", .string(0...16_384)),
        row("guided_choice", .array(.text, 0...1_024)), row("guided_grammar", .text),
        row("guided_whitespace_pattern", .word), row("guided_decoding_backend", .word),
        row("structural_tag", .text), row("return_tokens_as_token_ids", .bool), row("return_token_ids", .bool),
        row("cache_salt", .word), row("request_id", .word), row("thinking_token_budget", .count),
        row("separate_reasoning", .bool), row("stream_reasoning", .bool), row("regex", .string(0...16_384)),
        row("ebnf", .text),
        // Beams are generated and billed whether shown or not.
        Field("use_beam_search", .bool, openai: .unpriced(false), anthropic: .unknown, builtin: .hint),
        Field(
            "best_of", .integer(1...GatewayLimits.choicesMax), openai: .unpriced(1), anthropic: .only(1), builtin: .hint
        ),
        refused("priority"), refused("kv_transfer_params"), refused("logits_processors"), refused("chat_template"),
        refused("vllm_xargs"),
    ]

    /// The server of llama.cpp.
    private static let llama: [Field] = [
        row("typical_p", .number(0...10)), row("tfs_z", .number(0...10)), row("top_n_sigma", .factor),
        row("dynatemp_range", .factor), row("dynatemp_exponent", .factor), row("repeat_penalty", .number(0...100)),
        row("repeat_last_n", .integer(-1...1_000_000)), row("penalize_nl", .bool),
        row("dry_multiplier", .factor), row("dry_base", .factor), row("dry_allowed_length", .count),
        row("dry_penalty_last_n", .integer(-1...1_000_000)), row("dry_sequence_breakers", .words),
        row("xtc_probability", .share), row("xtc_threshold", .share), row("mirostat", .integer(0...2)),
        row("mirostat_tau", .factor), row("mirostat_eta", .factor), row("grammar", .text), row("json_schema", .free),
        row("n_probs", .integer(0...100)), row("min_keep", .count), row("cache_prompt", .bool),
        row("n_keep", .integer(-1...100_000_000)), row("t_max_predict_ms", .count), row("n_indent", .count),
        row("samplers", .either([.word, .words])), row("post_sampling_probs", .bool), row("return_tokens", .bool),
        row("timings_per_token", .bool), row("return_progress", .bool), row("reasoning_format", .word),
        row("thinking_forced_open", .bool), row("parse_tool_calls", .bool),
        row("reasoning_budget", .integer(-1...100_000_000)),
        // Another name for max_tokens would not be seen by the limits.
        Field(
            "n_predict", .seed, openai: .refused("is not counted; use max_tokens"), anthropic: .unknown, builtin: .hint),
        refused("id_slot"), refused("lora"),
    ]

    /// OpenRouter's.
    private static let router: [Field] = [
        row("include_reasoning", .bool), row("usage", .object([Field("include", .bool)])),
        Field("models", .any, openai: .priced, anthropic: .unknown, builtin: .hint),
        Field("route", .any, openai: .priced, anthropic: .unknown, builtin: .hint),
        Field("provider", .any, openai: .priced, anthropic: .unknown, builtin: .hint),
        Field("plugins", .any, openai: .priced, anthropic: .unknown, builtin: .hint),
        Field("preset", .any, openai: .priced, anthropic: .unknown, builtin: .hint),
        Field("transforms", .array(.word, 0...8), openai: .only([]), anthropic: .unknown, builtin: .hint),
    ]

    private static func row(_ name: String, _ shape: Shape) -> Field {
        Field(name, shape, anthropic: .unknown, builtin: .hint)
    }

    /// Reaches the machine behind the model, or other people's requests on it.
    private static func refused(_ name: String) -> Field {
        Field(name, .any, openai: .shared, anthropic: .unknown, builtin: .hint)
    }
}
