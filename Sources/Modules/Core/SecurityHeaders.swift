// SPDX-License-Identifier: Apache-2.0

import HTTP

/// The fields that stand on every answer of the house, errors included.
enum SecurityHeaders {
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
