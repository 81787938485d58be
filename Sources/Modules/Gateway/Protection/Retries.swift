// SPDX-License-Identifier: Apache-2.0
//
// Asking a provider once more. Only where that is safe: nothing of an answer has come, and the provider has not begun to work
// on the call, or has said itself that nothing came of it; so no retry is billed twice. And only as far as the budget goes:
// each call gives a tenth of a retry, so that a provider that is failing gets a tenth more load of us and not three times as much.

import Core
import Platform
import Synchronization

/// How often a provider is asked once more. A value without a clock and without chance.
struct RetryBudget: Equatable, Sendable {
    /// In tenths of a retry: a few at the beginning, so that a quiet house has some too.
    private(set) var tenths = 30
    private static let tenthsMax = 100

    /// A call has begun.
    mutating func earn() { tenths = min(tenths + 1, Self.tenthsMax) }

    /// - Returns: false where the budget is spent.
    mutating func spend() -> Bool {
        guard tenths >= 10 else { return false }
        tenths -= 10
        return true
    }

    /// The time before a retry: anything from nothing to a bound that doubles, so that those who failed together do not come
    /// back together ("full jitter"); and never before the provider wants it.
    ///
    /// - Parameters:
    ///   - number: of retries made before.
    ///   - wish: what the provider asked for.
    ///   - chance: from 0 to 1.
    /// - Returns: nil where the provider wants more time than a caller should be kept waiting.
    static func pause(before number: Int, wish: Duration?, chance: Double) -> Duration? {
        if let wish, wish > pauseMax { return nil }
        let bound = min(base * (1 << min(number, 10)), pauseMax)
        let jitter = Duration.milliseconds(Int64(Double(bound.clampedMilliseconds) * chance))
        return (wish ?? .zero) + jitter
    }

    private static let base = Duration.milliseconds(200)
    static let pauseMax = Duration.seconds(2)
}

/// The budget of one provider, shared by all loops.
final class SharedRetryBudget: Sendable {
    // Guards the budget.
    let state = Mutex(RetryBudget())
}

/// The budgets of all providers. They outlive a reload.
final class Retries: Sendable {
    // Guards the table; there are as many as the configuration has had providers.
    private let budgets = Mutex<[String: SharedRetryBudget]>([:])

    func earn(at provider: Provider) { provider.retries.state.withLock { $0.earn() } }

    /// How long to wait before the same is asked once more; nil where it is not.
    ///
    /// - Parameter number: of retries made before.
    func pause(after fault: Fault, _ number: Int, _ provider: Provider) -> Duration? {
        guard number < provider.settings.retries, fault.permitsRetry else { return nil }
        let wish = fault.retryAfterMilliseconds.map { Duration.milliseconds($0) }
        guard let pause = RetryBudget.pause(before: number, wish: wish, chance: .random(in: 0...1)) else { return nil }
        return provider.retries.state.withLock { $0.spend() } ? pause : nil
    }

    /// The one budget of all providers of this name.
    func budget(ofProvider name: String) -> SharedRetryBudget {
        budgets.withLock { table in
            let budget = table[name] ?? SharedRetryBudget()
            table[name] = budget
            return budget
        }
    }
}

extension Fault {
    /// Whether the same may be asked once more: the provider could not be reached, or has said that it did nothing and that
    /// another moment may do. Not where it was late: it may be at work on it still.
    var permitsRetry: Bool {
        guard !mayHaveCounted else { return false }
        if let upstreamStatus {
            return code == .rateLimitExceeded || [500, 502, 503, 529].contains(upstreamStatus)
        }
        return wasUnreached
    }
}
