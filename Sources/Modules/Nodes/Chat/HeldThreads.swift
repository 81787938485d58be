// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Synchronization

/// A message of a thread that is in memory only.
struct HeldMessage: Equatable, Sendable {
    let id: String
    let role: MessageRole
    let content: String
    /// The sender's own id.
    var clientID: String?

    /// Bytes of a message besides its words.
    static let overhead = 192
}

/// A thread that is in memory only: what a model is told of it, and no more.
struct HeldThread: Sendable {
    let id: String
    let nodeID: String
    /// The key or the person that began it, by its id.
    let owner: String
    let correlationID: String?
    /// The sender's own id of its first message, by which a retry of that finds the thread.
    let firstClientID: String?
    private(set) var messages: [HeldMessage] = []

    init(nodeID: String, owner: String, correlationID: String?, firstClientID: String?, at now: WallTime) {
        self.owner = owner
        id = ULID.make(prefix: ThreadRecord.prefix, at: now)
        self.nodeID = nodeID
        self.correlationID = correlationID
        self.firstClientID = firstClientID
    }

    var turns: [ModelTurn] {
        messages.map { ModelTurn($0.role == .user ? .user : .assistant, $0.content) }
    }

    /// What it takes in memory, about: many short messages are mostly what surrounds them.
    var bytes: Int {
        messages.reduce(Self.overhead) {
            $0 + $1.content.utf8.count + ($1.clientID?.utf8.count ?? 0) + HeldMessage.overhead
        }
    }

    /// Its ids and names, and its places in the tables.
    private static let overhead = 1024

    /// Appends a turn, and forgets what no model will be told any more.
    mutating func append(_ question: HeldMessage, _ answer: HeldMessage) {
        messages += [question, answer]
        let start = ContextWindow().start(of: messages.lazy.map(\.content.utf8.count))
        // The last turn stays even where it is larger than the window: a retry of it wants its answer.
        messages.removeFirst(min(start, messages.count - 2))
    }

    /// The question that its sender knows by this id, and its answer.
    func turn(clientID: String) -> (question: HeldMessage, answer: HeldMessage)? {
        guard let index = messages.lastIndex(where: { $0.clientID == clientID }), index + 1 < messages.count else {
            return nil
        }
        return (messages[index], messages[index + 1])
    }
}

/// The threads of tenants that have not agreed to keep them. They lie in memory, at most an hour from their last turn, and
/// nothing of them reaches the disk; a restart forgets them.
final class HeldThreads: Sendable {
    /// Guards the threads.
    private let shelf: Mutex<TenantShelf<HeldThread>>

    init(_ bounds: ShelfBounds = ChatLimits.heldThreads) {
        shelf = Mutex(TenantShelf(bounds))
    }

    /// - Parameter owners: whose; anybody else's is not found.
    func find(_ id: String, owners: Owners, of tenant: TenantID, at now: WallTime) -> HeldThread? {
        let thread = shelf.withLock { $0.value(id, of: tenant, at: now) }
        guard let thread, owners.include(thread.owner) else { return nil }
        return thread
    }

    /// The newest thread of a node that has this correlation id, of those that `owners` began.
    func find(
        correlationID: String, owners: Owners, node: String, of tenant: TenantID, at now: WallTime
    ) -> HeldThread? {
        shelf.withLock { $0.value(named: Self.name("c", owners, node, correlationID), of: tenant, at: now) }
    }

    /// The thread that began with the message that its sender knows by this id, likewise.
    func find(
        firstClientID: String, owners: Owners, node: String, of tenant: TenantID, at now: WallTime
    ) -> HeldThread? {
        shelf.withLock { $0.value(named: Self.name("m", owners, node, firstClientID), of: tenant, at: now) }
    }

    /// Begins a thread with its first turn; or appends that to the thread of the same correlation id that another turn has
    /// begun while this one was being answered.
    ///
    /// - Parameter owners: among whose threads such a one is looked for.
    /// - Returns: the thread's id.
    func begin(
        _ thread: HeldThread, _ question: HeldMessage, _ answer: HeldMessage, owners: Owners, of tenant: TenantID,
        at now: WallTime
    ) -> String {
        shelf.withLock { shelf in
            let name = thread.correlationID.map { Self.name("c", owners, thread.nodeID, $0) }
            var thread = name.flatMap { shelf.value(named: $0, of: tenant, at: now) } ?? thread
            thread.append(question, answer)
            _ = Self.put(thread, in: &shelf, of: tenant, at: now)
            return thread.id
        }
    }

    /// Appends a turn to a thread.
    ///
    /// - Returns: false if it is not there any more; then nothing was appended.
    func append(
        _ question: HeldMessage, _ answer: HeldMessage, to id: String, of tenant: TenantID, at now: WallTime
    ) -> Bool {
        shelf.withLock { shelf in
            guard var thread = shelf.value(id, of: tenant, at: now) else { return false }
            thread.append(question, answer)
            return Self.put(thread, in: &shelf, of: tenant, at: now)
        }
    }

    /// - Returns: false if `owners` have no such thread.
    func delete(_ id: String, owners: Owners, of tenant: TenantID, at now: WallTime) -> Bool {
        shelf.withLock { shelf in
            guard let thread = shelf.value(id, of: tenant, at: now), owners.include(thread.owner) else { return false }
            return shelf.remove(id, of: tenant) != nil
        }
    }

    /// - Returns: how many there were.
    func delete(_ filter: ThreadFilter, of tenant: TenantID) -> Int {
        shelf.withLock { shelf in
            shelf.remove(of: tenant) { thread in
                (filter.nodeID ?? thread.nodeID) == thread.nodeID
                    && (filter.correlationID == nil || filter.correlationID == thread.correlationID)
                    && filter.owners.include(thread.owner)
            }
        }
    }

    func tend(tenants: Set<TenantID>, at now: WallTime) {
        shelf.withLock { $0.tend(tenants: tenants, at: now) }
    }

    private static func put(
        _ thread: HeldThread, in shelf: inout TenantShelf<HeldThread>, of tenant: TenantID, at now: WallTime
    ) -> Bool {
        // For its owner alone, and for all programs if it is one.
        let owners = [Owners.one(thread.owner), .programs].filter { $0.include(thread.owner) }
        let names = owners.flatMap { owners in
            [("c", thread.correlationID), ("m", thread.firstClientID)].compactMap { kind, id in
                id.map { name(kind, owners, thread.nodeID, $0) }
            }
        }
        return shelf.put(thread, thread.id, bytes: thread.bytes, names: names, of: tenant, at: now)
    }

    private static func name(_ kind: String, _ owners: Owners, _ node: String, _ id: String) -> String {
        switch owners {
        case .everybody: "\(kind) * \(node) \(id)"
        case .one(let owner): "\(kind) \(owner) \(node) \(id)"
        case .keys: "\(kind) + \(node) \(id)"
        case .programs: "\(kind) - \(node) \(id)"
        }
    }
}
