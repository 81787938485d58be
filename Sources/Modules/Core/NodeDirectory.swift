// SPDX-License-Identifier: Apache-2.0

/// What a node's name means where a model's name is asked for (`model: "node/<alias>"`). Played by Nodes.
package protocol NodeDirectory: Sendable {
    /// The node of the caller's own tenant with this alias.
    ///
    /// - Throws: `model_not_found` if there is none, or the caller may not use it; both look the same.
    func node(alias: String, for principal: Principal) async throws(Failure) -> NodeModel

    /// The aliases this caller may use, for the list of models; at most ``NodeModel/listedMax``.
    func aliases(for principal: Principal) async throws(Failure) -> [String]
}

/// A node as the gateway needs it.
package struct NodeModel: Sendable, Equatable {
    /// Nodes that a list of models shows.
    package static let listedMax = 1000

    /// `node_…`, for records.
    package let id: String
    /// A name of the catalog.
    package let model: String
    /// Stands before whatever the client's messages say; empty for none.
    package let systemPrompt: String
    /// The most tokens an answer may have, whatever the client asks for; `nil` for the model's own bound.
    package let outputTokensMax: Int?
    /// The most bytes one message from outside may have; `nil` for the route's own bound.
    package let inputBytesMax: Int?
    /// Whether its model may have code run.
    package let runsCode: Bool

    package init(
        id: String, model: String, systemPrompt: String, outputTokensMax: Int? = nil, inputBytesMax: Int? = nil,
        runsCode: Bool = false
    ) {
        self.id = id
        self.model = model
        self.systemPrompt = systemPrompt
        self.outputTokensMax = outputTokensMax
        self.inputBytesMax = inputBytesMax
        self.runsCode = runsCode
    }
}
