// SPDX-License-Identifier: Apache-2.0

import Bytes
package import HTTP
package import Log
import Platform

/// The plain HTTP door. It sends whoever asks to the same place over TLS, and does nothing else: no route is looked up, no
/// body is read.
///
/// A request that carries a credential is not redirected: the client would go on sending it in clear and never notice.
/// It gets 403 `credential_exposed` instead, and so does one whose query names a credential. A query that may hold a secret
/// without saying so (anything long) is left out of the location: what browsers and proxies keep of a redirect should be
/// no more than they need.
package final class RedirectDoor: Responder {
    private let policy: DoorPolicy
    private let port: Int
    private let recorder: (any RecordStage)?
    private let watch: (any ExposureWatch)?
    private let log: Logger

    /// - Parameters:
    ///   - port: of the TLS listener, which stands in the location unless it is 443.
    ///   - recorder: hears that credentials were exposed.
    ///   - watch: hears which.
    package init(
        policy: DoorPolicy, port: Int, recorder: (any RecordStage)? = nil, watch: (any ExposureWatch)? = nil,
        log: Logger
    ) {
        self.policy = policy
        self.watch = watch
        self.port = port
        self.recorder = recorder
        self.log = log
    }

    package func respond(to request: Request, with response: ResponseWriter) async {
        let answer = Answer(response: response, on: request.loop, head: request.head, policy: policy)
        guard policy.accepts(host: request.head), let host = request.head.host else {
            // A location made of any host a stranger names would make this server vouch for it (an open redirect).
            return await refuse(Failure(.misdirectedRequest, "this server does not answer to that host name"), answer)
        }
        let query = QueryContent(request.head.queryItems)
        guard !Credential.isPresent(in: request.head.fields), query != .credential else {
            log.warning("a credential was sent over plain HTTP", ["request": .string(answer.requestID.text)])
            recorder?.note(.credentialExposed, requestID: answer.requestID.text, peer: request.peer)
            for text in Self.credentials(in: request.head) { await watch?.sawInClear(text) }
            let message = "this credential was sent in clear and must be considered exposed; use https and replace it"
            return await refuse(Failure(.credentialExposed, message), answer)
        }
        answer.fields.append("location", location(host, request.head, keepsQuery: query == .harmless))
        _ = await answer.send(.whole(status: 308, contentType: "text/plain; charset=utf-8", body: []))
    }

    /// What stands where a credential would; a client that sends several is none of ours.
    private static func credentials(in head: RequestHead) -> [[UInt8]] {
        var found = head.fields.all(.xAPIKey) + head.fields.all(.apiKey)
        found += head.fields.all(.authorization).compactMap { $0.split(separator: " ").last.map(String.init) }
        found += head.queryItems.map(\.value)
        return found.lazy.map { Array($0.utf8) }.filter { $0.count <= Credential.bytesMax }.prefix(credentialsMax).map(
            \.self)
    }

    private static let credentialsMax = 4

    private func refuse(_ failure: Failure, _ answer: Answer) async {
        _ = await answer.send(failure, in: .house, answer.fields)
    }

    private func location(_ host: Host, _ head: RequestHead, keepsQuery: Bool) -> String {
        let suffix = port == 443 ? "" : ":\(port)"
        let target = Self.pathAndQuery(of: head.target)
        let path = keepsQuery ? target : target.prefix { $0 != "?" }
        return "https://\(host.name)\(suffix)\(path)"
    }

    /// The part of a target behind its authority: targets may be absolute (RFC 9112 §3.2.2).
    private static func pathAndQuery(of target: String) -> Substring {
        guard !target.hasPrefix("/") else { return target[...] }
        let parts = target.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return parts.count == 4 ? "/" + parts[3] : "/"
    }
}

/// What a query that came in clear may hold.
enum QueryContent: Equatable {
    case harmless
    /// Something long, which may be a secret under a name nobody knows.
    case opaque
    case credential

    /// Longer values are opaque: shorter ones could be guessed.
    static let harmlessBytesMax = 32

    init(_ items: [QueryItem]) {
        if items.contains(where: { Self.isCredential($0.name) || Self.hasShapeOfKey($0.value) }) {
            self = .credential
        } else if items.contains(where: { max($0.name.utf8.count, $0.value.utf8.count) > Self.harmlessBytesMax }) {
            self = .opaque
        } else {
            self = .harmless
        }
    }

    /// Names under which credentials travel, without case and punctuation.
    private static func isCredential(_ name: String) -> Bool {
        let letters = name.asciiLowercased.utf8.filter { UInt8(ascii: "a") <= $0 && $0 <= UInt8(ascii: "z") }
        return names.contains(String(decoding: letters, as: UTF8.self))
    }

    private static let names: Set<String> = [
        "key", "apikey", "xapikey", "token", "accesstoken", "authtoken", "idtoken", "refreshtoken", "bearer", "jwt",
        "auth", "authorization", "credential", "credentials", "secret", "clientsecret", "password", "passwd", "pwd",
        "passphrase", "session", "sessionid", "sid", "code", "sig", "signature",
    ]

    /// Our own keys, providers' keys, and JSON Web Tokens.
    private static func hasShapeOfKey(_ value: String) -> Bool {
        ["ghk_", "sk-", "eyJ", "Bearer "].contains { value.hasPrefix($0) }
    }
}
