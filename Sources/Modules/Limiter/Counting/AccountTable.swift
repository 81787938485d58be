// SPDX-License-Identifier: Apache-2.0

package import Core
package import Platform
import Synchronization

/// The accounts of everybody, shared by all loops and exact across them.
///
/// A shard holds a tenant with all its keys, nodes and end users: so one lock decides for all of them at once, and a request
/// that the tenant's limit refuses uses up nothing of the key's. Addresses have shards of their own: whoever comes from many
/// addresses takes no room from those who are known.
package final class AccountTable: Sendable {
    /// Fewer than loops would contend, more would only cost memory.
    static let shardCount = 64
    /// Accounts a shard holds at most. Beyond it new ones are refused, since forgetting a live one would let whoever makes
    /// many names start afresh. A tenant is in one shard with all its keys and people.
    package static let accountsPerShardMax = 16_384
    /// The same of addresses, which anybody can have many of: in 64 shards about 250,000.
    package static let addressesPerShardMax = 4096
    /// The same of all shards.
    package static let addressesMax = shardCount * addressesPerShardMax
    /// What somebody takes of memory who comes once, name and all: a storm of addresses takes no more than `addressesMax` of these
    /// (256 MiB), however many come, and one of keys as many as there are keys.
    package static let newcomerBytesMax = 1024

    /// What came of asking for admission.
    package enum Decision: Equatable {
        /// Counted. The tightest limit after it, if there is any.
        case admitted(tightest: Standing?)
        /// Not counted: this limit is reached.
        case refused(Standing)
        /// Not counted: the table is full of accounts that are in use.
        case full
    }

    /// A key and its tenant where they stand, for a principal to keep, and for every hold: who has it needs no other reference.
    package final class Pair: Counters {
        /// Has the shards.
        private let table: AccountTable
        let shard: ShardReference
        /// The whole server's.
        let whole: ShardReference
        let instance: Account
        let key: Account
        let tenant: Account

        fileprivate init(_ table: AccountTable, _ shard: ShardReference, key: Account, tenant: Account) {
            (self.table, self.shard, self.key, self.tenant) = (table, shard, key, tenant)
            (whole, instance) = (table.whole, table.instance)
        }
    }

    struct Shard {
        /// Its own among those that count the same.
        let number: Int
        var accounts: [Subject: Account] = [:]
        let accountsMax: Int
        /// What those have spent who have no account.
        var spent: [Subject: (tenant: TenantID, sums: SpentSums)] = [:]
        /// Of whom the log has told more than is written down.
        var unwritten: Set<Subject> = []
        /// When the shard was last searched for accounts to forget.
        var sweptAt = Instant(nanoseconds: 0)
    }

    /// A mutex that can stand in an array.
    final class Locked: Sendable {
        let shard: Mutex<Shard>

        init(_ number: Int, accountsMax: Int) { shard = Mutex(Shard(number: number, accountsMax: accountsMax)) }
    }

    let book: RuleBook
    let shards: [ShardReference]
    let addressShards: [ShardReference]
    /// The whole server's, whose lock stands before one account, which is never forgotten.
    let whole: ShardReference
    let instance: Account
    /// All of them, which these refer to.
    private let kept: [Locked]

    /// - Parameter book: the rules that hold.
    package init(
        _ book: RuleBook, accountsPerShardMax: Int = AccountTable.accountsPerShardMax,
        addressesPerShardMax: Int = AccountTable.addressesPerShardMax
    ) {
        self.book = book
        let ofTenants = (0..<Self.shardCount).map { Locked($0, accountsMax: accountsPerShardMax) }
        let ofAddresses = (0..<Self.shardCount).map { Locked($0, accountsMax: addressesPerShardMax) }
        let ofWhole = Locked(0, accountsMax: 0)
        kept = ofTenants + ofAddresses + [ofWhole]
        shards = ofTenants.map(ShardReference.init)
        addressShards = ofAddresses.map(ShardReference.init)
        whole = ShardReference(ofWhole)
        let generation = book.generation
        instance = Account(
            .instance, tenant: nil, shard: 0, book.rules(for: .instance, of: nil), generation: generation)
    }

    // MARK: Requests

    /// Admits one request of a principal, or does not; `nil` for one that is not counted.
    ///
    /// - Parameter pair: `nil` before; where it is counted as under way, and ``leave(_:)`` must follow.
    package func admit(_ principal: Principal, at now: Instant, _ pair: inout Pair?) -> Decision? {
        if let known = principal.counters.withLock({ $0 as? Pair }), let decision = admit(known, at: now) {
            if case .admitted = decision { pair = consume known }
            return decision
        }
        guard let key = principal.accountID, let tenant = principal.tenant else { return nil }
        guard let found = self.pair(key, of: tenant, at: now) else { return .full }
        principal.counters.withLock { $0 = found }
        let decision = admit(found, at: now) ?? .full
        if case .admitted = decision { pair = found }
        return decision
    }

    /// The accounts of a key and its tenant; `nil` where there is no room for them.
    package func pair(_ key: KeyID, of tenant: TenantID, at now: Instant) -> Pair? {
        let locked = shard(of: tenant)
        return locked.withLock { shard in
            guard shard.hasRoom(for: [.key(key), .tenant(tenant)], at: now) else { return nil }
            return Pair(
                self, locked, key: shard.account(of: .key(key), tenant, book),
                tenant: shard.account(of: .tenant(tenant), tenant, book))
        }
    }

    /// The same for accounts that were found before; `nil` where they count no more.
    func admit(_ pair: Pair, at now: Instant) -> Decision? {
        pair.shard.withLock { _ in
            let (key, tenant) = (pair.key, pair.tenant)
            guard !key.isForgotten, !tenant.isForgotten else { return nil }
            key.refresh(from: book)
            tenant.refresh(from: book)
            let (keyFits, tenantFits) = (key.fits(requests: 1, at: now), tenant.fits(requests: 1, at: now))
            guard keyFits, tenantFits else { return .refused(Self.refusal(of: [key, tenant], at: now)) }
            guard key.underWay < key.concurrentMax else { return .refused(key.concurrency) }
            guard tenant.underWay < tenant.concurrentMax else { return .refused(tenant.concurrency) }
            key.countRequest()
            tenant.countRequest()
            key.underWay += 1
            tenant.underWay += 1
            return .admitted(tightest: Self.tightest(key, tenant, at: now))
        }
    }

    /// A request that was admitted is over.
    package func leave(_ pair: Pair) {
        pair.shard.withLock { _ in
            pair.key.underWay -= 1
            pair.tenant.underWay -= 1
        }
    }

    /// Of the limits of all that refuse, the one that refuses longest.
    ///
    /// - Parameters:
    ///   - counted: how many of the accounts, from the first, have counted the request already.
    ///   - tokens: at the worst case.
    private static func refusal(
        of accounts: [Account], counted: Int = 0, tokens: Int = 0, at now: Instant
    ) -> Standing {
        let standings = accounts.enumerated().compactMap { index, account in
            account.refusal(requests: index < counted ? 0 : 1, tokens: tokens, at: now)
        }
        return standings.longest ?? accounts[0].concurrency
    }

    private static func tightest(_ key: Account, _ tenant: Account, at now: Instant) -> Standing? {
        switch (key.requests.tightest, tenant.requests.tightest) {
        case (let own?, let shared?):
            own.remaining <= shared.remaining
                ? key.requestStanding(own.index, at: now) : tenant.requestStanding(shared.index, at: now)
        case (let own?, nil): key.requestStanding(own.index, at: now)
        case (nil, let shared?): tenant.requestStanding(shared.index, at: now)
        case (nil, nil): nil
        }
    }

    // MARK: Calls to models

    /// What a call counts for beside its key and its tenant.
    package struct Call {
        var node: NodeID?
        var user: EndUser?
        /// At the worst case.
        var tokens = 0
        /// The same in nano-dollars; `nil` without a price.
        var cost: Int? = 0
        var time = WallTime(milliseconds: 0)

        package init(
            node: NodeID? = nil, user: EndUser? = nil, tokens: Int = 0, cost: Int? = 0,
            time: WallTime = WallTime(milliseconds: 0)
        ) {
            (self.node, self.user, self.tokens, self.cost, self.time) = (node, user, tokens, cost, time)
        }

        fileprivate var amount: Meter.Sum { Meter.Sum(cost: cost ?? 0, tokens: tokens) }
    }

    /// A budget that is nearly spent.
    package struct Warning {
        let standing: Standing
        let percent: Int
        /// The first time in its day or month.
        let isNew: Bool
    }

    /// From how many per cent of a budget on whoever spends it is warned.
    static let warningPercent = 80

    /// Admits a call, or does not.
    package enum CallDecision {
        /// The hold of what was counted at the worst case, if anything was; and the tightest limit of tokens.
        case admitted(CallHold?, tightest: Standing?, Warning? = nil)
        case refused(Standing)
        /// There is a budget of money, and what this costs is not known.
        case unpriced
        case full
    }

    /// Counts a call for its node and its end user, and its tokens for everybody whom they count for: all or nothing.
    package func admit(_ call: Call, of pair: Pair, at now: Instant) -> CallDecision {
        var admission = Admission()
        return switch admit(call, of: pair, at: now, &admission) {
        case nil: .admitted(admission.hold, tightest: admission.tightest, admission.warning)
        case .refused(let standing): .refused(standing)
        case .unpriced: .unpriced
        case .full: .full
        }
    }

    /// What came of a call that was admitted: as in ``CallDecision``.
    struct Admission {
        var hold: CallHold?
        /// The account of the person behind the key, where there is one.
        var user: Account?
        var tightest: Standing?
        var warning: Warning?
    }

    /// Why a call is not admitted: as in ``CallDecision``.
    enum CallRefusal {
        case refused(Standing)
        case unpriced
        case full
    }

    /// The same without a decision that has a hold in its hands, which would be counted with each copy of it.
    ///
    /// - Parameter admission: empty before, and where it is refused.
    func admit(
        _ call: Call, of pair: consuming Pair, at now: Instant, _ admission: inout Admission
    ) -> CallRefusal? {
        guard pair.tenant.tenant != nil else { return .full }
        let shard = pair.shard
        let hold = CallHold(consume pair, at: call.time)
        var (user, counts) = (Account?.none, false)
        let refusal = shard.withLock { shard -> CallRefusal? in
            user = call.user.flatMap { shard.accounts[.user($0)] }
            if user == nil, let id = call.user, shard.spent[.user(id)] == nil,
                shard.spent.count >= Self.sumsPerShardMax
            {
                return .full
            }
            guard shard.hasRoom(for: call.node, call.user, at: now) else { return .full }
            if let id = call.node { hold.add(shard.account(of: .node(id), hold.pair.tenant.tenant, book)) }
            if let id = call.user {
                // The search for room forgets whoever is idle.
                if user?.isForgotten ?? true { user = shard.account(of: .user(id), hold.pair.tenant.tenant, book) }
                if let user { hold.add(user) }
            }
            return admit(call, hold, at: now, &admission, &counts)
        }
        if counts { (admission.hold, admission.user) = (hold, user) }
        return refusal
    }

    /// With the lock held behind which all of them stand.
    ///
    /// - Parameter counts: whether anything is held for it.
    private func admit(
        _ call: Call, _ hold: CallHold, at now: Instant, _ admission: inout Admission, _ counts: inout Bool
    ) -> CallRefusal? {
        var (fits, hasMoney, hasLimits) = (true, false, false)
        hold.forEach { account, isCounted in
            account.refresh(from: book)
            // Of a key and its tenant it was counted before.
            if !account.fits(requests: isCounted ? 0 : 1, at: now) { fits = false }
            if !account.fits(tokens: call.tokens, at: now) { fits = false }
            if account.hasBudgets, account.rules.hasMoney { hasMoney = true }
            if account.hasBudgets || !account.tokens.isEmpty { hasLimits = true }
        }
        guard fits else {
            return .refused(Self.refusal(of: hold.list, counted: 2, tokens: call.tokens, at: now))
        }
        if call.cost == nil, hasMoney { return .unpriced }
        let (amount, date) = (call.amount, UTCDate(call.time))
        // Of the budgets that have no room, the one that has none for the longest time.
        var spent: Standing?
        hold.forEach { account, _ in
            guard let standing = account.refusal(of: amount, at: date) else { return }
            if spent.map({ $0.nextAfter < standing.nextAfter }) ?? true { spent = standing }
        }
        if let spent { return .refused(spent) }
        hold.forEach { account, isCounted in
            if !isCounted { account.countRequest() }
        }
        guard hasLimits else { return nil }
        counts = true
        count(call, amount, hold, date, at: now, &admission)
        return nil
    }

    @inline(__always)
    private func count(
        _ call: Call, _ amount: Meter.Sum, _ hold: CallHold, _ date: UTCDate, at now: Instant,
        _ admission: inout Admission
    ) {
        var tightest: (account: Int, index: Int, remaining: Int)?
        hold.hold(amount) { account, number in
            let place = account.count(tokens: call.tokens)
            account.spent.known.hold(amount)
            account.holds += 1
            if let own = account.tokens.tightest, own.remaining < tightest?.remaining ?? .max {
                tightest = (number, own.index, own.remaining)
            }
            if let own = account.warning(above: Self.warningPercent, at: date),
                own.percent > admission.warning?.percent ?? -1
            {
                admission.warning = Warning(standing: own.standing, percent: own.percent, isNew: own.isNew)
            }
            return place
        }
        guard let tightest else { return }
        admission.tightest = hold.with(tightest.account) { $0.tokenStanding(tightest.index, at: now) }
    }

    // MARK: Addresses

    /// Counts one request for an address, or does not.
    package func admit(_ address: AddressBlock, at now: Instant) -> Decision {
        var account: Account?
        return admit(address, at: now, &account)
    }

    /// - Parameter found: the account, for ``Payers``.
    func admit(_ address: AddressBlock, at now: Instant, _ found: inout Account?) -> Decision {
        addressShards[Self.index(of: address)].withLock { shard in
            guard shard.hasRoom(for: .address(address), at: now) else { return .full }
            let account = shard.account(of: .address(address), nil, book)
            account.refresh(from: book)
            guard account.fits(requests: 1, at: now) else {
                found = account
                return .refused(Self.refusal(of: [account], at: now))
            }
            account.countRequest()
            let tightest = account.requests.tightest.map { account.requestStanding($0.index, at: now) }
            found = consume account
            return .admitted(tightest: tightest)
        }
    }

    // MARK: Telling

    /// What is left for a key and its tenant; counts nothing.
    func standings(of key: KeyID, of tenant: TenantID, at now: Instant) -> [Standing] {
        standings(of: [.key(key), .tenant(tenant)], of: tenant, at: now)
    }

    func standings(of subjects: [Subject], of tenant: TenantID, at now: Instant) -> [Standing] {
        look(at: subjects, of: tenant) { $0.standings(at: now) }
    }

    /// What is left of every budget.
    func budgetStandings(of subjects: [Subject], of tenant: TenantID, at time: WallTime) -> [Standing] {
        look(at: subjects, of: tenant) { $0.budgetStandings(at: time) }
    }

    private func look(
        at subjects: [Subject], of tenant: TenantID, _ body: (Account) -> [Standing]
    ) -> [Standing] {
        shard(of: tenant).withLock { shard in
            subjects.flatMap { subject in
                // Nobody's account is made for being looked at.
                let account =
                    shard.accounts[subject]
                    ?? Account(
                        subject, tenant: tenant, shard: shard.number, book.rules(for: subject, of: tenant),
                        generation: book.generation, spent: shard.spent[subject]?.sums ?? SpentSums())
                account.refresh(from: book)
                return body(account)
            }
        }
    }

    /// How many accounts are held.
    package var count: Int {
        (shards + addressShards).reduce(0) { $0 + $1.withLock { $0.accounts.count } }
    }

    /// Forgets a tenant that is being deleted, with everything of it.
    func forget(_ tenant: TenantID) {
        shard(of: tenant).withLock { shard in
            for (subject, account) in shard.accounts where account.tenant == tenant {
                account.isForgotten = true
                shard.accounts[subject] = nil
            }
            shard.spent = shard.spent.filter { $0.value.tenant != tenant }
        }
    }

    func shard(of tenant: TenantID) -> ShardReference { shards[Self.index(of: tenant)] }

    /// Hasher is seeded at start, so nobody outside can aim at one shard.
    static func index(of value: some Hashable) -> Int {
        var hasher = Hasher()
        hasher.combine(value)
        return Int(UInt(bitPattern: hasher.finalize()) % UInt(shardCount))
    }
}

extension AccountTable.Shard {
    /// The account of a subject, made if need be; behind ``hasRoom(for:at:)``.
    mutating func account(of subject: Subject, _ tenant: @autoclosure () -> TenantID?, _ book: RuleBook) -> Account {
        accounts[subject] ?? make(subject, tenant(), book)
    }

    private mutating func make(_ subject: Subject, _ tenant: TenantID?, _ book: RuleBook) -> Account {
        // The number first: rules that change in between are taken over with the next request.
        let generation = book.generation
        let account = Account(
            subject, tenant: tenant, shard: number, book.rules(for: subject, of: tenant), generation: generation,
            spent: spent.removeValue(forKey: subject)?.sums ?? SpentSums())
        accounts[subject] = account
        return account
    }

    /// Whether accounts for these subjects can be held, after forgetting idle ones if need be. The search goes through the
    /// whole shard, so it happens once a second at most: a flood of new names pays for it once, not with each name.
    mutating func hasRoom(for subjects: [Subject], at now: Instant) -> Bool {
        if fits(subjects) { return true }
        guard now > sweptAt + .seconds(1) else { return false }
        sweptAt = now
        for (subject, account) in accounts where account.isIdle(at: now) {
            // A principal may hold it: counted there and made anew here, it would count half.
            account.isForgotten = true
            accounts[subject] = nil
            if let tenant = account.tenant, account.spent.known.total != Meter.Sum() {
                spent[subject] = (tenant, account.spent)
            }
        }
        // The sweep may have forgotten one of them that was idle.
        return fits(subjects)
    }

    @inline(__always)
    mutating func hasRoom(for subject: Subject, at now: Instant) -> Bool {
        accounts.count < accountsMax || hasRoom(for: [subject], at: now)
    }

    /// The same for a node and a person, of whom there may be none.
    @inline(__always)
    mutating func hasRoom(for node: NodeID?, _ user: EndUser?, at now: Instant) -> Bool {
        if accounts.count + 2 <= accountsMax { return true }
        return hasRoom(for: [node.map(Subject.node), user.map(Subject.user)].compactMap(\.self), at: now)
    }

    private func fits(_ subjects: [Subject]) -> Bool {
        accounts.count + subjects.count <= accountsMax
            || accounts.count + subjects.count { accounts[$0] == nil } <= accountsMax
    }

    /// Notes what the log tells of a subject.
    mutating func tell(_ subject: Subject, of tenant: @autoclosure () -> TenantID, _ body: (inout SpentSums) -> Void) {
        guard let account = accounts[subject] else {
            change(spentBy: subject, of: tenant(), body)
            unwritten.insert(subject)
            return
        }
        body(&account.spent)
        guard !account.isUnwritten else { return }
        account.isUnwritten = true
        unwritten.insert(subject)
    }

    /// Changes what a subject has spent, whether or not it has an account.
    mutating func change(spentBy subject: Subject, of tenant: TenantID, _ body: (inout SpentSums) -> Void) {
        if let account = accounts[subject] { return body(&account.spent) }
        body(&spent[subject, default: (tenant, SpentSums())].sums)
    }
}
