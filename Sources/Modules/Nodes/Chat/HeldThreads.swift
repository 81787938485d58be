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
    let correlationID: String?
    /// The sender's own id of its first message, by which a retry of that finds the thread.
    let firstClientID: String?
    private(set) var messages: [HeldMessage] = []

    init(nodeID: String, correlationID: String?, firstClientID: String?, at now: WallTime) {
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

    func find(_ id: String, of tenant: TenantID, at now: WallTime) -> HeldThread? {
        shelf.withLock { $0.value(id, of: tenant, at: now) }
    }

    /// The newest thread of a node that has this correlation id.
    func find(correlationID: String, node: String, of tenant: TenantID, at now: WallTime) -> HeldThread? {
        shelf.withLock { $0.value(named: Self.name("c", node, correlationID), of: tenant, at: now) }
    }

    /// The thread that began with the message that its sender knows by this id.
    func find(firstClientID: String, node: String, of tenant: TenantID, at now: WallTime) -> HeldThread? {
        shelf.withLock { $0.value(named: Self.name("m", node, firstClientID), of: tenant, at: now) }
    }

    /// Begins a thread with its first turn; or appends that to the thread of the same correlation id that another turn has
    /// begun while this one was being answered.
    ///
    /// - Returns: the thread's id.
    func begin(
        _ thread: HeldThread, _ question: HeldMessage, _ answer: HeldMessage, of tenant: TenantID, at now: WallTime
    ) -> String {
        shelf.withLock { shelf in
            let name = thread.correlationID.map { Self.name("c", thread.nodeID, $0) }
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

    func delete(_ id: String, of tenant: TenantID) -> Bool {
        shelf.withLock { $0.remove(id, of: tenant) != nil }
    }

    /// - Returns: how many there were.
    func delete(_ filter: ThreadFilter, of tenant: TenantID) -> Int {
        shelf.withLock { shelf in
            shelf.remove(of: tenant) { thread in
                (filter.nodeID ?? thread.nodeID) == thread.nodeID
                    && (filter.correlationID == nil || filter.correlationID == thread.correlationID)
            }
        }
    }

    func tend(tenants: Set<TenantID>, at now: WallTime) {
        shelf.withLock { $0.tend(tenants: tenants, at: now) }
    }

    private static func put(
        _ thread: HeldThread, in shelf: inout TenantShelf<HeldThread>, of tenant: TenantID, at now: WallTime
    ) -> Bool {
        var names: [String] = []
        if let id = thread.correlationID { names.append(name("c", thread.nodeID, id)) }
        if let id = thread.firstClientID { names.append(name("m", thread.nodeID, id)) }
        return shelf.put(thread, thread.id, bytes: thread.bytes, names: names, of: tenant, at: now)
    }

    private static func name(_ kind: String, _ node: String, _ id: String) -> String { "\(kind) \(node) \(id)" }
}
