// SPDX-License-Identifier: Apache-2.0

import Platform

// Units of the ledger that all work is paid from. Under the lock of the account's shard, as everything of an account.

extension Account {
    /// Whether so many units more fit; counts nothing.
    func fits(units amount: Int, at now: Instant) -> Bool {
        var fits = true
        for index in rules.units.indices {
            units[index].advance(to: now, rules.units[index])
            if units[index].total > rules.units[index].limit - amount { fits = false }
        }
        return fits
    }

    /// Of the limits into which they do not fit, the one for which one has to wait longest. Behind ``fits(units:at:)``.
    func refusal(units amount: Int, at now: Instant) -> Standing? {
        rules.units.indices.lazy.filter { self.units[$0].total > self.rules.units[$0].limit - amount }
            .map { self.standing(self.rules.units[$0], self.units[$0], asking: amount, at: now) }
            .max { $0.nextAfter < $1.nextAfter }
    }

    /// Counts units in every window, which ``fits(units:at:)`` has brought to the time.
    ///
    /// - Returns: where they are counted, to be put right later.
    func count(units amount: Int) -> Few<TokenPlace> {
        isFresh = true
        var places = Few<TokenPlace>()
        for index in rules.units.indices {
            places.append(TokenPlace(rules.units[index].period, units[index].count(amount)))
        }
        return places
    }

    /// Puts right what was counted.
    func correct(units places: Few<TokenPlace>, by amount: Int) {
        guard amount != 0 else { return }
        isFresh = true
        places.forEach { place in
            for index in rules.units.indices where rules.units[index].period == place.period {
                units[index].correct(place.granule, by: amount)
            }
        }
    }

    /// The limit of units of which the greatest part is used.
    var fullest: (index: Int, share: Double)? {
        var fullest: (index: Int, share: Double)?
        for (index, rate) in rules.units.enumerated() {
            let share = Double(units[index].total) / Double(max(rate.limit, 1))
            if share > fullest?.share ?? -1 { fullest = (index, share) }
        }
        return fullest
    }

    /// Whether this is the first warning of its units within the time of the limit.
    func warnsOfUnits(_ rate: Rate, at now: Instant) -> Bool {
        if let unitsWarnedAt, now < unitsWarnedAt + rate.length { return false }
        unitsWarnedAt = now
        return true
    }
}
