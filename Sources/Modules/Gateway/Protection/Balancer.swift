// SPDX-License-Identifier: Apache-2.0

import Platform
import Synchronization

/// Which of several models of equal standing (`pool`) is asked first: by chance, in proportion to their weights, and less often
/// the later its answers have begun compared with the quickest of them. It keeps being asked a little, so that it is noticed
/// when it has become quick again. Shared by all loops.
final class Balancer: Sendable {
    private struct Latency {
        /// Until an answer began, as a moving average; `nil` before the first.
        var milliseconds: Double?
    }

    // Guards the table, by name of the catalog: of models that were chosen among, and of no others.
    private let latencies = Mutex<[String: Latency]>([:])
    private let isUsed = Atomic(false)

    /// What the latest answer counts of the average.
    private static let newShare = 0.2
    /// However late it is, a model gets so much of its share.
    private static let shareMin = 0.1

    /// Notes how long an answer took to begin.
    func note(_ model: Model, _ time: Duration) {
        guard isUsed.load(ordering: .relaxed) else { return }
        let new = Double(max(time.clampedNanoseconds, 0)) / 1_000_000
        latencies.withLock { table in
            guard let latency = table[model.name] else { return }
            let old = latency.milliseconds ?? new
            table[model.name] = Latency(milliseconds: old + (new - old) * Self.newShare)
        }
    }

    /// The average of a model; `nil` where none is known.
    func milliseconds(of model: Model) -> Double? { latencies.withLock { $0[model.name]?.milliseconds } }

    /// - Parameters:
    ///   - models: at least one.
    ///   - chance: from 0 to 1.
    func choose(_ models: [Model], chance: Double) -> Model {
        isUsed.store(true, ordering: .relaxed)
        let known = latencies.withLock { table in
            models.map { model in
                let latency = table[model.name] ?? Latency()
                table[model.name] = latency
                return latency.milliseconds
            }
        }
        let shares = Self.shares(weights: models.map(\.settings.weight), milliseconds: known)
        return models[Self.pick(shares, chance: chance)]
    }

    static func shares(weights: [Int], milliseconds: [Double?]) -> [Double] {
        // Below a millisecond differences say nothing.
        let best = max(milliseconds.compactMap(\.self).min() ?? 1, 1)
        return zip(weights, milliseconds).map { weight, time in
            Double(weight) * (time.map { max(best / max($0, 1), shareMin) } ?? 1)
        }
    }

    /// The place at which a point of the whole lies.
    static func pick(_ shares: [Double], chance: Double) -> Int {
        var rest = chance * shares.reduce(0, +)
        for (index, share) in shares.enumerated() {
            rest -= share
            if rest < 0 { return index }
        }
        return max(shares.count - 1, 0)
    }
}
