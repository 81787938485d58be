// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import HTTP
import Platform

/// Whose session a request is made in: by the token it carries, or by a browser's cookie and the proof that a page of ours
/// sent it.
struct SessionGate: Sendable {
    let keys: SigningKeys
    let index: SessionIndex
    /// Makes CSRF tokens.
    let proofs: HMACSHA256

    /// - Returns: nil for what does not look like a token.
    /// - Throws: `expired`, `invalid_session`.
    func authenticate(_ text: Span<UInt8>, at now: WallTime) throws(Failure) -> Principal? {
        // The first three characters of `{"` in base 64.
        guard text.count > 3, text.extracting(first: 3).equals("eyJ") else { return nil }
        let token: AccessToken
        do throws(AccessToken.Defect) {
            token = try keys.read(text, at: now)
        } catch {
            switch error {
            case .expired: throw Failure(.expired, "this token has expired: refresh the session")
            case .invalid: throw Failure(.invalidSession, "this token is not valid")
            }
        }
        // The token says who logged in; whether that holds still, the session says.
        guard let principal = index.principal(of: token.session, at: now), principal.userID == token.user else {
            throw Failure(.invalidSession, "this session has ended: log in again")
        }
        return principal
    }

    /// The same for a request without a credential in its fields.
    ///
    /// - Throws: also `csrf`, for what may change something and cannot prove that it was sent by a page of ours. The cookie
    ///   is `SameSite=Strict` already; a browser that does not know that, or a hostile page of the same site, ends here.
    func authenticate(cookiesOf head: RequestHead, at now: WallTime) throws(Failure) -> Principal? {
        guard head.fields.contains("cookie"), let text = Cookies.value(SessionCookie.access, in: head.fields) else {
            return nil
        }
        guard let principal = try authenticate(text.utf8.span, at: now), let session = principal.session else {
            throw Failure(.invalidSession, "this token is not valid")
        }
        if head.method != .get, head.method != .head { try requireProof(head, of: session) }
        return principal
    }

    /// - Throws: `csrf`.
    func requireProof(_ head: RequestHead, of session: SessionID) throws(Failure) {
        if let site = head.fields["sec-fetch-site"], site != "same-origin" {
            throw Failure(.csrf, "another site's page began this request")
        }
        guard let given = head.fields[SessionCookie.proof],
            constantTimeEquals(given.utf8.span, proof(of: session).utf8.span)
        else { throw Failure(.csrf, "the field \(SessionCookie.proof) does not prove that this page sent the request") }
    }

    /// What a page repeats in its requests. It belongs to the session and opens nothing by itself.
    func proof(of session: SessionID) -> String {
        let code = proofs.code(of: Array("csrf \(session.text)".utf8))
        return Base64.encode(code.bytes, alphabet: .url, isPadded: false)
    }
}
