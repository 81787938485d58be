// SPDX-License-Identifier: Apache-2.0

/// Every way in which the house says no: a closed list, mapped to HTTP here and nowhere else.
///
/// A client learns the code, a short sentence and the request id; the operator's log has the cause. The raw value is what
/// stands in `error.code`.
package enum ErrorCode: String, CaseIterable, Sendable {
    // 400
    case invalidJSON = "invalid_json"
    case invalidParameter = "invalid_parameter"
    case unknownParameter = "unknown_parameter"
    case contentFilter = "content_filter"
    case payloadRejected = "payload_rejected"
    case modelNotPriced = "model_not_priced"
    case unsupportedEncoding = "unsupported_encoding"
    // 401
    case missingCredential = "missing_credential"
    case invalidAPIKey = "invalid_api_key"
    case expired
    case revoked
    case invalidLogin = "invalid_login"
    case invalidSession = "invalid_session"
    case invalidSignature = "invalid_signature"
    // 403
    case insufficientScope = "insufficient_scope"
    case nodeNotAllowed = "node_not_allowed"
    case originNotAllowed = "origin_not_allowed"
    case addressNotAllowed = "ip_not_allowed"
    case consentRequired = "consent_required"
    case totpRequired = "totp_required"
    case blocked
    case locked
    case csrf
    case credentialExposed = "credential_exposed"
    // 404
    case notFound = "not_found"
    case modelNotFound = "model_not_found"
    // 405 … 431
    case methodNotAllowed = "method_not_allowed"
    case requestTimeout = "request_timeout"
    case conflict
    case payloadTooLarge = "payload_too_large"
    case targetTooLong = "uri_too_long"
    case unsupportedMediaType = "unsupported_media_type"
    case rangeNotSatisfiable = "range_not_satisfiable"
    case misdirectedRequest = "misdirected_request"
    case headersTooLarge = "headers_too_large"
    // 422
    case policyRefusal = "policy_refusal"
    case leakedPassword = "leaked_password"
    // 429
    case rateLimitExceeded = "rate_limit_exceeded"
    case concurrencyExceeded = "concurrency_exceeded"
    case insufficientQuota = "insufficient_quota"
    case abuseBudgetExceeded = "abuse_budget_exceeded"
    // 500
    case `internal`
    // 502, 504
    case upstreamError = "upstream_error"
    case upstreamTimeout = "upstream_timeout"
    case upstreamInterrupted = "upstream_interrupted"
    // 503
    case overloaded
    case circuitOpen = "circuit_open"
    case auditUnavailable = "audit_unavailable"
    case disabled
    case draining

    /// The HTTP status of this code (RFC 9110 §15; 429 and 431: RFC 6585).
    package var status: Int {
        switch self {
        case .invalidJSON, .invalidParameter, .unknownParameter, .contentFilter, .payloadRejected, .modelNotPriced,
            .unsupportedEncoding:
            400
        case .missingCredential, .invalidAPIKey, .expired, .revoked, .invalidLogin, .invalidSession, .invalidSignature:
            401
        case .insufficientScope, .nodeNotAllowed, .originNotAllowed, .addressNotAllowed, .consentRequired,
            .totpRequired, .blocked, .locked, .csrf, .credentialExposed:
            403
        case .notFound, .modelNotFound: 404
        case .methodNotAllowed: 405
        case .requestTimeout: 408
        case .conflict: 409
        case .payloadTooLarge: 413
        case .targetTooLong: 414
        case .unsupportedMediaType: 415
        case .rangeNotSatisfiable: 416
        case .misdirectedRequest: 421
        case .policyRefusal, .leakedPassword: 422
        case .rateLimitExceeded, .concurrencyExceeded, .insufficientQuota, .abuseBudgetExceeded: 429
        case .headersTooLarge: 431
        case .internal: 500
        case .upstreamError, .upstreamInterrupted: 502
        case .overloaded, .circuitOpen, .auditUnavailable, .disabled, .draining: 503
        case .upstreamTimeout: 504
        }
    }

    /// What stands in `error.type` of the house's own shape, which is OpenAI's.
    package var type: String {
        switch status {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 422: "policy_error"
        case 429: "rate_limit_error"
        case 500...599: "api_error"
        default: "invalid_request_error"
        }
    }

    /// The status on Anthropic's routes: an overloaded house answers 529 there, as Anthropic does.
    package var anthropicStatus: Int {
        switch self {
        case .overloaded, .circuitOpen, .draining: 529
        default: status
        }
    }

    /// What stands in `error.type` on Anthropic's routes, whose list of types is shorter than our list of codes.
    package var anthropicType: String {
        switch anthropicStatus {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 504: "timeout_error"
        case 529: "overloaded_error"
        case 500...599: "api_error"
        default: "invalid_request_error"
        }
    }

    /// Whether sending the same request again can help. Where it cannot, the answer says `x-should-retry: false`, which
    /// the stock SDKs obey.
    package var retryCanHelp: Bool {
        switch self {
        case .insufficientQuota, .abuseBudgetExceeded, .disabled: false
        default: status == 408 || status == 409 || status == 429 || status >= 500
        }
    }
}
