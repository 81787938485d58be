// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Support
import Testing

@testable import Appliance

/// The check of files, on a running server.
@Suite(.serialized) struct VerifyTests {
    @Test func `every file of a running server is whole, and the ones of a tenant are named`() throws {
        let house = try House()
        let client = AdminClient(socketPath: try #require(house.socketPath))
        _ = try client.call(.post, "/admin/v1/tenants", body: ["name": "acme"])
        let files = try client.call(.get, "/admin/v1/store/files")["data"]?.array ?? []
        #expect(files.count == 4)
        for file in files {
            let check = try client.call(.post, "/admin/v1/store/verify", body: ["file": file])
            #expect(check["ok"]?.bool == true && check["pages"]?.int ?? 0 > 0, "\(check)")
        }
    }

    @Test(arguments: ["", "control.db-wal", "../root.key", "tenants/ten_01JD0000000000000000000000.db"])
    func `only files of the store are checked`(_ file: String) throws {
        let house = try House()
        let client = AdminClient(socketPath: try #require(house.socketPath))
        do throws(AdminClient.Failure) {
            Issue.record("\(try client.call(.post, "/admin/v1/store/verify", body: ["file": .string(file)]))")
        } catch {
            guard case .refused(_, "not_found", _) = error else { throw error }
        }
    }
}
