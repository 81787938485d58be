// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Testing

@testable import Nodes

@Suite struct ThreadTests {
    @Test func `messages come back in their order, from either end, page by page`() throws {
        let house = try TestHouse()
        let id = try house.thread()
        for number in 1...25 { try house.append(["\(number)"], to: id) }
        #expect(try house.texts(of: id) == (1...25).map(String.init))
        #expect(try house.texts(of: id, Page(limit: 3, order: .descending)) == ["25", "24", "23"])
        #expect(try house.texts(of: id, Page(limit: 3, after: "23", order: .descending)) == ["22", "21", "20"])
        #expect(try house.texts(of: id, Page(limit: 3, after: "23", order: .ascending)) == ["24", "25"])
        #expect(try house.texts(of: id, Page(limit: 3, after: "99999999999", order: .ascending)) == [])
        #expect(try house.texts(of: id, Page(limit: 3, after: "0", order: .descending)) == [])
    }

    @Test func `two threads do not meet, whatever their lengths`() throws {
        let house = try TestHouse()
        let (first, second) = (try house.thread(), try house.thread())
        try house.append(["a", "b"], to: first)
        try house.append(["c"], to: second)
        #expect(try house.texts(of: first) == ["a", "b"])
        #expect(try house.texts(of: second) == ["c"])
        #expect(try house.texts(of: second, Page(limit: 10, after: "1", order: .ascending)) == [])
    }

    @Test func `what is written is sealed, and what is not sealed says nothing`() throws {
        let house = try TestHouse()
        let id = try house.thread(correlation: "order 77")
        try house.append(["the text"], to: id, clientID: "client-1")
        let columns = try house.tenant.run { transaction throws(SQLiteError) in
            try transaction.connection.query(
                """
                SELECT t.id || coalesce(t.node_id, '') || t.owner || hex(t.correlation) || t.created_at || t.messages
                    || m.id || m.role || hex(m.client) FROM nodes_threads t, nodes_messages m
                """
            ) { row throws(SQLiteError) in try row.text(0) }
        }.joined()
        for word in ["order", "title", "the text", "client-1"] { #expect(!columns.contains(word)) }
        let cells = try house.tenant.run { transaction throws(SQLiteError) in
            try transaction.connection.query("SELECT content FROM nodes_messages") { row throws(SQLiteError) in
                String(decoding: try row.blob(0), as: UTF8.self)
            }
        }
        #expect(cells.count == 1)
        #expect(cells[0].hasPrefix("<ten_test \(id) nodes_messages.content msg_"))
    }

    @Test func `a message of the same id from its sender is there once`() throws {
        let house = try TestHouse()
        let (id, other) = (try house.thread(), try house.thread())
        let first = try house.append(["hello"], to: id, clientID: "1")
        #expect(try house.append(["hello"], to: id, clientID: "1") == first)
        #expect(try house.texts(of: id) == ["hello"])
        // The id is one of this thread.
        try house.append(["hello"], to: other, clientID: "1")
        #expect(try house.texts(of: other) == ["hello"])
        #expect(throws: Failure.self) { try house.append(["another"], to: id, clientID: "1") }
        #expect(try house.texts(of: id) == ["hello"])
    }

    @Test func `a deleted thread takes no message, and leaves neither row nor key`() async throws {
        let house = try TestHouse()
        let id = try house.thread()
        try house.append((1...300).map { "message \($0)" }, to: id)
        #expect(house.tenant.keys.contains(ObjectID(id)))
        try await Deletion(database: house.tenant).deleteThread(id, of: .everybody)
        #expect(house.tenant.keys.isEmpty)
        // A turn that was under way when the thread was deleted.
        #expect(throws: Failure.self) { try house.append(["late"], to: id) }
        for table in ["nodes_threads", "nodes_messages", "nodes_remains"] {
            #expect(try house.tenant.count("SELECT count(*) FROM \(table)") == 0, "\(table)")
        }
        // Its number is not given to another thread, so remains could not meet a new one.
        let next = try house.thread()
        #expect(try house.tenant.count("SELECT number FROM nodes_threads WHERE id = '\(next)'") == 2)
    }

    @Test func `a long thread is gone at once and its rows in steps, also after a crash in between`() async throws {
        let house = try TestHouse()
        let id = try house.thread()
        try house.append((1...300).map { "message \($0)" }, to: id)
        try house.tenant.run { transaction throws(SQLiteError) in
            guard let thread = try ThreadTables.outline(id, in: transaction) else { return }
            try ThreadTables.delete(thread, in: transaction)
        }
        #expect(try house.texts(of: id) == nil)
        #expect(house.tenant.keys.isEmpty)
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_messages") == 300)
        try await house.sweep()
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_messages") == 0)
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_remains") == 0)
    }

    @Test func `deletion by filter takes what the filter means and nothing else`() async throws {
        let house = try TestHouse()
        let (a, b) = (try house.node("a"), try house.node("b"))
        let inA = try house.thread(node: a, correlation: "x")
        let inB = try house.thread(node: b, correlation: "x")
        let other = try house.thread(node: a, correlation: "y")
        let deletion = Deletion(database: house.tenant)
        let first = try await deletion.deleteThreads(ThreadFilter(nodeID: a, correlationID: "x"))
        #expect(first == (1, false))
        #expect(try house.texts(of: inA) == nil)
        #expect(try house.texts(of: inB) != nil)
        #expect(try await deletion.deleteThreads(ThreadFilter(correlationID: "x")) == (1, false))
        #expect(try house.texts(of: inB) == nil)
        #expect(try house.texts(of: other) != nil)
        for _ in 0..<70 { _ = try house.thread(node: b) }
        #expect(try await deletion.deleteThreads(ThreadFilter(nodeID: b)) == (70, false))
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_threads") == 1)
    }

    @Test func `a node goes with its threads, and no others`() async throws {
        let house = try TestHouse()
        let (a, b) = (try house.node("a"), try house.node("b"))
        for _ in 0..<40 { try house.append(["x"], to: house.thread(node: a)) }
        let kept = try house.thread(node: b)
        #expect(try await Deletion(database: house.tenant).deleteNode("a") == a)
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_threads") == 1)
        #expect(house.tenant.keys == [ObjectID(b), ObjectID(kept)])
    }

    @Test func `a list goes on where it was, whatever is added and removed meanwhile`() async throws {
        let house = try TestHouse()
        var ids: [String] = []
        for _ in 0..<30 {
            house.now = house.now + .milliseconds(1)
            ids.append(try house.thread())
        }
        ids.reverse()
        func page(after: String?) throws -> Slice<ThreadRecord> {
            try house.tenant.run { transaction throws(SQLiteError) in
                try ThreadTables.list(ThreadFilter(), Page(limit: 10, after: after), in: transaction)
            }
        }
        let first = try page(after: nil)
        #expect(first.elements.map(\.id) == Array(ids[..<10]))
        #expect(first.hasMore)
        // New ones come at the front; the very thread the cursor names goes, and one of the next page.
        house.now = house.now + .milliseconds(1)
        _ = try house.thread()
        try await Deletion(database: house.tenant).deleteThread(ids[9], of: .everybody)
        try await Deletion(database: house.tenant).deleteThread(ids[12], of: .everybody)
        let second = try page(after: ids[9])
        #expect(second.elements.map(\.id) == Array(ids[10..<12]) + Array(ids[13..<21]))
        let third = try page(after: second.elements.last?.id)
        #expect(third.elements.map(\.id) == Array(ids[21...]))
        #expect(!third.hasMore)
    }

    /// A page of large messages ends early, and the next one goes on behind it.
    @Test func `a page of messages has a largest size`() throws {
        let house = try TestHouse()
        let id = try house.thread()
        let large = String(repeating: "x", count: 1 << 20)
        for _ in 0..<9 { try house.append([large], to: id) }
        var seen = 0
        var after: String?
        for _ in 0..<9 {
            let page = Page(limit: 100, after: after, order: .ascending)
            let threads = house.threads
            let bound = try page.placeBound()
            let slice = try #require(
                try house.tenant.run { transaction throws(SQLiteError) in
                    try threads.messages(of: id, of: .everybody, page, after: bound, in: transaction)
                })
            #expect(slice.elements.reduce(0) { $0 + $1.content.utf8.count } <= Page.bytesMax)
            seen += slice.elements.count
            guard slice.hasMore, let last = slice.elements.last else { break }
            after = String(last.sequence)
        }
        #expect(seen == 9)
    }
}
