// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Log
import Platform
import SQLite

/// A turn that is answered after its exchange has been: a run.
extension Turn {
    /// Writes the receipt down, so that after a restart it is known to be lost instead of unknown. No content stands in it.
    func open(_ receipt: Receipt) async throws(Failure) {
        let (node, schedule) = (plan.node.id, context.schedule)
        try await database.change { transaction throws(SQLiteError) -> Verdict<Void> in
            guard try NodeTables.id(of: node, in: transaction) != nil else { return .failure(.absent) }
            try InvocationTables.insert(receipt, node: node, in: transaction)
            schedule.note(receipt.tenant, due: receipt.createdAt + .seconds(ChatLimits.receiptSeconds))
            return .success(())
        }
    }

    /// Answers, on the loop of an exchange whose client may be gone; by a deadline of its own.
    func run(_ receipt: Receipt, on loop: EventLoop, _ models: any ModelCaller) async -> Outcome {
        let result = await result(receipt, on: loop, models)
        await close(receipt, result)
        switch result {
        case .answered: return .answered(status: 200)
        case .failed(let failure): return .failed(failure.code)
        }
    }

    private func result(_ receipt: Receipt, on loop: EventLoop, _ models: any ModelCaller) async -> RunResult {
        if let answer = earlierAnswer { return .answered(answer) }
        let cancellation = Cancellation(on: loop)
        context.chat.runs.start(receipt) { loop.post { cancellation.fire(.unwanted) } }
        let deadline = loop.schedule(after: ChatLimits.runTime) { cancellation.fire(.timedOut) }
        defer { deadline.cancel() }
        do throws(Failure) {
            let outcome = try await run(on: loop, cancellation: cancellation, models) { _ in true }
            guard let outcome else { return .failed(Failure(.upstreamInterrupted, "the answer broke off")) }
            return .answered(outcome.answer)
        } catch {
            switch cancellation.cause {
            case nil: return .failed(error)
            case .unwanted: return .failed(Failure(.notFound, "the node was deleted while it answered"))
            default: return .failed(Failure(.upstreamTimeout, "the run took longer than it may"))
            }
        }
    }

    /// The store first, then memory, then the end: whoever asks in between finds the run under way or its result.
    private func close(_ receipt: Receipt, _ result: RunResult) async {
        let (runs, now) = (context.chat.runs, context.now())
        do throws(Failure) {
            try await database.change { transaction throws(SQLiteError) -> Verdict<Void> in
                try InvocationTables.finish(receipt, result, at: now, in: transaction)
                return .success(())
            }
        } catch {
            context.log.warning(
                "a run's end could not be written down",
                ["request": .string(requestID), "cause": .string(error.cause ?? error.message)])
        }
        // What is stored is read from its thread, so that it goes when that goes.
        if case .answered(let answer) = result, answer.isStored {
            runs.end(receipt)
        } else {
            runs.hold(result, of: receipt, node: plan.node.id, at: now)
            runs.end(receipt)
        }
    }
}
