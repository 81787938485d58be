// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import HTTP
import Platform
import Synchronization

/// Where somebody tries from: an IPv4 address, or an IPv6 network of 64 bits, which one customer has whole.
struct PeerBlock: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64

    /// `nil` for the admin socket.
    init?(_ peer: Peer) {
        guard case .address(let address) = peer, let ip = address.ip else { return nil }
        switch ip.unwrapped {
        case .v4(let number): (high, low) = (0, 0xFFFF_0000_0000 | UInt64(number))
        case .v6(let high, _): (self.high, low) = (high, 0)
        }
    }
}

/// How often somebody may be wrong.
///
/// Nothing here locks an account: whoever knows an address could then lock its owner out. What is counted is the pair of
/// account and place; an account under attack from everywhere gets fewer tries from each place, but from each place some. Tries
/// are counted when they begin, so that a thousand at once are no more than five, and one that was right is taken back.
///
/// Second-factor codes are the exception. They are short, and whoever tries them has the password already: five wrong ones
/// and the account's codes are locked for a while. Its recovery codes are not.
final class LoginLimits: Sendable {
    enum Subject: Hashable, Sendable {
        case place(PeerBlock)
        case pair(PeerBlock, Digest)
        case account(Digest)
        case codes(UserID)
    }

    struct Rule: Sendable {
        let countMax: Int
        let window: Duration
    }

    static let pair = Rule(countMax: 5, window: .seconds(900))
    static let place = Rule(countMax: 30, window: .seconds(900))
    /// Beyond this many an account counts as attacked.
    static let account = Rule(countMax: 100, window: .seconds(3600))
    /// What each place has left then.
    static let pairUnderAttack = Rule(countMax: 2, window: .seconds(900))
    static let codes = Rule(countMax: 5, window: .seconds(900))
    /// From one place at once.
    static let underWayMax = 8
    /// Tallies at a time.
    static let talliesMax = 200_000

    private struct Tally {
        var count = 0
        let since: Instant
        let window: Duration
    }

    private struct State {
        var tallies: [Subject: Tally] = [:]
        var underWay: [PeerBlock: Int] = [:]
        var sweptAt = Instant(nanoseconds: 0)

        mutating func count(_ subject: Subject, at now: Instant) -> Int {
            guard let tally = tallies[subject] else { return 0 }
            guard now - tally.since < tally.window else {
                tallies[subject] = nil
                return 0
            }
            return tally.count
        }

        mutating func add(_ subject: Subject, _ rule: Rule, at now: Instant) {
            tallies[subject, default: Tally(since: now, window: rule.window)].count += 1
        }

        mutating func takeBack(_ subject: Subject) {
            guard let count = tallies[subject]?.count else { return }
            tallies[subject]?.count = max(0, count - 1)
        }

        func rest(_ subject: Subject, at now: Instant) -> Duration {
            tallies[subject].map { max(.seconds(1), $0.window - (now - $0.since)) } ?? .seconds(1)
        }

        /// Whether there is room for more; what is over is forgotten first, once a second.
        mutating func hasRoom(at now: Instant) -> Bool {
            guard tallies.count > LoginLimits.talliesMax - 4 else { return true }
            if now - sweptAt >= .seconds(1) {
                sweptAt = now
                tallies = tallies.filter { now - $0.value.since < $0.value.window }
            }
            return tallies.count <= LoginLimits.talliesMax - 4
        }
    }

    // Guards the tallies; held for a few look-ups.
    private let state = Mutex(State())
    private let triesMax: Int
    private let codesMax: Int

    /// - Parameters:
    ///   - triesMax: from one place for one account.
    ///   - codesMax: wrong codes of one account.
    init(triesMax: Int = LoginLimits.pair.countMax, codesMax: Int = LoginLimits.codes.countMax) {
        (self.triesMax, self.codesMax) = (triesMax, codesMax)
    }

    /// Begins a try, and counts it. `end` must follow.
    ///
    /// - Throws: `rate_limit_exceeded` with the time after which to try again.
    func begin(_ place: PeerBlock?, _ account: Digest, at now: Instant) throws(Failure) {
        guard let place else { return }
        try state.withLock { (state) throws(Failure) in
            guard state.hasRoom(at: now) else { throw Self.refusal(.seconds(15)) }
            guard state.underWay[place, default: 0] < Self.underWayMax else { throw Self.refusal(.seconds(1)) }
            let isAttacked = state.count(.account(account), at: now) >= Self.account.countMax
            let pairMax = isAttacked ? Self.pairUnderAttack.countMax : triesMax
            for (subject, most) in [(Subject.place(place), Self.place.countMax), (.pair(place, account), pairMax)] {
                guard state.count(subject, at: now) < most else {
                    throw Self.refusal(state.rest(subject, at: now))
                }
            }
            state.add(.place(place), Self.place, at: now)
            state.add(.pair(place, account), Self.pair, at: now)
            _ = state.count(.account(account), at: now)
            state.add(.account(account), Self.account, at: now)
            state.underWay[place, default: 0] += 1
        }
    }

    /// - Parameter isHarmless: true where the try was right, or came to nothing for another reason than being wrong.
    func end(_ place: PeerBlock?, _ account: Digest, isHarmless: Bool) {
        guard let place else { return }
        state.withLock { state in
            let left = state.underWay[place, default: 1] - 1
            state.underWay[place] = left > 0 ? left : nil
            guard isHarmless else { return }
            state.takeBack(.place(place))
            state.takeBack(.pair(place, account))
            state.takeBack(.account(account))
        }
    }

    /// Begins a try of a second-factor code, and counts it.
    ///
    /// - Throws: `locked`.
    func beginCode(of user: UserID, at now: Instant) throws(Failure) {
        try state.withLock { (state) throws(Failure) in
            guard state.hasRoom(at: now) else { throw Self.refusal(.seconds(15)) }
            let subject = Subject.codes(user)
            guard state.count(subject, at: now) < codesMax else {
                throw Failure(.locked, "too many wrong codes; wait, or use a recovery code").retrying(
                    after: state.rest(subject, at: now))
            }
            state.add(subject, Self.codes, at: now)
        }
    }

    /// A code was right.
    func clearCodes(of user: UserID) { state.withLock { $0.tallies[.codes(user)] = nil } }

    private static func refusal(_ wait: Duration) -> Failure {
        Failure(.rateLimitExceeded, "too many tries; wait before the next one").retrying(after: wait)
    }
}
