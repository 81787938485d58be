// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import EventLoop
import Platform
import Synchronization

/// Hashes passwords on threads of its own, a few at a time: a hash takes 128 MiB and some tenths of a second, so whoever
/// could start as many as he likes could have the machine's memory. At most ``memoryBytesMax`` is taken, whatever comes;
/// what does not fit into the queue is told to come again. The threads give way to the loops, which serve everybody else.
final class PasswordHasher: Sendable {
    /// Who may wait for a thread. With one thread the last of them waits some seven seconds.
    static let waitingMax = 16

    private let worker: Worker
    private let threads: Int
    let scrypt: Scrypt
    private let count = Atomic(0)

    init(scrypt: Scrypt, threads: Int) throws(Errno) {
        worker = try Worker(name: "passwords", queueMax: Self.waitingMax, threads: threads, background: .shared)
        self.threads = threads
        self.scrypt = scrypt
    }

    /// The most memory that hashing takes, in bytes.
    var memoryBytesMax: Int { threads * 128 * scrypt.blockSize * (scrypt.cost + scrypt.parallelism + 2) }

    /// Hashes that were begun.
    var hashed: Int { count.load(ordering: .relaxed) }

    /// Whether `password` is the one of `hash`. For an account that does not exist the caller gives `nil`, and the answer is
    /// no, after the same work: its time must not tell which accounts exist.
    ///
    /// - Throws: `concurrency_exceeded` where too many wait.
    func verify(_ password: String, against hash: PasswordHash?) async throws(Failure) -> Bool {
        let candidate = hash ?? .decoy(scrypt)
        let matches = try await run { () throws(CryptoError) in try candidate.matches(password) }
        return matches && hash != nil
    }

    /// - Throws: `concurrency_exceeded` where too many wait.
    func hash(_ password: String) async throws(Failure) -> PasswordHash {
        let scrypt = scrypt
        return try await run { () throws(CryptoError) in try PasswordHash.make(password, scrypt) }
    }

    func stop() { worker.stop() }

    private func run<Result: Sendable>(
        _ body: @escaping @Sendable () throws(CryptoError) -> Result
    ) async throws(Failure) -> Result {
        do throws(Worker.Failure<CryptoError>) {
            return try await worker.run { [self] () throws(CryptoError) in
                count.add(1, ordering: .relaxed)
                return try body()
            }
        } catch {
            switch error {
            case .refused:
                throw Failure(.concurrencyExceeded, "too many people are logging in; try again").retrying(
                    after: .seconds(5))
            case .failed(let cause):
                throw Failure(.internal, "the password could not be hashed", cause: "\(cause)")
            }
        }
    }
}
