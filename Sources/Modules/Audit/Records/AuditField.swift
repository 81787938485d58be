// SPDX-License-Identifier: Apache-2.0

/// What a record can say. The number is written, so it never changes its meaning; a record has its fields in the order of
/// their numbers. None of them is content: what people wrote appears as a length or as a keyed digest, if at all.
enum AuditField: UInt8, CaseIterable, Sendable {
    // Who.
    case tenant = 1
    /// `key`, `socket`, `house`.
    case actorKind = 2
    case actorID = 3
    /// The first 12 characters of a key, which are shown anyway.
    case keyPrefix = 4
    /// Keyed digest.
    case address = 5
    /// Keyed digest.
    case endUser = 6

    // What.
    /// A word with a dot: `tenant.create`, `chat.completions`.
    case action = 10
    /// An id that is no person's and of nothing that can be erased: a tenant, a key, a plan.
    case object = 11
    /// Keyed digest of the id of what can be erased.
    case objectDigest = 12
    case requestID = 13
    /// A route as its pattern.
    case route = 14
    /// Keyed digest of what stood before an act, and of what stands after it.
    case before = 15
    case after = 16
    /// Why, in the operator's words: break-glass.
    case reasonDigest = 17
    /// Keyed digest of what an act was asked with.
    case parameters = 18

    // The call to a model.
    case node = 20
    case model = 21
    case provider = 22
    case upstreamModel = 23
    /// 1 where the answer is streamed.
    case isStreamed = 24
    case inputTokens = 25
    case outputTokens = 26
    case cachedTokens = 27
    /// Nano-dollars.
    case cost = 28
    /// 1 where tokens and cost are what was reserved, since the provider's own count never came.
    case isEstimated = 29
    case reservedInputTokens = 30
    case reservedOutputTokens = 31
    case reservedCost = 32
    /// 1 where the limiter held something back for the call, and has counted what it used when it ended.
    case isHeld = 33

    // How it ended.
    /// `answered`, `refused`, `failed`, `abandoned`, `interrupted`.
    case outcome = 40
    case status = 41
    /// Of the closed list of codes.
    case code = 42
    case stage = 43
    case rule = 44
    /// Milliseconds.
    case latency = 45
    /// Milliseconds from the request to the first byte of the answer.
    case firstByte = 46
    /// The sequence of the intent that this is the outcome of.
    case intent = 47

    // Many in one.
    case count = 50
    case firstRequestID = 51
    case lastRequestID = 52

    // The house.
    /// A file of the data directory, by its name.
    case file = 60
    case bytes = 61
    case generation = 62
    /// Of a log before this one: how many records its last checkpoint had, and their root.
    case earlierSize = 63
    case earlierRoot = 64

    /// As it stands in JSON.
    var name: String {
        switch self {
        case .actorKind: "actor_kind"
        case .actorID: "actor"
        case .keyPrefix: "key"
        case .endUser: "end_user"
        case .objectDigest: "object_digest"
        case .requestID: "request_id"
        case .reasonDigest: "reason_digest"
        case .upstreamModel: "upstream_model"
        case .isStreamed: "stream"
        case .inputTokens: "input_tokens"
        case .outputTokens: "output_tokens"
        case .cachedTokens: "cached_tokens"
        case .isEstimated: "estimated"
        case .reservedInputTokens: "reserved_input_tokens"
        case .reservedOutputTokens: "reserved_output_tokens"
        case .reservedCost: "reserved_cost"
        case .isHeld: "held"
        case .latency: "latency_ms"
        case .firstByte: "first_byte_ms"
        case .firstRequestID: "first_request_id"
        case .lastRequestID: "last_request_id"
        case .earlierSize: "earlier_size"
        case .earlierRoot: "earlier_root"
        default: "\(self)"
        }
    }

    var form: Form {
        switch self {
        case .address, .endUser, .objectDigest, .before, .after, .reasonDigest, .parameters, .earlierRoot: .digest
        case .isStreamed, .inputTokens, .outputTokens, .cachedTokens, .cost, .isEstimated, .reservedInputTokens,
            .reservedOutputTokens, .reservedCost, .isHeld, .status, .latency, .firstByte, .intent, .count, .bytes,
            .generation,
            .earlierSize:
            .number
        default: .text
        }
    }

    /// Whether the number is 1 for true.
    var isFlag: Bool { self == .isStreamed || self == .isEstimated || self == .isHeld }

    /// Whether it comes behind all that say who and what: a figure, or how it ended.
    var isFigure: Bool { rawValue >= AuditField.inputTokens.rawValue }

    enum Form: Sendable {
        case text, number, digest
    }
}
