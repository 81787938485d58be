// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Synchronization

/// The scores of all who have done something, shared by all loops. A key, a person behind a key and an address have scores of
/// their own: nobody is blocked for what a neighbour did.
final class StrikeTable: Sendable {
    static let shardCount = 16
    /// Beyond, one that matters little gives way: whoever comes from many addresses must not fill the memory, nor hide among
    /// them what another does again and again.
    static let scoresPerShardMax = 4096

    struct Entry: Sendable {
        let subject: Subject
        /// `nil` for an address.
        let tenant: TenantID?
        var score: StrikeScore
    }

    /// Somebody was blocked.
    struct Block: Sendable {
        let entry: Entry
        let pause: Duration
    }

    private struct Shard {
        var entries: [Subject: Entry] = [:]
        /// Those that have changed since they were last written down.
        var unwritten: Set<Subject> = []
    }

    private final class Locked: Sendable {
        let shard = Mutex(Shard())
    }

    /// Whether there is a block of a kind; never false while there is one.
    private final class Presence: Sendable {
        /// Counts the blocks that have begun; and how many had, when last none was found.
        private let begun = Atomic(0)
        private let over = Atomic(0)

        var isAny: Bool { begun.load(ordering: .acquiring) != over.load(ordering: .acquiring) }
        var count: Int { begun.load(ordering: .acquiring) }

        func begin() { begun.add(1, ordering: .acquiringAndReleasing) }

        /// None was found in a search that began when `count` had begun.
        func end(_ count: Int) { over.store(count, ordering: .releasing) }
    }

    private let shards = (0..<shardCount).map { _ in Locked() }
    private let settings: Mutex<StrikeRules>
    // Whether anybody of a kind is blocked: who asks with each request asks this first.
    private let keys = Presence()
    private let people = Presence()
    private let addresses = Presence()

    init(_ rules: StrikeRules) { settings = Mutex(rules) }

    var rules: StrikeRules { settings.withLock { $0 } }

    func set(_ rules: StrikeRules) { settings.withLock { $0 = rules } }

    var blocksKeys: Bool { keys.isAny }
    var blocksPeople: Bool { people.isAny }
    var blocksAddresses: Bool { addresses.isAny }

    // MARK: Striking

    /// - Returns: the block, where this was one too many.
    func strike(_ subject: Subject, of tenant: TenantID?, _ offence: Offence, at now: WallTime) -> Block? {
        let rules = rules
        guard rules.pointsMax > 0 else { return nil }
        return change(subject, of: tenant, at: now, rules) { entry in
            entry.score.strike(offence, at: now, rules).map { Block(entry: entry, pause: $0) }
        }
    }

    /// The operator's.
    func block(_ subject: Subject, of tenant: TenantID?, for pause: Duration, at now: WallTime) -> Entry {
        change(subject, of: tenant, at: now, rules) { entry in
            entry.score.blockByOperator(for: pause, at: now)
            return entry
        }
    }

    /// Forgets everything of a subject.
    ///
    /// - Returns: false where there was nothing.
    func forgive(_ subject: Subject) -> Bool {
        locked(subject).shard.withLock { shard in
            shard.unwritten.insert(subject)
            return shard.entries.removeValue(forKey: subject) != nil
        }
    }

    private func change<Result>(
        _ subject: Subject, of tenant: TenantID?, at now: WallTime, _ rules: StrikeRules,
        _ body: (inout Entry) -> Result
    ) -> Result {
        let result = locked(subject).shard.withLock { shard in
            if shard.entries[subject] == nil, shard.entries.count >= Self.scoresPerShardMax {
                Self.makeRoom(in: &shard, at: now, rules)
            }
            var entry = shard.entries[subject] ?? Entry(subject: subject, tenant: tenant, score: StrikeScore(at: now))
            let result = body(&entry)
            shard.entries[subject] = entry
            shard.unwritten.insert(subject)
            return result
        }
        if isBlocked(subject, at: now) != nil { presence(of: subject.kind).begin() }
        return result
    }

    /// Of a few that stand together by chance, the one that matters least gives way; who is blocked does not.
    private static func makeRoom(in shard: inout Shard, at now: WallTime, _ rules: StrikeRules) {
        let few = shard.entries.values.lazy.filter { $0.score.wait(at: now) == nil }.prefix(8)
        guard let least = few.min(by: { $0.score.points(at: now, rules) < $1.score.points(at: now, rules) }) else {
            // All are blocked; then it is the one whose time is over first.
            let first = shard.entries.values.prefix(8).min {
                $0.score.wait(at: now) ?? .zero < $1.score.wait(at: now) ?? .zero
            }
            if let first { shard.entries[first.subject] = nil }
            return
        }
        shard.entries[least.subject] = nil
    }

    // MARK: Asking

    /// How long a subject is still blocked; `nil` where it is not.
    func isBlocked(_ subject: Subject, at now: WallTime) -> Duration? {
        locked(subject).shard.withLock { $0.entries[subject]?.score.wait(at: now) }
    }

    func entry(of subject: Subject) -> Entry? { locked(subject).shard.withLock { $0.entries[subject] } }

    /// Everybody with a score, those who are blocked first, and then by their points.
    func entries(at now: WallTime, max: Int) -> (entries: [Entry], isMore: Bool) {
        let rules = rules
        let all = shards.flatMap { $0.shard.withLock { Array($0.entries.values) } }
        let ranked = all.map { entry in
            let wait = entry.score.wait(at: now).map { Int($0.clampedMilliseconds) } ?? -1
            return (entry, wait, entry.score.points(at: now, rules))
        }
        let sorted = ranked.sorted { ($0.1, $0.2) > ($1.1, $1.2) }
        return (sorted.prefix(max).map(\.0), sorted.count > max)
    }

    var count: Int { shards.reduce(0) { $0 + $1.shard.withLock { $0.entries.count } } }

    // MARK: Writing down

    /// What has changed since the last call: rows to be written, and subjects whose rows go. Forgets what has faded.
    func takeUnwritten(at now: WallTime) -> (rows: [Entry], gone: [Subject]) {
        let rules = rules
        let begun = Self.kinds.map { presence(of: $0).count }
        var (rows, gone, blocked) = ([Entry](), [Subject](), Set<SubjectKind>())
        for locked in shards {
            locked.shard.withLock { shard in
                for (subject, entry) in shard.entries {
                    if entry.score.wait(at: now) != nil { blocked.insert(subject.kind) }
                    guard entry.score.isForgettable(at: now, rules) else { continue }
                    shard.entries[subject] = nil
                    shard.unwritten.insert(subject)
                }
                for subject in shard.unwritten {
                    if let entry = shard.entries[subject] { rows.append(entry) } else { gone.append(subject) }
                }
                shard.unwritten = []
            }
        }
        for (kind, count) in zip(Self.kinds, begun) where !blocked.contains(kind) { presence(of: kind).end(count) }
        return (rows, gone)
    }

    /// They could not be written.
    func putBack(_ subjects: [Subject]) {
        for subject in subjects { locked(subject).shard.withLock { _ = $0.unwritten.insert(subject) } }
    }

    func restore(_ entry: Entry, at now: WallTime) {
        locked(entry.subject).shard.withLock { $0.entries[entry.subject] = entry }
        if entry.score.wait(at: now) != nil { presence(of: entry.subject.kind).begin() }
    }

    /// Forgets a tenant that is being deleted. Its rows go with it.
    func forget(_ tenant: TenantID) {
        for locked in shards {
            locked.shard.withLock { shard in shard.entries = shard.entries.filter { $0.value.tenant != tenant } }
        }
    }

    /// Who can be blocked.
    static let kinds = [SubjectKind.key, .user, .address]

    private func presence(of kind: SubjectKind) -> Presence {
        switch kind {
        case .key: keys
        case .user: people
        default: addresses
        }
    }

    private func locked(_ subject: Subject) -> Locked {
        var hasher = Hasher()
        hasher.combine(subject)
        return shards[Int(UInt(bitPattern: hasher.finalize()) % UInt(Self.shardCount))]
    }
}
