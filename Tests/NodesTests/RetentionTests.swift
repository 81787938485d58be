// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Nodes

@Suite struct RetentionTests {
    private func days(_ days: Int, hours: Int = 0) -> Duration { .seconds(days * 86_400 + hours * 3_600) }

    private func file(in house: TestHouse, expiresAfter seconds: Int? = nil) throws -> String {
        let now = house.now
        let id = ULID.make(prefix: FileRecord.prefix, at: now)
        let term = seconds.map {
            "\r\n--b\r\ncontent-disposition: form-data; name=\"expires_after[anchor]\"\r\n\r\ncreated_at"
                + "\r\n--b\r\ncontent-disposition: form-data; name=\"expires_after[seconds]\"\r\n\r\n\($0)"
        }
        let body =
            "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\ncontent"
            + "\r\n--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\(term ?? "")\r\n--b--\r\n"
        var form = try UploadForm(contentType: "multipart/form-data; boundary=b", fileBytesMax: 1 << 20)
        #expect(try form.take(Array(body.utf8)).isEmpty)
        let last = try form.finish()
        let whole = form
        try house.tenant.run { transaction throws(SQLiteError) in
            try FileTables.begin(id, by: "key_1", at: now, in: transaction)
            _ = try FileTables.append([last], first: 0, endsFile: true, to: id, in: transaction)
            try FileTables.finish(id, whole, in: transaction)
        }
        return id
    }

    private func hasFile(_ id: String, in house: TestHouse) throws -> Bool {
        try house.tenant.run { transaction throws(SQLiteError) in
            try FileTables.find(id, of: .everybody, in: transaction) != nil
        }
    }

    @Test func `after 29 days and 23 hours everything is there, after 30 days and an hour nothing`() async throws {
        let house = try TestHouse()
        let thread = try house.thread()
        try house.append(["hello"], to: thread)
        let file = try file(in: house)
        let start = house.now
        house.now = start + days(29, hours: 23)
        try await house.sweep()
        #expect(try house.texts(of: thread) == ["hello"])
        #expect(try hasFile(file, in: house))
        house.now = start + days(30, hours: 1)
        try await house.sweep()
        #expect(try house.texts(of: thread) == nil)
        #expect(try !hasFile(file, in: house))
        #expect(house.tenant.keys.isEmpty)
        for table in ["nodes_threads", "nodes_messages", "nodes_files", "nodes_chunks", "nodes_remains"] {
            #expect(try house.tenant.count("SELECT count(*) FROM \(table)") == 0, "\(table)")
        }
    }

    @Test func `old messages go from a thread that goes on`() async throws {
        let house = try TestHouse()
        let thread = try house.thread()
        let start = house.now
        try house.append((0..<300).map { "old \($0)" }, to: thread)
        house.now = start + days(20)
        try house.append(["young"], to: thread)
        house.now = start + days(30, hours: 1)
        try await house.sweep()
        #expect(try house.texts(of: thread) == ["young"])
        #expect(try house.tenant.count("SELECT messages FROM nodes_threads") == 1)
        let bytes = try house.tenant.count("SELECT sum(length(content)) FROM nodes_messages")
        #expect(try house.tenant.count("SELECT bytes FROM nodes_threads") == bytes)
        house.now = start + days(50, hours: 1)
        try await house.sweep()
        #expect(try house.texts(of: thread) == nil)
    }

    /// The least of the three holds, whoever says it.
    @Test(
        arguments: [
            (nil, nil, nil, 30 * 86_400), (nil, nil, 60, 60), (nil, 3_600, nil, 3_600), (7_200, nil, nil, 7_200),
            (7_200, 3_600, 60, 60), (60, 3_600, 7_200, 60), (7_200, 60, 3_600, 60),
            // A wish for longer than the plan allows is not granted.
            (3_600, 365 * 86_400, nil, 3_600), (nil, 365 * 86_400, 365 * 86_400, 30 * 86_400),
            (365 * 86_400, 365 * 86_400, nil, 365 * 86_400),
        ] as [(Int?, Int?, Int?, Int)])
    func `what is kept how long`(_ plan: Int?, _ tenant: Int?, _ node: Int?, _ seconds: Int) async throws {
        let house = try TestHouse()
        let start = house.now
        if let plan { house.directory.plan.withLock { $0[.threads] = Retention(seconds: plan) } }
        if let tenant { house.directory.wish.withLock { $0[.threads] = Retention(seconds: tenant) } }
        let id = try house.thread(node: house.node("a", retentionSeconds: node))
        house.now = start + .seconds(seconds - 1)
        try await house.sweep()
        #expect(try house.texts(of: id) != nil)
        house.now = start + .seconds(seconds)
        try await house.sweep()
        #expect(try house.texts(of: id) == nil)
    }

    @Test func `a node's wish is for its own threads`() async throws {
        let house = try TestHouse()
        let start = house.now
        let short = try house.thread(node: house.node("short", retentionSeconds: 60))
        let long = try house.thread(node: house.node("long"))
        let none = try house.thread()
        house.now = start + .seconds(61)
        try await house.sweep()
        #expect(try house.texts(of: short) == nil)
        #expect(try house.texts(of: long) != nil)
        #expect(try house.texts(of: none) != nil)
    }

    @Test func `none keeps nothing, and takes what is there`() async throws {
        let house = try TestHouse()
        let id = try house.thread()
        house.directory.wish.withLock { $0[.threads] = Retention.none }
        #expect(throws: Failure.self) { try house.append(["x"], to: id) }
        #expect(throws: Failure.self) { try house.thread() }
        try await house.sweep()
        #expect(try house.texts(of: id) == nil)
    }

    @Test func `raising it brings nothing back`() async throws {
        let house = try TestHouse()
        house.directory.wish.withLock { $0[.threads] = Retention(seconds: 60) }
        let id = try house.thread()
        house.now = house.now + .seconds(61)
        try await house.sweep()
        house.directory.wish.withLock { $0[.threads] = Retention(seconds: 86_400) }
        try await house.sweep()
        #expect(try house.texts(of: id) == nil)
        #expect(house.tenant.keys.isEmpty)
    }

    /// A plan changes between two looks of the sweeper: what had outlived the old one goes all the same.
    @Test func `a plan that allows more brings nothing back`() async throws {
        let house = try TestHouse()
        house.directory.plan.withLock { $0[.threads] = Retention(seconds: 60) }
        try await house.sweep()
        let id = try house.thread()
        house.now = house.now + .seconds(61)
        house.directory.plan.withLock { $0[.threads] = Retention(seconds: 86_400) }
        await house.sweeper.run()
        #expect(try house.texts(of: id) == nil)
    }

    @Test func `one tenant's uploads leave room for others`() throws {
        let uploads = Uploads()
        let (one, other) = (TenantID("ten_1"), TenantID("ten_2"))
        for number in 0..<NodesLimits.uploadsPerTenantMax { try uploads.begin("file_\(number)", of: one) }
        #expect(throws: Failure.self) { try uploads.begin("file_x", of: one) }
        try uploads.begin("file_y", of: other)
        uploads.end("file_0")
        try uploads.begin("file_x", of: one)
        #expect(uploads.underWay(of: other) == ["file_y"])
    }

    @Test func `a file's own term ends it, and its retention may end it sooner`() async throws {
        let house = try TestHouse()
        let start = house.now
        let term = try file(in: house, expiresAfter: 3_600)
        let plain = try file(in: house)
        house.now = start + .seconds(3_601)
        try await house.sweep()
        #expect(try !hasFile(term, in: house))
        #expect(try hasFile(plain, in: house))
        let long = try file(in: house, expiresAfter: 2_592_000)
        house.directory.wish.withLock { $0[.files] = Retention(seconds: 60) }
        house.now = house.now + .seconds(61)
        try await house.sweep()
        #expect(try !hasFile(long, in: house))
    }

    @Test func `half a file goes, but not from under its upload`() async throws {
        let house = try TestHouse()
        let now = house.now
        let ids = [ULID.make(prefix: FileRecord.prefix, at: now), ULID.make(prefix: FileRecord.prefix, at: now)]
        for id in ids {
            try house.tenant.run { transaction throws(SQLiteError) in
                try FileTables.begin(id, by: "key_1", at: now, in: transaction)
                _ = try FileTables.append([[1, 2, 3]], first: 0, endsFile: false, to: id, in: transaction)
            }
        }
        try house.context.uploads.begin(ids[0], of: house.tenant.tenant)
        try await house.sweep()
        #expect(house.tenant.keys == [ObjectID(ids[0])])
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_chunks") == 1)
        house.context.uploads.end(ids[0])
        try await house.sweep()
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_files") == 0)
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_chunks") == 0)
    }

    @Test func `the schedule knows when to look again`() async throws {
        let house = try TestHouse()
        let (schedule, tenant) = (house.context.schedule, house.tenant.tenant)
        func isDue(after seconds: Int) -> Bool {
            schedule.isDue(tenant, under: house.directory.limits(of: tenant), at: house.now + .seconds(seconds))
        }
        #expect(isDue(after: 0))
        try await house.sweep()
        #expect(!isDue(after: 365 * 86_400))
        _ = try house.thread()
        #expect(!isDue(after: 30 * 86_400 - 1))
        #expect(isDue(after: 30 * 86_400))
        // A node that wishes less makes the next look earlier, and so does another plan.
        _ = try house.thread(node: house.node("a", retentionSeconds: 60))
        #expect(!isDue(after: 59))
        #expect(isDue(after: 60))
        try await house.sweep()
        #expect(!isDue(after: 59))
        house.directory.plan.withLock { $0[.threads] = Retention(seconds: 10) }
        #expect(isDue(after: 0))
    }
}
