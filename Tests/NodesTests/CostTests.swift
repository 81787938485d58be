// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Testing

@testable import Nodes

/// What work costs depends on what it shows or deletes, and not on how much a tenant has. Counted in pages, not in time.
@Suite(.serialized) struct CostTests {
    private static let messages = 100
    /// Threads that outlive their retention first.
    private static let old = 3

    /// A tenant with some old threads and many younger ones, of a hundred messages each.
    private func house(threads: Int) throws -> (house: TestHouse, ids: [String]) {
        let house = try TestHouse()
        let node = try house.node("shop")
        let texts = (0..<Self.messages).map { "message \($0)" }
        var ids: [String] = []
        for number in 0..<threads {
            if number == Self.old { house.now = house.now + .seconds(10 * 86_400) }
            let id = try house.thread(node: node, correlation: "c\(number)")
            try house.append(texts, to: id)
            ids.append(id)
        }
        return (house, ids)
    }

    /// Pages that some work asks for.
    private func pages(_ house: TestHouse, _ work: () async throws -> Void) async throws -> Int {
        func fetches() throws -> Int {
            try house.tenant.run { transaction throws(SQLiteError) in transaction.connection.pageFetches }
        }
        let before = try fetches()
        try await work()
        return try fetches() - before
    }

    private func costs(threads: Int) async throws -> [String: Int] {
        let (house, ids) = try house(threads: threads)
        var costs: [String: Int] = [:]
        let middle = ids[threads / 2]
        costs["messages of a thread"] = try await pages(house) {
            _ = try house.texts(of: middle, Page(limit: 20, order: .descending))
        }
        costs["a list of threads"] = try await pages(house) {
            _ = try house.tenant.run { transaction throws(SQLiteError) in
                try ThreadTables.list(ThreadFilter(), Page(limit: 20), in: transaction)
            }
        }
        costs["a thread by its correlation id"] = try await pages(house) {
            _ = try house.tenant.run { transaction throws(SQLiteError) in
                try ThreadTables.list(ThreadFilter(correlationID: "c5"), Page(limit: 20), in: transaction)
            }
        }
        costs["a deletion"] = try await pages(house) {
            try await Deletion(database: house.tenant).deleteThread(middle, of: .everybody)
        }
        costs["a deletion by filter"] = try await pages(house) {
            _ = try await Deletion(database: house.tenant).deleteThreads(ThreadFilter(correlationID: "c7"))
        }
        costs["a sweep of nothing"] = try await pages(house) { try await house.sweep() }
        house.now = house.now + .seconds(21 * 86_400)
        costs["a sweep of three threads"] = try await pages(house) { try await house.sweep() }
        let left = try house.tenant.count("SELECT count(*) FROM nodes_threads")
        #expect(left == threads - Self.old - 2)
        costs["everything"] = try await pages(house) {
            _ = try house.tenant.count("SELECT sum(length(content)) FROM nodes_messages")
        }
        return costs
    }

    @Test func `lists, reads, deletions and sweeps cost what they show or delete`() async throws {
        let few = try await costs(threads: 20)
        let many = try await costs(threads: Repetition.rounds(400, full: 10_000))
        for (what, pages) in many where what != "everything" {
            // A tree of a hundred times the rows is a page or two deeper, at each row.
            #expect(pages <= 3 * (few[what] ?? 0) + 16, "\(what): \(few[what] ?? 0) pages of few, \(pages) of many")
        }
        // The control: what looks at every message is seen by the count.
        #expect(many["everything"] ?? 0 > 10 * (few["everything"] ?? .max), "\(few) \(many)")
        if Repetition.isFull { print("cost: pages of few \(few), of many \(many)") }
    }
}
