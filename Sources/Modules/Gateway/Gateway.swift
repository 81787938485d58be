// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
import EventLoop
import HTTP
import JSON
package import Log
package import Platform
import Synchronization

// The gateway speaks three protocols to its clients (OpenAI chat and completions, OpenAI responses, Anthropic messages)
// and two to its providers (OpenAI chat, Anthropic messages), beside a model of its own. Translation is N+M, not N×M:
//
//     client's body ─ Fields (table) ─ Requests/…Decoder ─→ ChatRequest ─→ Requests/…Encoder ─ provider's body
//     client's answer ←─ Answers/…Writer ←─ ChatEvent ←─ Answers/…Reader ←─ provider's answer
//
// Where both sides speak the same protocol nothing is translated: Taps edit the client's bytes in place where something
// must change, and read usage and finish reason out of an answer that passes byte for byte. All of that is values without
// I/O and without a clock; Catalog says which model is where, and Service does the I/O.

/// The section `[gateway]`: providers, models, and the routes that reach them.
package final class Gateway: Module, PriceBook {
    private let catalog: Mutex<Catalog>
    /// Set once, by the start; each request asks for it.
    private let clients = AtomicLazyReference<UpstreamClients>()
    private let nodes = Mutex<(any NodeDirectory)?>(nil)
    /// Runs what models write; guards the reference.
    private let codeRunner = Mutex<(any CodeRunner)?>(nil)
    /// Caps on that, within one answer.
    let interpreter: InterpreterSettings
    let breakers = Breakers()
    let retries = Retries()
    let balancer = Balancer()
    private let bodyBytesMax: Int
    private let secrets: any SecretSource
    private let log: Logger
    /// Held while a catalog is put into force, so that a key that is set during a reload is not lost.
    private let change = Mutex(())

    package init(
        _ section: Section, settings: HouseSettings, secrets: any SecretSource, log: Logger
    ) throws(ConfigurationError) {
        catalog = Mutex(try Catalog(section))
        interpreter = try InterpreterSettings(section)
        self.secrets = secrets
        bodyBytesMax = settings.http.limits.bodyBytesMax
        self.log = log
    }

    /// Lets clients name nodes where they name models. Before the start.
    package func join(_ directory: any NodeDirectory) {
        nodes.withLock { $0 = directory }
    }

    /// Has code that models write run there. Before the start.
    package func join(_ runner: any CodeRunner) {
        codeRunner.withLock { $0 = runner }
    }

    /// What runs code; nil for a server without.
    var runner: (any CodeRunner)? { codeRunner.withLock { $0 } }

    package func start() throws(StartFailure) {
        try use(catalog.withLock { $0 })
        secrets.onSecretChange { [weak self] name in self?.takeOver(secret: name) }
        do {
            let new = try UpstreamClients()
            precondition(clients.storeIfNil(new) === new, "a gateway is started once")
        } catch {
            throw StartFailure("the resolver's threads cannot be started: \(error)")
        }
    }

    /// Takes over providers, models, keys and prices for the requests that follow; those under way keep the old ones.
    package func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport {
        let new = try Catalog(section)
        let caps = try InterpreterSettings(section)
        do {
            try use(new)
        } catch {
            throw section.error(error.message, hint: error.hint)
        }
        return ReloadReport(
            applied: ["gateway"], needsRestart: caps == interpreter ? [] : ["gateway.interpreter"])
    }

    // Not the models: a reload replaces them, and would leave the trust of their providers behind each time.
    package func isForever() {
        clients.load()?.isForever()
    }

    package func stop(by deadline: Instant) {
        clients.load()?.stop()
    }

    /// Reads keys and certificates; then, and only then, the new catalog is in force.
    private func use(_ new: Catalog) throws(StartFailure) {
        try change.withLock { _ throws(StartFailure) in
            let connected = try new.connected(secrets).keeping(breakers, retries)
            for provider in connected.providers {
                guard let key = provider.key else { continue }
                guard let secrets = log.secrets, secrets.register(key) else {
                    // A key that cannot be recognised in an answer or a log line could not be kept out of it either.
                    let (least, most) = (SecretNeedles.secretBytesMin, SecretNeedles.secretBytesMax)
                    let reason = "it has fewer than \(least) or more than \(most) bytes, or there are too many keys"
                    throw StartFailure(
                        "the key of provider \"\(provider.name)\" cannot be guarded: \(reason)",
                        hint: provider.settings.key.map {
                            "look at what \($0) names; no key is needed where none is set"
                        })
                }
            }
            catalog.withLock { $0 = connected }
            for provider in connected.providers where provider.waitsForKey {
                log.warning(
                    "a provider waits for its key",
                    [
                        "provider": .string(provider.name),
                        "hint": .string("gatehouse provider set-key \(provider.settings.key?.name ?? provider.name)"),
                    ])
            }
        }
    }

    /// Uses the key that was just set, or none that was just removed, for the requests that follow.
    private func takeOver(secret name: String) {
        change.withLock { _ in
            do throws(StartFailure) {
                let key = try secrets.secret(named: name)
                catalog.withLock { $0 = $0.with(key: key, ofSecret: name) }
            } catch {
                log.error("a provider's new key is not in use", ["cause": .string(error.message)])
            }
        }
    }

    package func cost(model: String, inputTokens: Int, outputTokens: Int, cachedTokens: Int) -> Int64? {
        catalog.withLock { $0 }
            .cost(model: model, inputTokens: inputTokens, outputTokens: outputTokens, cachedTokens: cachedTokens)
    }

    // MARK: Routes

    package var routes: [Route] {
        ModelRoute.allCases.map(modelRoute) + [listModels, showModel, listProviders]
            + CatalogRoutes { [self] in catalog.withLock { $0 } }.all
    }

    private var listProviders: Route {
        Route(
            .get, "/admin/v1/providers", guard: .operator, summary: "Providers, and where the key of each comes from"
        ) { _ throws(Failure) in
            let catalog = self.catalog.withLock { $0 }
            let now = Instant.now()
            let providers = catalog.providers.map { provider -> JSONValue in
                var json = provider.json
                let models = catalog.models.filter { $0.provider.name == provider.name }
                json["models"] = .array(
                    models.map { model in
                        var json = self.breakers.json(of: model, at: now)
                        json["latency_ms"] = self.balancer.milliseconds(of: model).map { .int(Int($0)) }
                        return .object(json)
                    })
                return .object(json)
            }
            return .json(["object": "list", "data": .array(providers)])
        }
    }

    private func modelRoute(_ route: ModelRoute) -> Route {
        Route(
            .post, route.path, guard: .key(route == .embeddings ? .embeddings : .chat),
            shape: route.isAnthropic ? .anthropic : .house, summary: route.summary, requestBody: route.bodySchema
        ) { exchange async throws(Failure) in
            // `self.`, and not a list of captures: behind one, the closure would leave its caller's executor and come back.
            try await self.answer(exchange, route)
        }
    }

    private var listModels: Route {
        Route(
            .get, "/v1/models", guard: .anyKeyOrSession(.member),
            summary: "The models this key may use, and nodes as node/<alias>"
        ) {
            exchange async throws(Failure) in
            var listed = self.catalog.withLock { $0.models }.compactMap { model -> ModelList.Entry? in
                let names = [model.name] + model.settings.aliases
                return names.first { exchange.principal?.mayUse(model: $0) ?? false }.map {
                    ModelList.Entry(model, named: $0)
                }
            }
            if let principal = exchange.principal, let nodes = self.nodes.withLock({ $0 }) {
                listed += try await nodes.aliases(for: principal).map { ModelList.Entry(node: $0) }
            }
            return .json(
                ModelList.list(listed, isAnthropic: exchange.request.head.fields.contains("anthropic-version")))
        }
    }

    private var showModel: Route {
        // Names may hold slashes (`node/<alias>`, `meta-llama/llama-3`).
        Route(.get, "/v1/models/{id...}", guard: .anyKeyOrSession(.member), summary: "One of them") {
            exchange async throws(Failure) in
            let name = exchange.parameters["id"] ?? ""
            let entry: ModelList.Entry
            if let node = try await self.node(named: name, for: exchange.principal) {
                // The node's own model is its tenant's business, not this caller's.
                entry = ModelList.Entry(node: node.alias)
            } else {
                entry = ModelList.Entry(try self.model(named: name, for: exchange.principal), named: name)
            }
            return .json(
                ModelList.entry(entry, isAnthropic: exchange.request.head.fields.contains("anthropic-version")))
        }
    }

    /// The node that a name of the form `node/<alias>` means; `nil` for any other name.
    ///
    /// - Throws: `model_not_found` where there are no nodes, or none of that alias for this caller.
    private func node(named name: String, for principal: Principal?) async throws(Failure) -> (
        alias: String, model: NodeModel
    )? {
        guard NodePrompt.isNode(name) else { return nil }
        // Whether one that is bound to nodes may use this one is known when its id is.
        guard let nodes = nodes.withLock({ $0 }), let principal, principal.nodes != nil || principal.mayUse(model: name)
        else {
            throw Failure(.modelNotFound, "this key knows no model of that name", param: "model")
        }
        let alias = String(name.dropFirst(NodePrompt.prefix.count))
        return (alias, try await nodes.node(alias: alias, for: principal))
    }

    /// A model that the caller may name. One it may not name and one that does not exist look the same.
    func model(named name: String, for principal: Principal?) throws(Failure) -> Model {
        if let principal, let model = catalog.withLock({ $0.model(named: name) }),
            principal.mayUse(model: name) || principal.mayUse(model: model.name)
        {
            return model
        }
        throw Failure(.modelNotFound, "this key knows no model of that name", param: "model")
    }

    /// The same where an exchange is its caller's.
    private func model(named name: String, for exchange: Exchange) throws(Failure) -> Model {
        if let model = catalog.withLock({ $0.model(named: name) }),
            exchange.mayUse(model: name) || exchange.mayUse(model: model.name)
        {
            return model
        }
        throw Failure(.modelNotFound, "this key knows no model of that name", param: "model")
    }

    // MARK: Answering

    private func answer(_ exchange: Exchange, _ route: ModelRoute) async throws(Failure) -> Reply {
        try ModelCall.checkContentType(exchange.request)
        let body: [UInt8]
        if let whole = exchange.bodyNow(max: bodyBytesMax) {
            body = whole
        } else {
            body = try await exchange.body(max: bodyBytesMax)
        }
        let call = try ModelCall(exchange, route, body: consume body)
        let name = try call.modelName()
        guard NodePrompt.isNode(name) else {
            return try await answer(exchange, call, try model(named: name, for: exchange))
        }
        let (nodesCall, model) = try await self.call(call, ofNode: name, for: exchange.principal)
        return try await answer(exchange, nodesCall, model)
    }

    private func answer(
        _ exchange: Exchange, _ call: ModelCall, _ model: consuming Model
    ) async throws(Failure) -> Reply {
        exchange.model = model.name
        if call.route == .embeddings { exchange.work = .embedding }
        if let tool = try InterpreterTool.wanted(by: call) { return try await answer(call, copy model, with: tool) }
        // The body is checked for the model that was named before anything is reserved or recorded.
        let (attempt, rest) = try attempt(call, lineOf: consume model)
        if exchange.wantsFigures { attempt.noteWorst(behind: rest) }
        // The built-in model answers at once, and its outcome says where its intent stands.
        exchange.onlySends = !attempt.isBuiltin
        if try !exchange.advanceNow(through: .record) { try await exchange.advance(through: .record) }
        do throws(Fault) {
            return try await perform(attempt)
        } catch {
            return try await fallBack(to: rest, error, call)
        }
    }

    /// Has a call answered by one model, which is asked once more where that is safe.
    // In line, as what it calls: of a chain of functions that wait each has memory of its own.
    @inline(__always)
    private func perform(_ attempt: ModelAttempt) async throws(Fault) -> Reply {
        earnRetry(attempt.model)
        var number = 0
        while true {
            do throws(Fault) {
                return try await performOnce(attempt)
            } catch {
                let request = attempt.exchange.request
                guard let pause = retries.pause(after: error, number, attempt.model.provider),
                    await request.loop.sleep(pause, unless: request.cancellation)
                else { throw error }
                number += 1
            }
        }
    }

    private func earnRetry(_ model: Model) {
        let provider = model.provider
        if provider.settings.retries > 0 { retries.earn(at: provider) }
    }

    /// Has a call answered through the breaker of its model.
    @inline(__always)
    private func performOnce(_ attempt: ModelAttempt) async throws(Fault) -> Reply {
        let exchange = attempt.exchange
        let began = exchange.request.loop.now
        let pass = try breakers.enter(attempt.model, at: began)
        do throws(Fault) {
            let reply = try await attempt.perform()
            let isUnwanted = exchange.isCancelled
            let broken = exchange.figures.brokenOff.map { Breaker.Outcome(Fault($0, ""), isUnwanted: isUnwanted) }
            let time = (exchange.figures.firstByte ?? exchange.readMoment()) - (attempt.askedAt ?? began)
            let whole = Breaker.Outcome(beganAfter: time, attempt.model.provider.settings.breaker)
            breakers.report(broken ?? whole, of: pass, attempt.model, at: exchange.request.loop.now)
            if broken == nil, !isUnwanted { balancer.note(attempt.model, time) }
            return reply
        } catch {
            let outcome = Breaker.Outcome(error, isUnwanted: exchange.isCancelled)
            breakers.report(outcome, of: pass, attempt.model, at: exchange.request.loop.now)
            throw error
        }
    }

    /// Tries the models behind one that failed, in turn.
    private func fallBack(to line: [Model], _ fault: Fault, _ call: ModelCall) async throws(Failure) -> Reply {
        var fault = fault
        var fallbacks = line[...]
        while let attempt = next(after: fault, call, &fallbacks) {
            do throws(Fault) {
                return try await perform(attempt)
            } catch {
                fault = error
            }
        }
        throw Failure(fault)
    }

    /// What a node that is named instead of a model makes of the call, and the node's model.
    private func call(
        _ call: ModelCall, ofNode name: String, for principal: Principal?
    ) async throws(Failure) -> (ModelCall, Model) {
        guard let node = try await node(named: name, for: principal)?.model else {
            throw Failure(.modelNotFound, "this key knows no model of that name", param: "model")
        }
        let model = try offered(model: node.model)
        let document: JSONDocument
        do {
            document = try NodePrompt.applied(node, to: call.document, call.route, model.upstream.dialect)
        } catch {
            throw Failure(error)
        }
        call.exchange.node = node.id
        return (call.with(document: document, of: node), model)
    }

    /// What a node is made of. Who may use the node may use its model, whether or not it may name that by itself.
    func offered(model name: String) throws(Failure) -> Model {
        guard let model = catalog.withLock({ $0.model(named: name) }) else {
            throw Failure(.modelNotFound, "the model of this node is no longer offered", param: "model")
        }
        return model
    }

    /// The first attempt at a call, and the models that are asked behind it.
    private func attempt(
        _ call: ModelCall, lineOf asked: consuming Model
    ) throws(Failure) -> (ModelAttempt, rest: [Model]) {
        // Mostly there is no other.
        guard asked.hasAlternatives else { return (try attempt(call, consume asked), []) }
        let model = consume asked
        var (first, rest) = line(of: model, for: call.exchange.principal)
        if first !== model {
            if let attempt = try? attempt(call, first) { return (attempt, rest) }
            // One of its pool may be of a kind that cannot express the request.
            rest.removeAll { $0 === model }
        }
        return (try attempt(call, model), rest)
    }

    /// The models that may answer a call, in the order in which they are asked: of a pool one that chance chooses, then the
    /// others of it, then the fallbacks.
    func line(of model: Model, for principal: Principal?) -> (first: Model, rest: [Model]) {
        let others = fallbacks(of: model, for: principal)
        guard !model.settings.pool.isEmpty else { return (model, others) }
        let pool = catalog.withLock { $0.pool(of: model) }.map(\.name)
        let now = Instant.now()
        let peers = ([model] + others.filter { pool.contains($0.name) }).filter { !breakers.isOpen($0, at: now) }
        guard !peers.isEmpty else { return (model, others) }
        let first = balancer.choose(peers, chance: .random(in: 0...1))
        return (first, first === model ? others : [model] + others.filter { $0.name != first.name })
    }

    /// The models to try behind one that failed. A key bound to some models is not taken to others by a fallback: the bond
    /// may be there for where they are.
    func fallbacks(of model: Model, for principal: Principal?) -> [Model] {
        fallbacks(of: model).filter { principal?.mayUse(model: $0.name) ?? false }
    }

    func fallbacks(of model: Model) -> [Model] {
        guard model.hasAlternatives else { return [] }
        return catalog.withLock { $0.fallbacks(of: model) }
    }

    /// The loop's way to providers, and what must be kept out of their answers; `nil` until started.
    func upstream(on loop: EventLoop) -> (client: HTTPClient, needles: SecretNeedles)? {
        guard let clients = clients.load(), let needles = log.secrets?.needles else { return nil }
        return (clients.client(on: loop), needles)
    }

    private func attempt(_ call: ModelCall, _ model: consuming Model) throws(Failure) -> ModelAttempt {
        guard let clients = clients.load(), let secrets = log.secrets else {
            throw Failure(.disabled, "the gateway is not started")
        }
        do {
            return try ModelAttempt(
                call, consume model, client: clients.client(on: call.exchange.request.loop), needles: secrets.needles)
        } catch {
            throw Failure(error)
        }
    }

    /// The next model to try, if the fault is the provider's and the client still waits. A fallback that cannot express the
    /// request is passed over: the first fault says more than "your fallback knows no tools".
    private func next(
        after fault: Fault, _ call: ModelCall, _ attempts: inout ArraySlice<Model>
    ) -> ModelAttempt? {
        guard fault.permitsFallback, !call.exchange.isCancelled else { return nil }
        while let model = attempts.popFirst() {
            guard let attempt = try? attempt(call, model) else { continue }
            logFallback(request: call.exchange.id, model, fault)
            return attempt
        }
        return nil
    }

    func logFallback(request: String, _ model: Model, _ fault: Fault) {
        log.notice(
            "falling back",
            [
                "request": .string(request), "model": .string(model.name),
                "code": .string(fault.code.rawValue), "cause": .string(fault.cause ?? "-"),
            ])
    }
}

extension Fault {
    /// Whether another model may succeed where this one failed: the provider failed, not the request.
    var permitsFallback: Bool {
        switch code {
        case .upstreamError, .upstreamTimeout, .upstreamInterrupted, .overloaded, .rateLimitExceeded, .circuitOpen: true
        default: false
        }
    }
}
