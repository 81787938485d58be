// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Nodes

/// What is told to a model, and what is kept of a turn.
@Suite struct TurnTests {
    @Test func `with consent a turn is stored whole, and the next one knows it`() throws {
        let house = try TestHouse()
        _ = try house.node("helper")
        let model = ScriptedModel()
        let first = try #require(try house.turn("one", model))
        #expect(first.isStored && first.content == "an answer")
        #expect(first.usage == ModelUsage(inputTokens: 3, outputTokens: 2, cost: 150))
        let second = try #require(try house.turn("two", thread: first.threadID, model))
        #expect(second.threadID == first.threadID)
        #expect(try house.texts(of: first.threadID) == ["one", "an answer", "two", "an answer"])
        #expect(
            model.heard.last == [
                ModelTurn(.user, "one"), ModelTurn(.assistant, "an answer"), ModelTurn(.user, "two"),
            ])
    }

    @Test func `without consent a thread is in memory, an hour from its last turn`() throws {
        let house = try TestHouse(consents: [])
        _ = try house.node("helper")
        let model = ScriptedModel()
        let first = try #require(try house.turn("one", model))
        #expect(!first.isStored)
        house.now = house.now + .seconds(3_599)
        _ = try house.turn("two", thread: first.threadID, model)
        #expect(model.heard.last?.map(\.text) == ["one", "an answer", "two"])
        house.now = house.now + .seconds(3_599)
        _ = try house.turn("three", thread: first.threadID, model)
        house.now = house.now + .seconds(3_600)
        let refusal = #expect(throws: Failure.self) { try house.turn("four", thread: first.threadID, model) }
        #expect(refusal?.code == .notFound)
        #expect(try house.threadsStored() == 0 && house.messagesStored() == 0)
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_creations") == 0)
    }

    @Test func `a correlation id continues its thread, in memory and in the store, node by node`() throws {
        for consents: [ConsentScope] in [[], [.threads]] {
            let house = try TestHouse(consents: consents)
            _ = try house.node("helper")
            _ = try house.node("other")
            let model = ScriptedModel()
            let first = try #require(try house.turn("one", correlation: "order 7", model))
            let second = try #require(try house.turn("two", correlation: "order 7", model))
            #expect(second.threadID == first.threadID)
            let foreign = try #require(try house.turn("three", node: "other", correlation: "order 7", model))
            #expect(foreign.threadID != first.threadID)
            #expect(model.heard.map(\.count) == [1, 3, 1])
        }
    }

    @Test func `consent that comes later stores nothing from before, and what goes keeps what it may`() throws {
        let house = try TestHouse(consents: [])
        _ = try house.node("helper")
        let held = try #require(try house.turn("before"))
        try house.grant(.threads)
        let still = try #require(try house.turn("after", thread: held.threadID))
        #expect(!still.isStored && still.threadID == held.threadID)
        #expect(try house.messagesStored() == 0)
        let stored = try #require(try house.turn("new"))
        #expect(stored.isStored)
        try house.withdraw(.threads)
        let model = ScriptedModel()
        let late = try #require(try house.turn("late", thread: stored.threadID, model))
        #expect(!late.isStored && late.threadID == stored.threadID)
        #expect(model.heard.last?.map(\.text) == ["new", "an answer", "late"])
        #expect(try house.texts(of: stored.threadID) == ["new", "an answer"])
    }

    @Test func `consent that is given while a model speaks does not reach back`() throws {
        let house = try TestHouse(consents: [])
        _ = try house.node("helper")
        let answer = try house.turn("said before", ScriptedModel(meanwhile: { try house.grant(.threads) }))
        #expect(answer?.isStored == false)
        #expect(try house.messagesStored() == 0)
    }

    @Test func `consent that is withdrawn while a model speaks stores nothing, and the turn is answered`() throws {
        let house = try TestHouse()
        _ = try house.node("helper")
        let first = try #require(try house.turn("one"))
        let answer = try #require(
            try house.turn("two", thread: first.threadID, ScriptedModel(meanwhile: { try house.withdraw(.threads) })))
        #expect(!answer.isStored && answer.content == "an answer")
        #expect(try house.texts(of: first.threadID) == ["one", "an answer"])
        try house.grant(.threads)
        let new = try #require(try house.turn("three", ScriptedModel(meanwhile: { try house.withdraw(.threads) })))
        #expect(!new.isStored)
        #expect(try house.threadsStored() == 1)
        // The conversation goes on in memory.
        #expect(try house.turn("four", thread: new.threadID)?.threadID == new.threadID)
    }

    @Test func `a thread that is deleted while a model speaks stays deleted, and its client has the answer`()
        async throws
    {
        let house = try TestHouse()
        _ = try house.node("helper")
        let first = try #require(try house.turn("one"))
        let answer = try #require(
            try house.turn(
                "two", thread: first.threadID,
                ScriptedModel(meanwhile: {
                    try house.tenant.run { transaction throws(SQLiteError) in
                        guard let thread = try ThreadTables.outline(first.threadID, in: transaction) else { return }
                        try ThreadTables.delete(thread, in: transaction)
                    }
                })))
        #expect(!answer.isStored && answer.content == "an answer")
        #expect(try house.threadsStored() == 0)
        try await Deletion(database: house.tenant).purge()
        #expect(try house.messagesStored() == 0)
    }

    @Test func `a node that is deleted while a model speaks comes to own no thread`() throws {
        let house = try TestHouse()
        let id = try house.node("helper")
        let answer = try house.turn(
            "one",
            ScriptedModel(meanwhile: {
                try house.tenant.run { transaction throws(SQLiteError) in
                    try NodeTables.delete(id, in: transaction)
                }
            }))
        #expect(answer?.isStored == false)
        #expect(try house.threadsStored() == 0 && house.messagesStored() == 0)
    }

    @Test func `of an answer that breaks off, or that nobody waits for, nothing is kept`() throws {
        for consents: [ConsentScope] in [[], [.threads]] {
            let house = try TestHouse(consents: consents)
            _ = try house.node("helper")
            let first = try #require(try house.turn("one"))
            let broken = ScriptedModel(failure: Failure(.upstreamInterrupted, "broke off"))
            let failure = #expect(throws: Failure.self) { try house.turn("two", thread: first.threadID, broken) }
            #expect(failure?.code == .upstreamInterrupted)
            #expect(try house.turn("three", thread: first.threadID, wants: { _ in false }) == nil)
            let model = ScriptedModel()
            _ = try house.turn("four", thread: first.threadID, model)
            #expect(model.heard.last?.map(\.text) == ["one", "an answer", "four"])
        }
    }

    @Test func `a request that asks for it is answered and not stored`() throws {
        let house = try TestHouse()
        _ = try house.node("helper")
        let first = try #require(try house.turn("one"))
        let model = ScriptedModel()
        let unkept = try #require(try house.turn("two", thread: first.threadID, isUnkept: true, model))
        #expect(!unkept.isStored && unkept.threadID == first.threadID)
        #expect(model.heard.last?.map(\.text) == ["one", "an answer", "two"])
        #expect(try house.texts(of: first.threadID) == ["one", "an answer"])
        let held = try #require(try house.turn("three", client: "c", isUnkept: true))
        #expect(!held.isStored)
        #expect(try house.threadsStored() == 1)
    }

    @Test(arguments: [true, false])
    func `a message that is sent again is answered once`(hasConsent: Bool) throws {
        let house = try TestHouse(consents: hasConsent ? [.threads] : [])
        _ = try house.node("helper")
        let model = ScriptedModel()
        let first = try #require(try house.turn("one", client: "m1", model))
        let again = try #require(try house.turn("one", client: "m1", model))
        #expect(again.threadID == first.threadID && again.messageID == first.messageID)
        #expect(again.usage == TurnAnswer.nothingUsed)
        let second = try #require(try house.turn("two", thread: first.threadID, client: "m2", model))
        #expect(try house.turn("two", thread: first.threadID, client: "m2", model)?.messageID == second.messageID)
        #expect(model.heard.count == 2)
        for (content, thread) in [("other", nil), ("other", first.threadID)] {
            let failure = #expect(throws: Failure.self) {
                try house.turn(content, thread: thread, client: thread == nil ? "m1" : "m2", model)
            }
            #expect(failure?.code == .conflict)
        }
        #expect(try house.turn("one", client: "m3", model)?.threadID != first.threadID)
    }

    @Test func `a message that was appended without an answer is answered, and said once`() throws {
        let house = try TestHouse()
        let node = try house.node("helper")
        let thread = try house.thread(node: node)
        try house.append(["hello"], to: thread, clientID: "m1")
        let model = ScriptedModel()
        _ = try house.turn("hello", thread: thread, client: "m1", model)
        #expect(model.heard.last?.map(\.text) == ["hello"])
        #expect(try house.texts(of: thread) == ["hello", "an answer"])
    }

    @Test func `a thread belongs to its node, and a key to what it is bound to`() throws {
        let house = try TestHouse()
        _ = try house.node("helper")
        _ = try house.node("other")
        let first = try #require(try house.turn("one"))
        #expect(throws: Failure.self) { try house.turn("two", node: "other", thread: first.threadID) }
        let bound = Principal(
            kind: .key(KeyID("key_2"), prefix: "ghk_two"), tenant: house.tenant.tenant, scopes: Scopes([.chat]),
            models: ["node/other"])
        let failure = #expect(throws: Failure.self) { try house.turn("two", by: bound) }
        #expect(failure?.code == .nodeNotAllowed)
        #expect(try house.turn("two", node: "other", by: bound) != nil)
    }

    @Test func `a tenant that is suspended while a model speaks keeps nothing of it`() throws {
        let house = try TestHouse()
        _ = try house.node("helper")
        let first = try #require(try house.turn("one"))
        let suspend: @Sendable () -> Void = { house.directory.status.withLock { $0 = .suspended } }
        let late = try #require(try house.turn("two", thread: first.threadID, ScriptedModel(meanwhile: suspend)))
        #expect(!late.isStored)
        house.directory.status.withLock { $0 = .active }
        let new = try #require(try house.turn("three", ScriptedModel(meanwhile: suspend)))
        #expect(!new.isStored)
        #expect(try house.texts(of: first.threadID) == ["one", "an answer"])
        #expect(try house.threadsStored() == 1)
    }

    @Test func `two turns that begin one conversation at once meet in one thread, in memory as well`() throws {
        let house = try TestHouse(consents: [])
        _ = try house.node("helper")
        let quick = Mutex("")
        let slow = try #require(
            try house.turn(
                "slow", correlation: "c",
                ScriptedModel(meanwhile: {
                    let turn = try house.turn("quick", correlation: "c")
                    quick.withLock { $0 = turn?.threadID ?? "none" }
                })))
        #expect(slow.threadID == quick.withLock { $0 })
        let model = ScriptedModel()
        _ = try house.turn("third", correlation: "c", model)
        #expect(model.heard.last?.map(\.text) == ["quick", "an answer", "slow", "an answer", "third"])
    }

    @Test func `two turns that begin one conversation at once meet in one thread`() throws {
        let house = try TestHouse()
        _ = try house.node("helper")
        let inner = ScriptedModel()
        let outer = try #require(
            try house.turn(
                "slow", correlation: "c",
                ScriptedModel(meanwhile: { _ = try house.turn("quick", correlation: "c", inner) })))
        #expect(try house.threadsStored() == 1)
        #expect(try house.texts(of: outer.threadID) == ["quick", "an answer", "slow", "an answer"])
    }

    @Test func `an answer beyond its bound is an error, and not kept`() throws {
        let house = try TestHouse()
        _ = try house.node("helper")
        let piece = String(repeating: "a", count: ChatLimits.answerBytesMax / 2)
        let fits = ScriptedModel([.text(piece), .text(piece)])
        #expect(try house.turn("one", fits)?.content.utf8.count == ChatLimits.answerBytesMax)
        let failure = #expect(throws: Failure.self) {
            try house.turn("two", ScriptedModel([.text(piece), .text(piece), .text("a")]))
        }
        #expect(failure?.code == .upstreamError)
        #expect(try house.messagesStored() == 2)
    }
}
