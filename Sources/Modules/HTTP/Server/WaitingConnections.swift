// SPDX-License-Identifier: Apache-2.0

import Platform

/// The connections of a server for which nothing is being done: which one waits longest is known at once, however many
/// there are, so that a flood of new ones costs no search.
struct WaitingConnections {
    /// For what a connection waits.
    enum Kind: Sendable {
        /// For the first byte of a request.
        case request
        /// For the rest of a handshake, or of a head.
        case rest
    }

    /// A connection's place in one of the lists.
    struct Place {
        fileprivate(set) var kind: Kind?
        fileprivate(set) var since = Instant.now()
        fileprivate var older = Link()
        fileprivate var newer = Link()
    }

    /// A connection in a list, which is not held by it: each moves twice a request, and would be counted eight times.
    @safe fileprivate struct Link {
        // SAFETY: the server holds every connection that is in a list, and takes it out before it lets go of it.
        private var unheld: Unmanaged<ServerConnection>?

        /// To none.
        init() { unsafe unheld = nil }

        init(_ connection: ServerConnection) { unsafe unheld = .passUnretained(connection) }

        var connection: ServerConnection? { unsafe unheld?.takeUnretainedValue() }

        var isEmpty: Bool { unsafe unheld == nil }

        /// Changes the connection's place, if there is one.
        func change(_ body: (inout Place) -> Void) {
            unsafe unheld?._withUnsafeGuaranteedRef { body(&$0.place) }
        }
    }

    private struct List {
        var oldest = Link()
        var newest = Link()
    }

    private var request = List()
    private var rest = List()

    /// The one to close when there is no place for another: the one that has been idle longest, else the one that has
    /// been at its handshake or head longest, if that is longer than a peer in good faith needs.
    func first(at now: Instant) -> ServerConnection? {
        if let idle = request.oldest.connection { return idle }
        guard let slow = rest.oldest.connection, now - slow.place.since > HTTPMaxima.openingGrace else { return nil }
        return slow
    }

    /// The one that has been idle longest.
    var idle: ServerConnection? { request.oldest.connection }

    /// Puts a connection at the end of a list, and takes it out of the one it was in.
    mutating func move(_ connection: ServerConnection, to kind: Kind?, at now: Instant) {
        guard kind != connection.place.kind else { return }
        switch connection.place.kind {
        case .request: Self.remove(connection, from: &request)
        case .rest: Self.remove(connection, from: &rest)
        case nil: break
        }
        connection.place.kind = kind
        connection.place.since = now
        switch kind {
        case .request: Self.append(connection, to: &request)
        case .rest: Self.append(connection, to: &rest)
        case nil: break
        }
    }

    private static func append(_ connection: ServerConnection, to list: inout List) {
        let link = Link(connection)
        connection.place.older = list.newest
        list.newest.change { $0.newer = link }
        list.newest = link
        if list.oldest.isEmpty { list.oldest = link }
    }

    private static func remove(_ connection: ServerConnection, from list: inout List) {
        let (older, newer) = (connection.place.older, connection.place.newer)
        if older.isEmpty { list.oldest = newer } else { older.change { $0.newer = newer } }
        if newer.isEmpty { list.newest = older } else { newer.change { $0.older = older } }
        connection.place.older = Link()
        connection.place.newer = Link()
    }
}
