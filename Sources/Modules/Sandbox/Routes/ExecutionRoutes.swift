// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import Platform

/// `/v1/executions`: code run in a box.
struct ExecutionRoutes: Sendable {
    let sandbox: Sandbox

    var all: [Route] { [create, languages] }

    private var create: Route {
        Route(
            .post, "/v1/executions", guard: .key(.executions), summary: "Run code in a box, and answer what came of it",
            requestBody: ExecutionRequest.schema
        ) { exchange async throws(Failure) in
            let settings = sandbox.settings
            let body = try await JSONBody(exchange, bytesMax: settings.requestBytesMax, known: ExecutionRequest.names)
            let languages = sandbox.state.languages
            var request = try ExecutionRequest(body, languages: languages, settings: settings)
            _ = try ExecutionCall(exchange, request, sandbox)
            exchange.figures.isStreamed = request.isStreamed
            try await exchange.advance(through: .record)
            if request.stores { try await sandbox.requireKeeping(exchange) }
            try request.add(try await sandbox.open(request.kept, for: exchange, bytesMax: settings.requestBytesMax))
            let call = try ExecutionCall(exchange, request, sandbox)
            return request.isStreamed ? try await call.stream() : try await call.whole()
        }
    }

    private var languages: Route {
        Route(
            .get, "/v1/executions/languages", guard: .key(.executions),
            summary: "What can be run here, with versions and limits"
        ) { exchange async throws(Failure) in
            let (settings, state) = (sandbox.settings, sandbox.state)
            let list = state.languages.map { language -> JSONValue in
                [
                    "name": .string(language.name), "version": language.version.map { .string($0) } ?? .null,
                    "file": .string(language.file),
                ]
            }
            return .json([
                "object": "list", "data": .array(list),
                "limits": [
                    "default": .object(ExecutionAnswer.json(settings.standard)),
                    "max": .object(ExecutionAnswer.json(settings.most)),
                ],
                "enforcement": .object(ExecutionAnswer.json(state.verdict?.enforcements ?? Enforcements())),
            ])
        }
    }
}

/// One execution on its exchange.
struct ExecutionCall: Sendable {
    let exchange: Exchange
    let request: ExecutionRequest
    let runner: Runner
    let sandbox: Sandbox
    let id: String

    /// - Throws: 503 where nothing is run on this host.
    init(_ exchange: Exchange, _ request: ExecutionRequest, _ sandbox: Sandbox) throws(Failure) {
        self.exchange = exchange
        self.request = request
        self.sandbox = sandbox
        guard let runner = sandbox.running, sandbox.state.isTrusted else {
            throw Failure(.disabled, "this server runs no code: its host cannot keep what a sandbox promises")
        }
        self.runner = runner
        id = ULID.make(prefix: "exe_", at: exchange.time)
    }

    func whole() async throws(Failure) -> Reply {
        .json(.object(try await run(feed: nil).json))
    }

    /// Runs it, keeps what it leaves where that was asked for, and answers what came of it.
    func run(feed: RunFeed?) async throws(Failure) -> ExecutionAnswer {
        var answer = try await runInSession(feed: feed)
        guard request.stores, let files = sandbox.files else { return answer }
        answer.sendsKeptFiles = false
        answer.fileIDs = await sandbox.keep(answer.result.files, in: files, for: exchange)
        return answer
    }

    private func runInSession(feed: RunFeed?) async throws(Failure) -> ExecutionAnswer {
        guard let session = request.session else { return try await run(feed: feed, kept: nil) }
        let kept = try sandbox.sessions.begin(session, of: exchange.principal?.tenant, at: exchange.time).files
        do throws(Failure) {
            var answer = try await run(feed: feed, kept: kept)
            let (all, changed) = answer.divided()
            // What a run left that was ended for a limit is kept too: its files are as they are. Not where the request says
            // that nothing be kept.
            let isKept = answer.status != .killed && !exchange.request.head.asksForZeroRetention
            sandbox.sessions.end(session, files: isKept ? all : nil)
            answer.result.files = changed
            return answer
        } catch {
            sandbox.sessions.end(session, files: nil)
            throw error
        }
    }

    private func run(feed: RunFeed?, kept: [BoxOrder.File]?) async throws(Failure) -> ExecutionAnswer {
        let order = request.order(
            layers: sandbox.layers, cpuHundredths: sandbox.settings.cpuHundredths, kept: kept)
        return try await runner.answer(
            RunRequest(
                tenant: exchange.principal?.tenant, order: order, input: Array(request.input.utf8)), id: id,
            from: exchange.request.loop, cancellation: exchange.request.cancellation, feed: feed,
            enforcements: sandbox.state.verdict?.enforcements, exchange: exchange)
    }

    /// Answers with events: `stdout` and `stderr` as they are written, then `result` with the whole answer.
    func stream() async throws(Failure) -> Reply {
        let output = AnswerStream(exchange)
        let feed = RunFeed(on: exchange.request.loop)
        let running = OneShot<Result<ExecutionAnswer, Failure>>(on: exchange.request.loop)
        exchange.request.loop.spawn {
            do throws(Failure) {
                running.fulfil(.success(try await run(feed: feed)))
            } catch {
                running.fulfil(.failure(error))
            }
            feed.end()
        }
        while true {
            let pieces = await feed.next()
            if pieces.isEmpty { break }
            for (kind, bytes) in pieces {
                _ = await output.write(Self.event(kind == .output ? "stdout" : "stderr", ["text": Self.text(bytes)]))
            }
        }
        switch await running.value() {
        case .success(let answer): await output.finish(Self.event("result", .object(answer.json)))
        case .failure(let failure):
            guard output.hasBegun else { throw failure }
            exchange.figures.brokenOff = failure.code
            let body = failure.body(in: .house, requestID: exchange.id)
            await output.finish(Array("event: error\ndata: ".utf8) + body + Array("\n\n".utf8))
        }
        return .streamed
    }

    /// A piece may end in the middle of a character; the whole answer has it right.
    private static func text(_ bytes: [UInt8]) -> JSONValue { .string(String(decoding: bytes, as: UTF8.self)) }

    private static func event(_ name: String, _ value: JSONValue) -> [UInt8] {
        Array("event: \(name)\ndata: ".utf8) + value.serialized() + Array("\n\n".utf8)
    }
}

extension Failure {
    /// Why nothing was run.
    init(_ refusal: RunRefusal) {
        switch refusal {
        case .busy:
            self = Failure(.overloaded, "too many runs wait; try again later").retrying(after: .seconds(1))
        case .restarting:
            self = Failure(.overloaded, "the sandbox is being started anew; try again").retrying(after: .seconds(1))
        case .unable:
            self = Failure(.disabled, "this server runs no code: its host cannot keep what a sandbox promises")
        case .abandoned: self = Failure(.overloaded, "the client went away")
        }
    }
}

extension Runner {
    /// Runs something, and says what came of it in the house's words.
    func answer(
        _ wanted: RunRequest, id: String, from loop: EventLoop, cancellation: Cancellation, feed: RunFeed? = nil,
        enforcements: Enforcements?, exchange: Exchange?
    ) async throws(Failure) -> ExecutionAnswer {
        // Processor time is what others miss: held back at its most, and paid as it was used.
        let charge = try await exchange?.charge(.execution, atMost: wanted.order.limits.cpuMilliseconds)
        let (outcome, queued): (RunOutcome, Duration)
        do throws(RunRefusal) {
            (outcome, queued) = try await run(wanted, from: loop, cancellation: cancellation, feed: feed)
        } catch {
            // Nothing of it has run, but where the keeper was lost, and then nobody knows.
            charge?.cancel()
            throw Failure(error)
        }
        switch outcome {
        case .ended(let result):
            charge?.settle(result.report.cpuNanoseconds / 1_000_000)
            if result.report.end == .setup {
                throw Failure(
                    .internal, "the run could not be begun",
                    cause: SelfTest.words(result.report.step, Errno(CInt(result.report.errno))))
            }
            return ExecutionAnswer(
                id: id, result: result, queued: queued, order: wanted.order,
                enforcements: enforcements ?? Enforcements())
        case .refused(let cause):
            charge?.cancel()
            throw Failure(.overloaded, "the run could not be begun; try again", cause: cause.description)
                .retrying(after: .seconds(1))
        case .lost: throw Failure(RunRefusal.restarting)
        }
    }
}
