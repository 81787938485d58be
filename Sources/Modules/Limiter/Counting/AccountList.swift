// SPDX-License-Identifier: Apache-2.0

import Platform

/// A key, its tenant and whoever else something is counted for, with where it is counted for each. To go through it counts no
/// reference: a request does so many times.
@safe struct AccountList: ~Copyable {
    /// Key, tenant, node, person, address, the whole server.
    static let countMax = 6

    let pair: AccountTable.Pair
    // SAFETY: of the first two and of the whole server's, which is the last, `pair` has references that never change; of each
    // of the others this has one of its own, from `append` until it is gone itself. So all of them are there for as long as this.
    private var accounts: [6 of Unmanaged<Account>]
    private var places: [6 of Place] = .init(repeating: Place())
    private(set) var count = 2
    /// Whether the last of them is the whole server's.
    private(set) var hasWhole = false

    init(_ pair: consuming AccountTable.Pair) {
        unsafe accounts = .init(repeating: Unmanaged.passUnretained(pair.key))
        unsafe accounts[1] = Unmanaged.passUnretained(pair.tenant)
        self.pair = pair
    }

    deinit {
        for index in 2..<(hasWhole ? count - 1 : count) { unsafe accounts[index].release() }
    }

    /// - Precondition: there are fewer than ``countMax``, and not the whole server's.
    mutating func append(_ account: consuming Account) {
        precondition(count < Self.countMax && !hasWhole, "an account is one of six, and the whole server's the last")
        unsafe accounts[count] = Unmanaged.passRetained(account)
        count += 1
    }

    /// - Precondition: as above.
    mutating func appendWhole() {
        precondition(count < Self.countMax && !hasWhole, "an account is one of six, and the whole server's the last")
        unsafe accounts[count] = Unmanaged.passUnretained(pair.instance)
        hasWhole = true
        count += 1
    }

    /// Goes through some of them, each with its number.
    @inline(__always)
    borrowing func forEach(in range: Range<Int>, _ body: (Account, Int) -> Void) {
        for index in range { unsafe accounts[index]._withUnsafeGuaranteedRef { body($0, index) } }
    }

    /// Goes through all of them.
    @inline(__always)
    borrowing func forEach(_ body: (Account, Int) -> Void) { forEach(in: 0..<count, body) }

    /// Does something for one of them.
    @inline(__always)
    borrowing func with<Result>(_ index: Int, _ body: (Account) -> Result) -> Result {
        unsafe accounts[index]._withUnsafeGuaranteedRef(body)
    }

    /// Counts for each, and notes where.
    @inline(__always)
    mutating func count(_ body: (Account, Int) -> Place) {
        for index in 0..<count { places[index] = unsafe accounts[index]._withUnsafeGuaranteedRef { body($0, index) } }
    }

    /// Goes through some of them and where it was counted for them.
    @inline(__always)
    borrowing func forEachPlace(in range: Range<Int>, _ body: (Account, Place) -> Void) {
        for index in range { unsafe accounts[index]._withUnsafeGuaranteedRef { body($0, places[index]) } }
    }
}
