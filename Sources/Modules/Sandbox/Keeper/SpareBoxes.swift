// SPDX-License-Identifier: Apache-2.0

import CSeccomp
import Glibc
import Platform

/// An empty box whose first process waits at its door.
struct SpareBox {
    let pid: CInt
    let pidfd: CInt
    let door: CInt
    let group: RunGroup
    let limits: GroupLimits
}

/// Boxes that wait for a run, so that a run need not wait for its box. They are made while the keeper has nothing else to do.
/// Nothing of anybody's was ever in one, and whoever is given one takes it out of here for good.
struct SpareBoxes {
    /// How many there may be, whatever the gateway asks for.
    static let countMax = 16
    /// How long the keeper rests after a box has ended; and after one was begun, whose program has the processors first.
    private static let restAfterEnd = Duration.milliseconds(1)
    private static let restAfterRun = Duration.milliseconds(10)
    /// After one that died, or could not be made: whatever made it so may last.
    private static let restAfterFailure = Duration.seconds(1)

    private(set) var waiting: [SpareBox] = []
    private var count = 0
    private(set) var limits: GroupLimits?
    private var restsUntil = Instant.now()

    /// Asks for some of them.
    mutating func want(_ count: Int, _ limits: GroupLimits) {
        self.count = min(count, Self.countMax)
        self.limits = limits
    }

    /// When the next one is to be made; nil where none is missing.
    var isDue: Instant? { waiting.count < count ? restsUntil : nil }

    /// One for a run with these limits.
    mutating func take(_ limits: GroupLimits) -> SpareBox? {
        waiting.firstIndex { $0.limits == limits }.map { waiting.remove(at: $0) }
    }

    mutating func add(_ box: SpareBox) { waiting.append(box) }

    mutating func removeAll() -> [SpareBox] { exchange(&waiting, with: []) }

    /// Takes out one that died.
    mutating func remove(at index: Int) -> SpareBox {
        rest(Self.restAfterFailure)
        return waiting.remove(at: index)
    }

    mutating func noteRun() { rest(Self.restAfterRun) }
    mutating func noteFailure() { rest(Self.restAfterFailure) }

    /// A run's box has ended: the processors are free, unless this has failed lately.
    mutating func noteEnd() {
        let soon = Instant.now() + Self.restAfterEnd
        if restsUntil - soon < Self.restAfterRun { restsUntil = soon }
    }

    private mutating func rest(_ time: Duration) { restsUntil = max(restsUntil, Instant.now() + time) }
}
