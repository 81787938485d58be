// SPDX-License-Identifier: Apache-2.0

/// What is held back of every budget and rate that a call counts against, at its worst case, from before it leaves the house
/// until it is known what it used. Played by the limiter.
package protocol Hold: AnyObject, Sendable {
    /// Puts what was used in the place of what was held back. The first call decides, and later ones change nothing.
    ///
    /// - Parameter tokens: `nil` where nobody knows: then the worst case stands.
    func settle(tokens: Int?)
}

/// A hold with exactly one owner. It cannot be copied, and cannot be forgotten: one that is dropped without having been
/// settled stands at its worst case.
package struct Reservation: ~Copyable, Sendable {
    private let hold: any Hold

    /// Takes over `hold`, which nobody else settles.
    package init(_ hold: any Hold) { self.hold = hold }

    /// - Parameter tokens: what was used of input and output together; `nil` where nobody knows.
    package consuming func settle(tokens: Int?) { hold.settle(tokens: tokens) }

    // After `settle` this changes nothing.
    deinit { hold.settle(tokens: nil) }
}
