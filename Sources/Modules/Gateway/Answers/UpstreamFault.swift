// SPDX-License-Identifier: Apache-2.0

import Core
package import JSON

// What a provider's error becomes here. No word of it is repeated: a body may hold our key, another tenant's text or the
// address of an inner host. Only a code of a known list and the name of a member the route knows are read out of it.
//
//     400, 422            invalid_parameter, or content_filter where the provider says so
//     401, 402, 403, 404  upstream_error: our key, our account, our configuration; not the caller's fault
//     408, 504            upstream_timeout
//     413                 payload_too_large
//     429                 rate_limit_exceeded with the provider's retry-after, bounded; an exhausted account: upstream_error
//     503, 529            overloaded
//     anything else       upstream_error

extension Fault {
    /// An answer that does not read as the protocol says.
    package static let malformedAnswer = Fault(
        .upstreamError, "The model's provider gave an answer that cannot be read.")
    /// A stream that ended before its end.
    package static let interrupted = Fault(
        .upstreamInterrupted, "The connection to the model's provider broke before the answer was complete.")
    /// An answer that does not fit the strict schema it was asked for with.
    package static let schemaViolated = Fault(
        .upstreamError, "The model's answer does not fit the schema of the request.")

    /// A provider's answer with a status that is not 2xx. `retryAfterMilliseconds` and `retryAfter` are its headers of
    /// those names, if it sent them; `table` holds the fields whose names may be shown.
    package static func upstream(
        status: Int, body: [UInt8], retryAfterMilliseconds: String? = nil, retryAfter: String? = nil,
        table: FieldTable? = nil
    ) -> Fault {
        let words = UpstreamWords(body)
        var fault = Fault.upstream(status, words)
        fault.upstreamStatus = status
        if fault.code == .invalidParameter, let param = words.param,
            let root = param.split(whereSeparator: { $0 == "." || $0 == "[" }).first,
            table?.fields.contains(where: { $0.name == root }) == true
        {
            fault.param = String(root)
        }
        if fault.code == .rateLimitExceeded || fault.code == .overloaded {
            fault.retryAfterMilliseconds = delay(milliseconds: retryAfterMilliseconds, seconds: retryAfter)
        }
        return fault
    }

    /// An error in the middle of a provider's stream: the object that holds its `type` and `code`.
    package static func upstream(inStream error: JSONNode) -> Fault {
        let words = UpstreamWords(error)
        let status =
            switch words.type ?? "" {
            case "overloaded_error": 529
            case "rate_limit_error", "rate_limit_exceeded": 429
            case "timeout_error": 504
            case "invalid_request_error": 400
            default: error["code"]?.int.flatMap { (400...599).contains($0) ? $0 : nil } ?? 500
            }
        return .upstream(status, words)
    }

    private static func upstream(_ status: Int, _ words: UpstreamWords) -> Fault {
        switch status {
        case 400, 422:
            if words.isContentFilter {
                return Fault(.contentFilter, "The model's provider declined the request under its content policy.")
            }
            if words.isTooLong {
                return Fault(.invalidParameter, "The request is longer than this model takes.")
            }
            return Fault(.invalidParameter, "The model's provider refused the request as invalid.")
        case 408, 504: return Fault(.upstreamTimeout, "The model's provider did not answer in time.")
        case 413: return Fault(.payloadTooLarge, "The request is larger than this model's provider takes.")
        case 429 where !words.isOutOfFunds:
            return Fault(.rateLimitExceeded, "The model's provider is limiting the rate of requests.")
        case 503, 529: return Fault(.overloaded, "The model's provider is overloaded.")
        default: return Fault(.upstreamError, "The model's provider failed.")
        }
    }

    /// Milliseconds of delay; absent, negative or malformed values, and dates, give nil.
    private static func delay(milliseconds: String?, seconds: String?) -> Int? {
        let most = Double(GatewayLimits.retryAfterSecondsMax * 1_000)
        if let value = milliseconds.flatMap(Double.init), value >= 0 { return Int(min(value, most)) }
        if let value = seconds.flatMap(Double.init), value >= 0 { return Int(min(value * 1_000, most)) }
        return nil
    }
}

/// The few words of a provider's error that are looked at.
private struct UpstreamWords {
    var type: String?
    var code: String?
    var param: String?
    /// Looked at for phrases, never shown.
    private var message = ""

    init(_ body: [UInt8]) {
        let limits = JSONLimits(bytesMax: 1 << 20, depthMax: 32)
        guard let document = try? JSONDocument(parsing: body, limits: limits, strictness: .rfc8259) else { return }
        let root = document.root
        read(root["error"].flatMap { $0.kind == .object ? $0 : nil } ?? root)
    }

    init(_ error: JSONNode) { read(error) }

    private mutating func read(_ error: JSONNode) {
        type = error["type"]?.string
        code = error["code"]?.string
        param = error["param"]?.string
        message = error["message"]?.string?.lowercased() ?? ""
    }

    var isContentFilter: Bool {
        ["content_filter", "content_policy_violation", "moderation_blocked"].contains(code)
    }

    var isTooLong: Bool {
        code == "context_length_exceeded" || type == "exceed_context_size_error"
            || message.contains("prompt is too long") || message.contains("maximum context length")
    }

    var isOutOfFunds: Bool {
        ["insufficient_quota", "billing_hard_limit_reached"].contains(code) || type == "insufficient_quota"
    }
}
