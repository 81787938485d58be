// SPDX-License-Identifier: Apache-2.0

import Bytes
package import JSON

/// A client's body for a provider of the same protocol: its bytes, but for what must change. Everything else, white space
/// and the spelling of numbers included, reaches the provider as it came; so what we read is what it reads.
package enum NativeRequest {
    /// The model's name becomes the provider's. On chats also `store` is declined, where the provider knows
    /// it; on streamed chats and completions usage is asked for.
    package static func body(_ document: JSONDocument, route: ModelRoute, for model: UpstreamModel) -> [UInt8] {
        let root = document.root
        if let body = extended(document, root, route: route, for: model) { return body }
        var edit = JSONEdit(document)
        edit.setMember(of: root, "model", .string(model.name))
        if route == .chat || route == .completions, root["stream"]?.bool == true {
            if let options = root["stream_options"], options.kind == .object {
                edit.setMember(of: options, "include_usage", true)
            } else {
                edit.setMember(of: root, "stream_options", ["include_usage": true])
            }
        }
        if route == .chat, model.tellsStore { edit.setMember(of: root, "store", false) }
        return edit.apply()
    }

    /// The same where the model's name is all that must be replaced, as in most requests: one copy, with the other members
    /// behind the client's last. nil where the client has sent one of these itself.
    private static func extended(
        _ document: JSONDocument, _ root: JSONNode, route: ModelRoute, for model: UpstreamModel
    ) -> [UInt8]? {
        guard let name = root["model"] else { return nil }
        let asksForUsage = (route == .chat || route == .completions) && root["stream"]?.bool == true
        if asksForUsage, root["stream_options"] != nil { return nil }
        let declinesStore = route == .chat && model.tellsStore
        if declinesStore, root["store"] != nil { return nil }
        let bytes = document.bytes
        // Behind the last member, which the closing brace follows; the name's member is there, so a comma is due.
        var end = root.range.upperBound - 1
        while end > name.range.upperBound, bytes[end - 1].isASCIIWhitespace { end -= 1 }
        var body: [UInt8] = []
        body.reserveCapacity(bytes.count + model.name.utf8.count + 64)
        body += bytes[..<name.range.lowerBound]
        body += JSONValue.string(model.name).serialized()
        body += bytes[name.range.upperBound..<end]
        if asksForUsage { body += usageMember }
        if declinesStore { body += storeMember }
        body += bytes[end...]
        return body
    }

    private static let usageMember = Array(#","stream_options":{"include_usage":true}"#.utf8)
    private static let storeMember = Array(#","store":false"#.utf8)
}
