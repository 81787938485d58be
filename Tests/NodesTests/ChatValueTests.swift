// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Support
import Synchronization
import Testing

@testable import Nodes

@Suite struct ContextWindowTests {
    private func turns(_ texts: [String]) -> [ModelTurn] {
        texts.enumerated().map { ModelTurn($0.offset.isMultiple(of: 2) ? .user : .assistant, $0.element) }
    }

    @Test(arguments: [
        (10, 100, ["q1", "a1", "q2", "a2"], ["q1", "a1", "q2", "a2"]),
        (2, 100, ["q1", "a1", "q2", "a2"], ["q2", "a2"]),
        // An answer without its question goes.
        (3, 100, ["q1", "a1", "q2", "a2"], ["q2", "a2"]),
        (1, 100, ["q1", "a1", "q2", "a2"], []),
        (0, 100, ["q1", "a1"], []),
        (10, 4, ["q1", "a1", "q2", "a2"], ["q2", "a2"]),
        (10, 3, ["q1", "a1", "q2", "a2"], []),
        (10, 5, ["long question", "a1", "q2", "a2"], ["q2", "a2"]),
        // What does not fit ends it: a conversation with a hole would be another one.
        (10, 8, ["q1", "long answer", "q2", "a2"], ["q2", "a2"]),
    ])
    func `keeps the last messages that fit`(messages: Int, bytes: Int, said: [String], kept: [String]) {
        let window = ContextWindow(messagesMax: messages, bytesMax: bytes)
        #expect(window.kept(of: turns(said)).map(\.text) == kept)
    }

    @Test func `the prompt and the new message are always there`() {
        let window = ContextWindow(messagesMax: 0, bytesMax: 0)
        let told = window.turns(prompt: "be brief", earlier: turns(["q", "a"]), content: "now")
        #expect(told == [ModelTurn(.system, "be brief"), ModelTurn(.user, "now")])
        #expect(window.turns(prompt: "", earlier: [], content: "now") == [ModelTurn(.user, "now")])
    }

    @Test func `a node may want less, and not more`() {
        #expect(ContextWindow(NodeLimits(contextMessages: 5)).messagesMax == 5)
        #expect(ContextWindow(NodeLimits(contextMessages: 9_999)).messagesMax == ChatLimits.contextMessagesMax)
        #expect(ContextWindow(NodeLimits()).messagesMax == ChatLimits.contextMessagesMax)
    }
}

@Suite struct TenantShelfTests {
    private static let bounds = ShelfBounds(
        entriesPerTenant: 3, bytesPerTenant: 100, entriesMax: 5, bytesMax: 150, time: .seconds(60))
    private let one = TenantID("ten_1")
    private let two = TenantID("ten_2")
    private let start = WallTime(seconds: 1_000)

    @Test func `a thing lies there for its time from when it was last put`() {
        var shelf = TenantShelf<Int>(Self.bounds)
        shelf.put(1, "a", bytes: 1, of: one, at: start)
        #expect(shelf.value("a", of: one, at: start + .seconds(59)) == 1)
        #expect(shelf.value("a", of: one, at: start + .seconds(60)) == nil)
        shelf.put(2, "a", bytes: 1, of: one, at: start + .seconds(59))
        #expect(shelf.value("a", of: one, at: start + .seconds(118)) == 2)
        shelf.tend(tenants: [one], at: start + .seconds(119))
        #expect(shelf.count == 0 && shelf.bytes == 0)
    }

    @Test func `a clock that is set back keeps nothing for much longer`() {
        var shelf = TenantShelf<Int>(Self.bounds)
        shelf.put(1, "a", bytes: 1, of: one, at: start)
        #expect(shelf.value("a", of: one, at: start - .seconds(30)) == 1)
        #expect(shelf.value("a", of: one, at: start - .seconds(61)) == nil)
    }

    @Test func `what is another tenant's is not there, under any name`() {
        var shelf = TenantShelf<Int>(Self.bounds)
        shelf.put(1, "a", bytes: 1, names: ["n"], of: one, at: start)
        #expect(shelf.value("a", of: two, at: start) == nil && shelf.value(named: "n", of: two, at: start) == nil)
        #expect(shelf.remove("a", of: two) == nil)
        shelf.put(2, "a", bytes: 1, names: ["n"], of: two, at: start)
        #expect(shelf.value(named: "n", of: one, at: start) == 1)
        #expect(shelf.remove(of: two) { _ in true } == 1)
        #expect(shelf.value("a", of: one, at: start) == 1)
    }

    @Test func `a tenant that fills its part pushes out its own, the oldest first`() {
        var shelf = TenantShelf<Int>(Self.bounds)
        shelf.put(9, "x", bytes: 1, of: two, at: start)
        for number in 1...3 { shelf.put(number, "\(number)", bytes: 10, of: one, at: start) }
        shelf.put(1, "1", bytes: 10, of: one, at: start)
        shelf.put(4, "4", bytes: 10, of: one, at: start)
        #expect(["1", "2", "3", "4"].map { shelf.value($0, of: one, at: start) } == [1, nil, 3, 4])
        shelf.put(5, "5", bytes: 95, of: one, at: start)
        #expect(["1", "3", "4", "5"].map { shelf.value($0, of: one, at: start) } == [nil, nil, nil, 5])
        #expect(shelf.value("x", of: two, at: start) == 9)
        #expect(shelf.put(6, "6", bytes: 101, of: one, at: start) == false)
        #expect(shelf.value("5", of: one, at: start) == 5)
    }

    @Test func `a name means what was put last under it, and goes with it`() {
        var shelf = TenantShelf<Int>(Self.bounds)
        shelf.put(1, "a", bytes: 1, names: ["n"], of: one, at: start)
        shelf.put(2, "b", bytes: 1, names: ["n"], of: one, at: start)
        #expect(shelf.value(named: "n", of: one, at: start) == 2)
        shelf.remove("a", of: one)
        #expect(shelf.value(named: "n", of: one, at: start) == 2)
        shelf.remove("b", of: one)
        #expect(shelf.value(named: "n", of: one, at: start) == nil)
    }

    @Test func `tenants that are no more leave nothing`() {
        var shelf = TenantShelf<Int>(Self.bounds)
        shelf.put(1, "a", bytes: 1, of: one, at: start)
        shelf.put(2, "b", bytes: 1, of: two, at: start)
        shelf.tend(tenants: [two], at: start)
        #expect(shelf.value("a", of: one, at: start) == nil && shelf.value("b", of: two, at: start) == 2)
    }

    /// Against a list in the order of putting, which is too slow to be used and too simple to be wrong.
    @Test func `holds what a simple model holds, whatever is put and removed`() {
        var random = SeededGenerator()
        var shelf = TenantShelf<Int>(Self.bounds)
        var model: [(tenant: TenantID, id: String, bytes: Int, value: Int)] = []
        for value in 0..<3_000 {
            let tenant = [one, two, TenantID("ten_3")].randomElement(using: &random) ?? one
            let id = "\(Int.random(in: 0..<6, using: &random))"
            model.removeAll { $0.tenant == tenant && $0.id == id }
            if Int.random(in: 0..<5, using: &random) == 0 {
                shelf.remove(id, of: tenant)
            } else {
                let bytes = Int.random(in: 0...60, using: &random)
                shelf.put(value, id, bytes: bytes, of: tenant, at: start)
                model.append((tenant, id, bytes, value))
                func drop(_ isOver: ([Int]) -> Bool, _ isMeant: (TenantID) -> Bool) {
                    while isOver(model.filter { isMeant($0.tenant) }.map(\.bytes)),
                        let first = model.firstIndex(where: { isMeant($0.tenant) })
                    {
                        model.remove(at: first)
                    }
                }
                drop({ $0.count > 3 || $0.reduce(0, +) > 100 }, { $0 == tenant })
                drop({ $0.count > 5 || $0.reduce(0, +) > 150 }, { _ in true })
            }
            #expect(shelf.count == model.count && shelf.bytes == model.map(\.bytes).reduce(0, +))
            for entry in model { #expect(shelf.value(entry.id, of: entry.tenant, at: start) == entry.value) }
        }
    }
}

@Suite struct AcceptTests {
    private static let offered = ["application/json", "text/plain", "text/markdown"]

    @Test(arguments: [
        ([], "application/json"), (["*/*"], "application/json"), (["text/plain"], "text/plain"),
        (["TEXT/Markdown"], "text/markdown"), (["text/*"], "text/plain"),
        (["text/plain;q=0.5, text/markdown"], "text/markdown"),
        (["text/plain; q=0.5", "text/markdown; q=0.4"], "text/plain"),
        (["application/json;q=0, */*"], "text/plain"), (["text/*;q=0.9, text/plain;q=0.1"], "text/markdown"),
        (["image/png"], "application/json"), (["text/plain;q=7"], "application/json"),
        (["nonsense,,;q"], "application/json"),
        (["text/markdown;q=0.0001"], "application/json"),
    ])
    func `takes what the client likes best`(lines: [String], best: String) {
        #expect(Accept(lines).best(of: Self.offered) == best)
    }
}

@Suite struct RunsTests {
    private let node = "node_1"

    @Test func `so many runs at once, of one tenant and of all`() throws {
        let runs = Runs(runsMax: 3, perTenant: 2)
        let now = WallTime(seconds: 1_000)
        let (one, two) = (TenantID("ten_1"), TenantID("ten_2"))
        let first = Receipt(tenant: one, owner: "key_1", at: now)
        try runs.begin(first, node: node)
        try runs.begin(Receipt(tenant: one, owner: "key_1", at: now), node: node)
        let failure = #expect(throws: Failure.self) {
            try runs.begin(Receipt(tenant: one, owner: "key_1", at: now), node: node)
        }
        #expect(failure?.code == .overloaded)
        try runs.begin(Receipt(tenant: two, owner: "key_1", at: now), node: node)
        #expect(throws: Failure.self) { try runs.begin(Receipt(tenant: two, owner: "key_1", at: now), node: node) }
        runs.end(first)
        runs.end(first)
        try runs.begin(Receipt(tenant: two, owner: "key_1", at: now), node: node)
        #expect(throws: Failure.self) { try runs.begin(Receipt(tenant: one, owner: "key_1", at: now), node: node) }
    }

    @Test func `runs end with their node, and with their tenant`() throws {
        let runs = Runs()
        let now = WallTime(seconds: 1_000)
        let ended = Mutex<[String]>([])
        for (tenant, node) in [("ten_1", "node_1"), ("ten_1", "node_2"), ("ten_1", "node_3"), ("ten_2", "node_1")] {
            let receipt = Receipt(tenant: TenantID(tenant), owner: "key_1", at: now)
            try runs.begin(receipt, node: node)
            runs.start(receipt) { ended.withLock { $0.append("\(tenant) \(node)") } }
        }
        try runs.begin(Receipt(tenant: TenantID("ten_1"), owner: "key_1", at: now), node: "node_4")
        runs.forget(TenantID("ten_1"), node: "node_2")
        #expect(ended.withLock { $0 } == ["ten_1 node_2"])
        ended.withLock { $0 = [] }
        runs.forget(TenantID("ten_3"), node: "node_2")
        #expect(ended.withLock { $0 } == [])
        runs.forget(TenantID("ten_2"))
        #expect(ended.withLock { $0 } == ["ten_2 node_1"])
        runs.forget(TenantID("ten_1"))
        #expect(Set(ended.withLock { $0 }).isSuperset(of: ["ten_1 node_1", "ten_1 node_3"]))
    }

    @Test func `a thread of many short messages counts with what surrounds them`() {
        let now = WallTime(seconds: 1_000)
        var thread = HeldThread(nodeID: "node_1", owner: "key_1", correlationID: nil, firstClientID: nil, at: now)
        for number in 0..<100 {
            thread.append(
                HeldMessage(
                    id: "msg_\(number)", role: .user, content: "a", clientID: String(repeating: "c", count: 100)),
                HeldMessage(id: "msg_a\(number)", role: .assistant, content: "b"))
        }
        #expect(thread.bytes > 200 * 100)
    }

    @Test func `a result waits an hour in memory, for its own tenant`() throws {
        let runs = Runs()
        let now = WallTime(seconds: 1_000)
        let receipt = Receipt(tenant: TenantID("ten_1"), owner: "key_1", at: now)
        try runs.begin(receipt, node: node)
        #expect(runs.find(receipt.id, of: receipt.tenant, at: now)?.status == .queued)
        runs.start(receipt) {}
        #expect(runs.find(receipt.id, of: receipt.tenant, at: now)?.status == .running)
        #expect(runs.find(receipt.id, of: TenantID("ten_2"), at: now) == nil)
        let answer = TurnAnswer(threadID: "thr_1", messageID: "msg_1", content: "hello", isStored: false)
        runs.hold(.answered(answer), of: receipt, node: node, at: now)
        runs.end(receipt)
        #expect(runs.find(receipt.id, of: receipt.tenant, at: now + .seconds(3_599))?.status == .done)
        #expect(runs.find(receipt.id, of: TenantID("ten_2"), at: now) == nil)
        #expect(runs.find(receipt.id, of: receipt.tenant, at: now + .seconds(3_600)) == nil)
        runs.forget(receipt.tenant, node: node)
        #expect(runs.find(receipt.id, of: receipt.tenant, at: now) == nil)
    }
}
