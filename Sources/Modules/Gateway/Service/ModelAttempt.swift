// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import Log
import Platform

/// One try to have a call answered by one model. A fallback is another attempt. On the loop of the call.
final class ModelAttempt {
    let call: ModelCall
    let exchange: Exchange
    let model: Model
    let client: HTTPClient
    let needles: SecretNeedles
    /// When the provider was asked last; nil where none is.
    private(set) var askedAt: Instant?
    /// What of the call is not simply handed on; `nil` for a plain call, whose bytes pass as they are.
    private let demand: Demand?

    /// What a call asks beyond having its bytes passed.
    private final class Demand: Sendable {
        /// Fields that only the provider's `pass` list allows; a translated request carries them along.
        let extras: JSONObject
        /// The conversation; `nil` for embeddings, which hold none.
        let request: ChatRequest?
        let strict: StrictAnswer?

        init(_ call: borrowing ModelCall, _ provider: Provider) throws(Fault) {
            extras = try call.route.table.check(call.root, for: provider.kind, pass: provider.settings.pass)
            if !call.isStreamed, let options = call.root["stream_options"], !options.isNull {
                throw .invalid("stream_options", "This is only for streamed answers.")
            }
            // Embeddings of a kind that has none end here, with a sentence that says so.
            let hasNone = call.route == .embeddings && provider.kind != .anthropic
            var decoded = hasNone ? nil : try call.route.decode(call.root)
            decoded?.nodePrompt = call.nodePrompt
            request = decoded
            strict = try request.flatMap { request throws(Fault) in try StrictAnswer(request.format) }
        }
    }

    /// Checks the body against what the model's kind of provider knows.
    init(
        _ call: borrowing ModelCall, _ model: consuming Model, client: consuming HTTPClient,
        needles: consuming SecretNeedles
    ) throws(Fault) {
        demand = call.isPlain(for: model.provider.kind) ? nil : try Demand(call, model.provider)
        self.call = copy call
        exchange = call.exchange
        self.model = model
        self.client = client
        self.needles = needles
    }

    /// Whether the model inside the binary is asked.
    var isBuiltin: Bool { model.provider.kind == .builtin }

    /// Notes the worst case of the call, should it come to the models behind this one.
    func noteWorst(behind fallbacks: [Model]) { exchange.note(worstOf: call, model, fallbacks) }

    /// Whether the client's bytes can reach the provider.
    private var isNative: Bool { call.route.isNative(to: model.provider.kind) }

    private var context: AnswerContext { call.context(model) }

    /// Answers the call.
    ///
    /// - Throws: a fault, if nothing has been sent to the client yet; another model may then be tried.
    func perform() async throws(Fault) -> Reply {
        if isBuiltin { return try await BuiltinAttempt(self).perform() }
        if call.route == .countTokens, !isNative { return try countedByBound() }
        let (upstreamBody, answerTool) = try upstreamRequest()
        let request = try request(upstreamBody)
        let now = Instant.now()
        askedAt = now
        // The time in this house before the call to the provider is made.
        let overhead = now - exchange.request.arrival
        let response: ClientResponse
        do throws(ClientFailure) {
            response = try await client.send(consume request, cancellation: exchange.request.cancellation)
        } catch {
            throw noted(Fault(error))
        }
        guard response.status.code == 200, !call.isStreamed else {
            return try await other(response, answerTool: answerTool, overhead)
        }
        let body: [UInt8]
        do throws(ClientFailure) {
            let most = model.provider.settings.limits.bodyBytesMax
            if let whole = try response.collectNow(max: most) {
                body = whole
            } else {
                body = try await response.collect(max: most)
            }
        } catch {
            throw Fault(error)
        }
        return try whole(consume body, answerTool: answerTool, overhead)
    }

    /// Goes on with an answer that is none, or that comes piece by piece.
    private func other(
        _ response: ClientResponse, answerTool: String?, _ overhead: Duration
    ) async throws(Fault) -> Reply {
        guard response.status.code == 200 else { throw noted(await UpstreamCall.fault(of: response, upstreamRoute)) }
        return try await stream(response, relay(answerTool: answerTool), overhead)
    }

    // Not in line: in a function that waits, what is lent would be counted as held.
    @inline(never)
    private func request(_ body: consuming [UInt8]) throws(Fault) -> ClientRequest {
        exchange.note(model)
        do throws(Fault) {
            return try UpstreamCall.request(
                to: model, upstreamRoute, body: body,
                protocolFields: call.protocolFields(for: model.provider.kind), isStreamed: call.isStreamed)
        } catch {
            throw noted(error)
        }
    }

    /// Notes of a fault whether the provider may have counted something all the same.
    private func noted(_ fault: Fault) -> Fault {
        exchange.figures.mayHaveUsed = fault.mayHaveCounted
        return fault
    }

    /// The provider's route: the client's own, or that of a translated conversation.
    private var upstreamRoute: ModelRoute {
        isNative ? call.route : model.provider.kind == .anthropic ? .messages : .chat
    }

    // Not in line, as above.
    @inline(never)
    private func upstreamRequest() throws(Fault) -> (body: [UInt8], answerTool: String?) {
        guard !isNative, let demand else {
            return (model.nativeBody(of: call, outputTokensMax: unsaidOutputTokensMax), nil)
        }
        return try translatedRequest(demand)
    }

    // Not in line: what it works with would stand in the memory of the task that waits for the provider.
    @inline(never)
    private func translatedRequest(_ demand: Demand) throws(Fault) -> (body: [UInt8], answerTool: String?) {
        guard let request = demand.request else {
            return (model.nativeBody(of: call, outputTokensMax: unsaidOutputTokensMax), nil)
        }
        let bound = bounded(request)
        let encoded =
            model.provider.kind == .anthropic
            ? try AnthropicEncoder.encode(bound, for: model.upstream, extras: demand.extras)
            : try OpenAIChatEncoder.encode(bound, for: model.upstream, extras: demand.extras)
        return (encoded.body, encoded.answerTool)
    }

    /// What is held back is a bound only if the provider keeps to it: so it is told the bound where the client told it none.
    private var unsaidOutputTokensMax: Int? {
        guard exchange.isHeld, call.route == .chat || call.route == .completions else { return nil }
        let (most, old) = (call.places.completionTokensMax, call.places.tokensMax)
        let isSaid =
            (most > 0 || old > 0)
            && call.document.read { view in (most > 0 && !view.isNull(most)) || (old > 0 && !view.isNull(old)) }
        return isSaid ? nil : model.settings.outputTokensMax
    }

    private func bounded(_ request: ChatRequest) -> ChatRequest {
        guard exchange.isHeld, request.outputTokensMax == nil else { return request }
        var request = request
        request.outputTokensMax = model.settings.outputTokensMax
        return request
    }

    // MARK: Whole answers

    // Not in line, as above.
    @inline(never)
    private func whole(
        _ received: consuming [UInt8], answerTool: String?, _ overhead: Duration
    ) throws(Fault) -> Reply {
        let body = needles.scrubbed(received)
        if demand == nil {
            note(try OpenAIChatReader.usage(ofWhole: body), overhead)
            return .json(bytes: consume body)
        }
        return try checked(body, answerTool: answerTool, overhead)
    }

    /// A whole answer of which more has to be known than its usage. Not in line, as above.
    @inline(never)
    private func checked(
        _ body: [UInt8], answerTool: String?, _ overhead: Duration
    ) throws(Fault) -> Reply {
        let strict = demand?.strict
        if isNative {
            note(try AnswerTap.whole(body, call.route, strict: strict).usage, overhead)
            return .json(bytes: body)
        }
        guard let request = demand?.request else { throw .malformedAnswer }
        let events = try AnswerReader.whole(body, from: model.provider.kind, answerTool: answerTool)
        if var strict, let fault = strict.check(events) { throw fault }
        note(AnswerSummary(events).usage, overhead)
        return .json(bytes: try AnswerWriter.whole(events, call.route, context, request: request))
    }

    /// Input tokens at an upper bound, since this provider has no way to count them: a token is at least a byte.
    private func countedByBound() throws(Fault) -> Reply {
        exchange.answerFields.append("x-gatehouse-estimated", "true")
        note(nil, .zero)
        return .json(["input_tokens": .int(call.document.bytes.count)])
    }

    // MARK: Streams

    private func relay(answerTool: String?) -> AnswerRelay {
        let route = call.route
        guard !isNative, let demand, let request = demand.request else {
            let streamOptions = call.places.streamOptions
            let showsUsage =
                demand == nil
                ? call.document.read { OpenAISettings.showsUsage($0, streamOptions) }
                : demand?.request?.showsUsage ?? true
            return AnswerRelay(
                AnswerTap(
                    route, requestID: exchange.id, showsUsage: showsUsage, strict: demand?.strict,
                    secrets: needles),
                needles)
        }
        let writer = EventWriter(
            AnswerWriter(route, context, request: request), strict: demand.strict, needles: needles)
        return AnswerRelay(AnswerReader(model.provider.kind, answerTool: answerTool), writer, needles)
    }

    private func stream(
        _ response: ClientResponse, _ relay: AnswerRelay, _ overhead: Duration
    ) async throws(Fault) -> Reply {
        let output = AnswerStream(exchange)
        let bound = exchange.outputBound
        while true {
            var bytes: [UInt8]
            do throws(ClientFailure) {
                if let next = try await response.next() {
                    bytes = relay.receive(next)
                } else {
                    bytes = relay.end()
                }
            } catch {
                bytes = relay.fail(output.isRevoked ? .revoked : Fault(error))
            }
            if let bound, !relay.isOver, relay.pieces > bound { bytes = relay.fail(.passedItsBound) }
            // Nothing sent yet: then a failure is an answer with a status, and another model may be tried.
            if !output.hasBegun, let fault = relay.summary.fault {
                response.close()
                throw fault
            }
            if !output.hasBegun, !bytes.isEmpty { note(nil, overhead) }
            if relay.isOver {
                exchange.note(relay.summary, of: model)
                await output.finish(bytes)
                break
            }
            guard bytes.isEmpty ? true : await output.write(bytes) else {
                exchange.note(relay.summary, of: model)
                response.close()
                return .streamed
            }
        }
        // The client has its answer. What may be left is the end of the provider's, behind which the connection can be used
        // again; whoever does not end soon is cut off.
        if !response.isAtEnd { exchange.request.loop.spawn { await response.readToEnd(chunksMax: 4) } }
        return .streamed
    }

    // MARK: What the client is told beside the answer

    /// Sets the fields of the answer; before its head leaves. A streamed answer's price is not known then.
    func note(_ usage: TokenUsage?, _ overhead: Duration) {
        exchange.answerFields.append(Labels.overhead, overhead.milliseconds)
        exchange.answerFields.append(contentsOf: model.answerFields)
        if let usage { exchange.note(usage, of: model) }
        if usage != nil, let cost = exchange.figures.cost, !call.isStreamed {
            NanoDollarDigits(cost).withSpan { _ = exchange.answerFields.append(Labels.cost, $0) }
        }
    }

    private enum Labels {
        static let overhead = FieldLabel("x-gatehouse-overhead-ms: ")
        static let cost = FieldLabel("x-gatehouse-cost: ")
    }

    /// The conversation and what is checked of its answer, for the built-in model.
    var conversation: (request: ChatRequest, strict: StrictAnswer?)? {
        demand.flatMap { demand in demand.request.map { (bounded($0), demand.strict) } }
    }
}

extension Model {
    /// The call's body, as its provider is to get it where that speaks the client's protocol.
    fileprivate func nativeBody(of call: ModelCall, outputTokensMax: Int?) -> [UInt8] {
        NativeRequest.body(call.document, call.places, call.route, upstream, outputTokensMax: outputTokensMax)
    }
}

extension Fault {
    /// The credential was revoked in the middle of a stream.
    static var revoked: Fault { Fault(.revoked, AnswerStream.revocation.message) }
}
