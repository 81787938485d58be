// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// The tenant's nodes by the names under which model routes know them.
struct NodeNames: NodeDirectory {
    let context: NodesContext

    func node(alias: String, for principal: Principal) async throws(Failure) -> NodeModel {
        let node = try await context.store.database(of: principal).look { transaction throws(SQLiteError) in
            .success(try NodeTables.find(alias, in: transaction))
        }
        guard let node, principal.mayUse(node: node) else {
            throw Failure(.modelNotFound, "this key knows no model of that name", param: "model")
        }
        let configuration = node.configuration
        return NodeModel(
            id: node.id, model: configuration.model, systemPrompt: configuration.systemPrompt ?? "",
            outputTokensMax: configuration.limits.outputTokens, inputBytesMax: configuration.limits.inputBytes,
            runsCode: configuration.runsCode)
    }

    func aliases(for principal: Principal) async throws(Failure) -> [String] {
        let database = try context.store.database(of: principal)
        var aliases: [String] = []
        var page = Page(limit: Page.limitMax, order: .ascending)
        while aliases.count < NodeModel.listedMax {
            let wanted = page
            let slice = try await database.look { transaction throws(SQLiteError) in
                .success(try NodeTables.list(wanted, in: transaction))
            }
            aliases += slice.elements.filter { principal.mayUse(node: $0) }.map(\.configuration.alias)
            guard slice.hasMore, let last = slice.elements.last else { break }
            page.after = last.id
        }
        return Array(aliases.prefix(NodeModel.listedMax))
    }
}
