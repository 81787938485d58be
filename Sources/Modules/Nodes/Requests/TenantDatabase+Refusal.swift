// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// What comes of work in a transaction: a result, or a refusal.
///
/// A refusal is a value and rolls nothing back: work looks first, and writes when nothing can be refused any more.
typealias Verdict<Success> = Result<Success, Failure>

extension TenantDatabase {
    /// A write that may refuse.
    func change<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> Verdict<R>
    ) async throws(Failure) -> R {
        let verdict: Verdict<R>
        do throws(DatabaseFailure) {
            verdict = try await write(body)
        } catch {
            throw Failure(work: error)
        }
        return try verdict.get()
    }

    /// A look that may refuse.
    func look<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> Verdict<R>
    ) async throws(Failure) -> R {
        let verdict: Verdict<R>
        do throws(DatabaseFailure) {
            verdict = try await read(body)
        } catch {
            throw Failure(work: error)
        }
        return try verdict.get()
    }
}

extension Failure {
    /// An id that nothing has, or somebody else's thing: the same answer, to the byte.
    static var absent: Failure { Failure(.notFound, "there is nothing of that id") }

    /// What is sealed under an erased key was deleted while it was being read.
    fileprivate init(work failure: DatabaseFailure) {
        if case .failed(let error) = failure, error.kind == .erased {
            self = .absent
        } else {
            self.init(failure)
        }
    }
}
