// SPDX-License-Identifier: Apache-2.0

import Bytes
package import HTTP
package import Log
import Platform

/// The plain HTTP door. It sends whoever asks to the same place over TLS, and does nothing else: no route is looked up, no
/// body is read.
///
/// A request that carries a credential is not redirected: the client would go on sending it in clear and never notice.
/// It gets 403 `credential_exposed` instead.
package final class RedirectDoor: Responder {
    private let policy: DoorPolicy
    private let port: Int
    private let log: Logger

    /// - Parameter port: of the TLS listener, which stands in the location unless it is 443.
    package init(policy: DoorPolicy, port: Int, log: Logger) {
        self.policy = policy
        self.port = port
        self.log = log
    }

    package func respond(to request: Request, with response: ResponseWriter) async {
        let answer = Answer(response: response, requestID: RequestID.make(), head: request.head, policy: policy)
        guard policy.accepts(host: request.head), let host = request.head.host else {
            // A location made of any host a stranger names would make this server vouch for it (an open redirect).
            return await refuse(Failure(.misdirectedRequest, "this server does not answer to that host name"), answer)
        }
        guard !Credential.isPresent(in: request.head.fields) else {
            log.warning("a credential was sent over plain HTTP", ["request": .string(answer.requestID)])
            let message = "this credential was sent in clear and must be considered exposed; use https and replace it"
            return await refuse(Failure(.credentialExposed, message), answer)
        }
        var fields = Fields()
        fields.append("location", location(host, request.head))
        _ = await answer.send(.whole(status: 308, contentType: "text/plain; charset=utf-8", body: []), fields)
    }

    private func refuse(_ failure: Failure, _ answer: Answer) async {
        _ = await answer.send(failure, in: .house, Fields())
    }

    private func location(_ host: Host, _ head: RequestHead) -> String {
        let suffix = port == 443 ? "" : ":\(port)"
        return "https://\(host.name)\(suffix)\(Self.pathAndQuery(of: head.target))"
    }

    /// The part of a target behind its authority: targets may be absolute (RFC 9112 §3.2.2).
    private static func pathAndQuery(of target: String) -> Substring {
        guard !target.hasPrefix("/") else { return target[...] }
        let parts = target.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return parts.count == 4 ? "/" + parts[3] : "/"
    }
}
