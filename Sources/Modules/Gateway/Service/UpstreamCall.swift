// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import Platform

/// Requests to a model's provider, as they go out.
enum UpstreamCall {
    /// Sends a request and waits for the head of an answer with status 200.
    ///
    /// - Throws: what the provider's refusal, or the failure to reach it, means to the client.
    static func send(
        _ request: consuming ClientRequest, of route: ModelRoute, with client: HTTPClient, cancellation: Cancellation
    ) async throws(Fault) -> ClientResponse {
        let response: ClientResponse
        do throws(ClientFailure) {
            response = try await client.send(request, cancellation: cancellation)
        } catch {
            throw Fault(error)
        }
        guard response.status.code == 200 else { throw await fault(of: response, route) }
        return response
    }

    /// The request with the provider's own credential. The caller's credential, its cookies and every other field of its
    /// request stay behind: the provider must not learn who calls.
    ///
    /// - Parameter protocolFields: of the client's request, those that belong to the protocol and not to the client's identity.
    static func request(
        to model: Model, _ route: ModelRoute, body: consuming [UInt8], protocolFields: Fields, isStreamed: Bool
    ) throws(Fault) -> ClientRequest {
        let provider = model.provider
        guard let origin = provider.settings.base?.origin else {
            throw Fault(.internal, "This provider has no address.")
        }
        // Not begun as a copy of these, which would be copied to another place as soon as something is added.
        var fields = Fields()
        fields.reserve(bytes: fieldBytes)
        if isStreamed { fields.append(contentsOf: streamedFields) } else { fields.append(contentsOf: wholeFields) }
        if !protocolFields.isEmpty { fields.append(contentsOf: protocolFields) }
        try addCredential(of: provider, to: &fields)
        return ClientRequest(
            method: .post, origin: origin, target: provider.target(of: route), fields: consume fields, body: body,
            limits: provider.settings.limits,
            addresses: .configured, tls: provider.tls)
    }

    /// What the fields of most requests have at most, so that room is made once.
    private static let fieldBytes = 400
    private static let wholeFields = fields(accepting: "application/json")
    private static let streamedFields = fields(accepting: "text/event-stream")

    /// What is the same in every request. No compression: what comes must be read for usage, and scrubbed, as it is.
    private static func fields(accepting type: String) -> Fields {
        [
            "content-type": "application/json", "accept": type, "user-agent": "gatehouse",
            "accept-encoding": "identity",
        ]
    }

    private static func addCredential(of provider: Provider, to fields: inout Fields) throws(Fault) {
        guard !provider.waitsForKey else {
            var fault = Fault(.upstreamError, "The provider is not ready.")
            fault.cause = "its key was not set: gatehouse provider set-key \(provider.settings.key?.name ?? "")"
            throw fault
        }
        let label = provider.kind == .anthropic ? Labels.apiKey : Labels.authorization
        // Not bound to a name, it is not counted. Sending the request without its credential would be no better.
        guard provider.credential?.withBytes({ fields.append(label, $0) }) ?? true else {
            throw Fault(.internal, "The provider's key is malformed.")
        }
    }

    private enum Labels {
        static let apiKey = FieldLabel("x-api-key: ")
        static let authorization = FieldLabel("authorization: ")
    }

    /// What an answer with another status means. Redirects are such answers: they are not followed, since whoever answers
    /// there was not configured, and would be sent our key.
    static func fault(of response: ClientResponse, _ route: ModelRoute) async -> Fault {
        let status = response.status.code
        let body = (try? await response.collect(max: errorBytesMax)) ?? []
        return .upstream(
            status: status, body: body, retryAfterMilliseconds: response.fields["retry-after-ms"],
            retryAfter: response.fields["retry-after"], table: route.table)
    }

    /// Bytes of a provider's error that are read.
    private static let errorBytesMax = 1 << 20
}

extension Fault {
    /// A provider that could not be asked, or did not answer.
    init(_ failure: ClientFailure) {
        switch failure {
        case .timedOut: self.init(.upstreamTimeout, "The model's provider did not answer in time.")
        case .interrupted: self = .interrupted
        case .busy:
            self.init(.overloaded, "Too many requests wait for this model's provider.", retryAfterMilliseconds: 1000)
        case .malformed, .tooLarge: self = .malformedAnswer
        default: self.init(.upstreamError, "The model's provider cannot be reached.")
        }
        cause = failure.description
        switch failure {
        case .connect, .resolve, .timedOut(.connect): wasUnreached = true
        case .timedOut, .interrupted, .malformed, .tooLarge: mayHaveCounted = true
        default: break
        }
    }
}

extension ClientResponse {
    /// Reads what is left of a body that nobody wants any more.
    func readToEnd(chunksMax: Int) async {
        for _ in 0..<chunksMax {
            do {
                if try await next() == nil { return }
            } catch {
                return
            }
        }
        close()
    }
}
