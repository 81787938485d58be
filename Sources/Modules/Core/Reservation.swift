// SPDX-License-Identifier: Apache-2.0

package import Platform

/// What is held back of every budget and rate that a call counts against, at its worst case, from before it leaves the house
/// until it is known what it used. Played by the limiter.
package protocol Hold: AnyObject, Sendable {
    /// Puts what was used in the place of what was held back, and nothing where nothing was used. The first call of this or
    /// of ``forsake()`` decides, and later ones change nothing.
    ///
    /// - Parameter time: when it is settled, which tells the day that it counts for.
    func settle(_ used: ExchangeFigures.Settlement?, at time: WallTime)

    /// Nobody knows, or it could not be written down: the worst case stands.
    func forsake()
}

/// A hold with exactly one owner. It cannot be copied, and cannot be forgotten: one that is dropped without having been
/// settled stands at its worst case.
package struct Reservation: ~Copyable, Sendable {
    // None once it is settled.
    private var hold: (any Hold)?

    /// Takes over `hold`, which nobody else settles.
    package init(_ hold: any Hold) { self.hold = hold }

    package consuming func settle(_ used: ExchangeFigures.Settlement?, at time: WallTime = .now()) {
        hold?.settle(used, at: time)
        hold = nil
    }

    deinit { hold?.forsake() }
}
