// SPDX-License-Identifier: Apache-2.0

/// The names under which a browser keeps a session, and how it proves that a request is its own page's.
///
/// `__Host-` (RFC 6265bis §4.1.3.2) makes the browser refuse a cookie of this name that is not `Secure`, names a domain or
/// has another path than `/`: a neighbour's host, or plain HTTP, cannot plant one.
package enum SessionCookie {
    package static let access = "__Host-gatehouse"
    package static let refresh = "__Host-gatehouse-refresh"
    /// The field in which a page of ours repeats the session's CSRF token.
    package static let proof = "x-csrf-token"
}
