// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import HTTP
import JSON
import Log
import Platform
import Testing

@testable import Appliance

/// What a tenant takes away is everything of it: a table that no part tells of is named.
@Suite(.serialized) struct ArchiveTests {
    /// Tables of a tenant's file with nothing in them to take away.
    private static let passedOver: Set<String> = [
        // Who and what the file is, and what was read from it last.
        "store_tenant", "mark", "migrations", "sqlite_sequence",
        // What is still to be done.
        "store_outbox", "nodes_remains",
        // Digests by which a repeated creation is recognised for a day.
        "nodes_creations",
        // The wish of the tenant, which /v1/account/retention shows.
        "store_retention",
    ]

    private func untold(_ parts: [ArchivePart], _ schemas: [Schema]) throws -> [String] {
        let told = Set(parts.flatMap(\.tables))
        let tables = Set(try Inventory(schemas).rows.filter { $0.place == .tenant }.map(\.table))
        return tables.subtracting(told).subtracting(Self.passedOver).sorted()
    }

    @Test func `every table of a tenant is told in some part`() throws {
        let text = "mode = \"development\"\n[store]\n" + House.configuration
        let modules = try Composition(Configuration(text: text), log: .disabled).modules.map(\.module)
        let (parts, schemas) = (modules.flatMap(\.archiveParts), modules.flatMap(\.schemas))
        #expect(try untold(parts, schemas) == [])
        #expect(Set(parts.map(\.name)).count == parts.count)
        // The control: a part that is left out is missed.
        #expect(try untold(parts.filter { $0.name != "threads" }, schemas) == ["nodes_messages", "nodes_threads"])
    }

    @Test func `the archive of one tenant holds its own words and nobody else's`() throws {
        let world = try TwoTenants()
        let answer = try world.house.call(.get, "/v1/account/export", key: world.victim.key)
        let text = String(decoding: answer.body, as: UTF8.self)
        #expect(answer.status == 200 && answer.fields["content-type"] == "application/x-tar")
        #expect(text.contains("\"content\":\"I am \(world.victim.marker)\""))
        #expect(text.contains(world.victim.keyID) && text.contains("files/\(world.victim.file)"))
        #expect(!text.contains(world.thief.marker) && !text.contains(world.thief.node))
        #expect(!text.contains(world.victim.key))
        #expect(answer.body.count % 512 == 0)
    }

    /// A server whose export is made of this one part.
    private func house(_ part: ArchivePart) throws -> House {
        let roles = Monitor<(any TenantDirectory)?>(nil)
        return try House(
            rerouting: { routes in
                guard let directory = roles.withLock({ $0 }) else { return routes }
                let export = AccountExport(parts: [part], directory: directory).route
                return routes.map { $0.pattern == export.pattern ? export : $0 }
            },
            altering: { section, all in if section == "store" { roles.withLock { $0 = all.directory } } })
    }

    @Test func `what has to be refused is refused before the first byte`() throws {
        let busy = Failure(.overloaded, "usage is being written; try again")
        let early = ArchivePart("x", "x", tables: [], prepare: { _, _ throws(Failure) in throw busy }) { _, _ in }
        let first = try house(early)
        #expect(try first.call(.get, "/v1/account/export", key: first.key).code == "overloaded")
        // The control: said later, it is an answer that is cut off, and nobody can be told why.
        let late = ArchivePart("x", "x", tables: []) { _, _ throws(Failure) in throw busy }
        let second = try house(late)
        #expect(throws: ClientFailure.self) { try second.call(.get, "/v1/account/export", key: second.key) }
    }

    @Test func `a store that is busy for a moment does not cut an archive off`() throws {
        let refusals = Monitor(3)
        let part = ArchivePart("x", "x", tables: []) { _, archive throws(Failure) in
            let line = try await archive.patiently { () throws(Failure) in
                let left = refusals.withLock { left in
                    left -= 1
                    return left
                }
                guard left < 0 else { throw Failure(.overloaded, "the store is busy; try again") }
                return "otters"
            }
            try await archive.add(["line": .string(line)])
            try await archive.end()
        }
        let house = try house(part)
        let answer = try house.call(.get, "/v1/account/export", key: house.key)
        #expect(answer.status == 200 && String(decoding: answer.body, as: UTF8.self).contains("otters"))
    }
}
