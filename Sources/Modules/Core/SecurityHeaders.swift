// SPDX-License-Identifier: Apache-2.0

import HTTP

/// The fields that stand on every answer of the house, errors included.
enum SecurityHeaders {
    /// The fields of every answer with a body of that type.
    static func always(contentType: String) -> Fields {
        switch contentType {
        case "application/json": return ofJSON
        case "text/event-stream; charset=utf-8": return ofStream
        case "text/html; charset=utf-8": return ofPage
        default: return with(contentType)
        }
    }

    /// Lends them: a copy would be counted as one holder more.
    @inline(__always)
    static func lend<Result, Failure: Error>(
        contentType: String, _ body: (borrowing Fields) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        contentType == "application/json" ? try body(ofJSON) : try body(always(contentType: contentType))
    }

    /// A page may load its style from this server, and nothing else from anywhere: no script runs, whatever stands in it.
    private static let ofPage: Fields = {
        var fields = with("text/html; charset=utf-8")
        fields.set(
            "content-security-policy",
            "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        return fields
    }()

    // Nearly all answers are of these types.
    private static let ofJSON = with("application/json")
    private static let ofStream = with("text/event-stream; charset=utf-8")

    private static func with(_ contentType: String) -> Fields {
        var fields = Fields()
        fields.append("content-type", contentType)
        fields.append(contentsOf: always)
        return fields
    }

    /// In the order in which they are sent; made once, and copied as one piece.
    ///
    /// The content security policy is that of an API: nothing may be loaded, framed or submitted. Pages bring their own.
    static let always: Fields = [
        "strict-transport-security": "max-age=63072000; includeSubDomains",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    ]
}
