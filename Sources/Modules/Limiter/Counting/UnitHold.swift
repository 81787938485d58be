// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Units that were charged at the most that work can come to, until it is known what it came to.
///
/// Made before it is known whether there is room, so that whoever pays need not be listed twice; it stands for nothing until
/// ``hold()``.
package final class UnitHold: Charge, @unchecked Sendable {
    // Those behind the lock of the pair's shard, then the address, then the whole server, each behind its own lock.
    private var accounts: AccountList
    private var addressShard: ShardReference?
    let units: Int
    // Under the lock of the pair's shard.
    private var isOpen = false
    /// What work of an exchange it is, and what that was charged by.
    let work: Work
    private let terms: UnitTerms.Reference?
    /// How long the work has to wait. On the exchange's loop.
    var delay: Duration?

    init(_ pair: consuming AccountTable.Pair, _ units: Int, of work: Work, _ terms: UnitTerms.Reference?) {
        accounts = AccountList(pair)
        (self.units, self.work) = (units, work)
        self.terms = terms
    }

    var pair: AccountTable.Pair { accounts.pair }

    /// Adds one behind the lock of the pair's shard, before the others.
    func add(_ account: consuming Account) { accounts.append(account) }

    func add(address account: consuming Account, _ shard: ShardReference) {
        accounts.append(account)
        addressShard = shard
    }

    func addWhole() { accounts.appendWhole() }

    /// Goes through all of them in the order of their locks.
    @inline(__always)
    func forEach(_ body: (Account) -> Void) { accounts.forEach { account, _ in body(account) } }

    @inline(__always)
    func with<Result>(_ index: Int, _ body: (Account) -> Result) -> Result { accounts.with(index, body) }

    /// Counts: `body` does so for each of them and says where; in no period for who has no limit.
    @inline(__always)
    func count(_ body: (Account, Int) -> Place) { accounts.count(body) }

    /// From here on it stands for what was counted. One that nothing was counted for stands for nothing: with its end it would
    /// ask for the lock that it was made under.
    func hold() { isOpen = true }

    var isCall: Bool {
        switch work {
        case .call, .embedding: true
        case .file, .execution: false
        }
    }

    /// Puts what the work cost in the place of what was charged. The first call decides.
    ///
    /// - Returns: false where it had been settled.
    @discardableResult
    package func settle(units used: Int) -> Bool {
        let change = used - units
        let wholePlace = accounts.count - (accounts.hasWhole ? 1 : 0)
        let addressPlace = wholePlace - (addressShard == nil ? 0 : 1)
        let isFirst = accounts.pair.shard.withLock { _ in
            guard isOpen else { return false }
            isOpen = false
            settle(0..<addressPlace, by: change)
            return true
        }
        guard isFirst else { return false }
        if let addressShard { addressShard.withLock { _ in settle(addressPlace..<wholePlace, by: change) } }
        if accounts.hasWhole { accounts.pair.whole.withLock { _ in settle(wholePlace..<accounts.count, by: change) } }
        return true
    }

    @inline(__always)
    private func settle(_ range: Range<Int>, by change: Int) {
        accounts.forEachPlace(in: range) { account, place in
            guard !place.periods.isEmpty else { return }
            account.holds -= 1
            account.correct(units: place, by: change)
        }
    }

    package func settle(_ amount: Int) {
        terms?.with { charge($0.settings.weights.units(work, amount), $0) }
    }

    package func cancel() {
        terms?.with { charge(0, $0) }
    }

    @inline(__always)
    private func charge(_ used: Int, _ terms: UnitTerms) {
        if settle(units: used) { terms.figures.count(work, used - units) }
    }

    // What nobody has settled stands.
    deinit { if isOpen { settle(units: units) } }
}

/// By what work is charged, as long as nobody says otherwise.
///
/// Those that were made are there for as long as the process: neither a request nor what it is charged counts references to
/// them, and to find them takes no lock. A reload that changes them leaves some hundred bytes behind.
final class UnitTerms: Sendable {
    let settings: UnitSettings
    let figures: UnitFigures

    private static let all = Mutex<[UnitTerms]>([])

    private init(_ settings: UnitSettings, _ figures: UnitFigures) {
        (self.settings, self.figures) = (settings, figures)
    }

    static func made(_ settings: UnitSettings, _ figures: UnitFigures) -> Reference {
        let terms = UnitTerms(settings, figures)
        all.withLock { $0.append(terms) }
        return Reference(terms)
    }

    /// One of them.
    @safe struct Reference: AtomicRepresentable, @unchecked Sendable {
        typealias AtomicRepresentation = Unmanaged<UnitTerms>.AtomicRepresentation

        // SAFETY: it stands in `all`, from which nothing is ever taken.
        private let terms: Unmanaged<UnitTerms>

        fileprivate init(_ terms: UnitTerms) { unsafe self.terms = Unmanaged.passUnretained(terms) }

        private init(_ terms: Unmanaged<UnitTerms>) { unsafe self.terms = terms }

        @inline(__always)
        func with<Result>(_ body: (UnitTerms) -> Result) -> Result { unsafe terms._withUnsafeGuaranteedRef(body) }

        static func encodeAtomicRepresentation(_ value: consuming Reference) -> AtomicRepresentation {
            unsafe Unmanaged.encodeAtomicRepresentation(value.terms)
        }

        static func decodeAtomicRepresentation(_ representation: consuming AtomicRepresentation) -> Reference {
            unsafe Reference(Unmanaged.decodeAtomicRepresentation(representation))
        }
    }
}
